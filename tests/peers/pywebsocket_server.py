"""pywebsocket 0.7.9 (Google's, Python 2.7) as an echo server of every path. Prints `listening on HOST:PORT`, and exits
at the end of its standard input."""

import os
import sys
import threading

from mod_pywebsocket import dispatch, standalone

ECHO = """
def web_socket_do_extra_handshake(request):
    request.ws_extension_processors = []
    # In Hixie-76 it takes what it is offered by itself.
    if getattr(request, "ws_requested_protocols", None):
        request.ws_protocol = request.ws_requested_protocols[0]


def web_socket_transfer_data(request):
    while True:
        message = request.ws_stream.receive_message()
        if message is None:
            return
        request.ws_stream.send_message(message, binary=not isinstance(message, unicode))
"""


def end():
    sys.stdin.read()
    os._exit(0)


suite = dispatch._source_handler_file(ECHO)
dispatch.Dispatcher.get_handler_suite = lambda self, resource: suite
# In hixie-76 it requires its own port in Host, so it gets the port of most recorded requests.
standalone._StandaloneConnection.local_addr = ("127.0.0.1", 80)
arguments = ["-H", "127.0.0.1", "-p", "0", "--log-level", "critical"]
options, _ = standalone._parse_args_and_config(arguments)
options.cgi_directories = []
options.is_executable_method = None
server = standalone.WebSocketServer(options)
print("listening on 127.0.0.1:%d" % server.server_port)
sys.stdout.flush()
threading.Thread(target=end).start()
server.serve_forever()

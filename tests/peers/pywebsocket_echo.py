"""pywebsocket 0.7.9 (Google's, Python 2.7): the handshakes of its example client and its streams. VERSION: hixie-76,
hybi-07 (its version 8 with another number in the head), hybi-10, rfc6455 or deflate-frame (rfc6455 with this extension,
which the server must accept). It offers no subprotocol."""

import os
import signal
import socket
import sys

import messages
import mod_pywebsocket
from mod_pywebsocket import common
from mod_pywebsocket.stream import Stream, StreamHixie75, StreamOptions

# The example is in a directory next to the package.
sys.path.append(os.path.join(os.path.dirname(os.path.dirname(mod_pywebsocket.__file__)), "example"))
import echo_client

HIXIE = messages.VERSION == "hixie-76"


class Options(object):
    server_host = messages.HOST
    server_port = messages.PORT
    resource = messages.PATH
    origin = messages.ORIGIN
    protocol_version = {"hixie-76": "hybi00", "rfc6455": "hybi13", "deflate-frame": "hybi13"}.get(messages.VERSION, "hybi08")
    version_header = 7 if messages.VERSION == "hybi-07" else -1
    use_tls = False
    deflate_stream = False
    deflate_frame = messages.VERSION == "deflate-frame"


def echoed(stream, message, binary=False):
    stream.send_message(message, binary=binary)
    messages.compare(stream.receive_message(), message)


def check():
    signal.alarm(messages.DEADLINE)
    connection = socket.create_connection((messages.HOST, messages.PORT), messages.DEADLINE)
    handshake = echo_client.ClientHandshakeProcessorHybi00 if HIXIE else echo_client.ClientHandshakeProcessor
    handshake(connection, Options).handshake()

    request = echo_client.ClientRequest(connection)
    request.ws_version = common.VERSION_HYBI00 if HIXIE else common.VERSION_HYBI13
    if HIXIE:
        stream = StreamHixie75(request, True)
    else:
        options = StreamOptions()
        options.mask_send = True
        options.unmask_receive = False
        # The handshake has replaced the requested extension by the agreed one.
        if Options.deflate_frame:
            Options.deflate_frame.setup_stream_options(options)
        stream = Stream(request, options)

    for text in messages.TEXTS:
        echoed(stream, text)
    if Options.deflate_frame:
        # From here on, each frame has a final block.
        Options.deflate_frame.set_bfinal(True)
    for text in messages.BURST:
        stream.send_message(text)
    for text in messages.BURST:
        messages.compare(stream.receive_message(), text)
    if not HIXIE:
        for binary in messages.BINARIES:
            echoed(stream, binary, binary=True)
        pongs = []
        request.on_pong_handler = lambda request, payload: pongs.append(payload)
        stream.send_ping("ping")
        echoed(stream, u"after the ping")
        messages.compare(pongs, ["ping"])
    # Raises unless the close is answered.
    stream.close_connection()
    return "%d texts" % len(messages.TEXTS + messages.BURST)


messages.report("pywebsocket 0.7.9 " + messages.VERSION, check)

"""autobahn 0.10.9 (Python 2.7) as an echo server that speaks one protocol: hixie-76, hybi-10 or rfc6455. Prints
`listening on HOST:PORT`, and ends with its standard input."""

import os
import site
import sys
import threading

# zope, which Twisted needs, is spread over two distributions that only a .pth file puts together.
site.addsitedir(os.environ["PYTHONPATH"].split(os.pathsep)[0])
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor

VERSIONS = {"hixie-76": 0, "hybi-10": 8, "rfc6455": 13}


class Echo(WebSocketServerProtocol):
    def onMessage(self, payload, isBinary):
        self.sendMessage(payload, isBinary)


def end():
    sys.stdin.read()
    os._exit(0)


version = VERSIONS[sys.argv[1]]
listener = reactor.listenTCP(0, WebSocketServerFactory(), interface="127.0.0.1")
port = listener.getHost().port
# The Location of Hixie-76 has the port.
listener.factory.setSessionParameters("ws://127.0.0.1:%d" % port)
listener.factory.protocol = Echo
listener.factory.setProtocolOptions(versions=[version], allowHixie76=version == 0)
print("listening on 127.0.0.1:%d" % port)
sys.stdout.flush()
thread = threading.Thread(target=end)
thread.daemon = True
thread.start()
reactor.run()

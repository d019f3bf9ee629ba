"""autobahn 0.10.9 (Python 2.7) as an echo server that speaks one protocol: hixie-76, hybi-10 or rfc6455. Prints
`listening on HOST:PORT`, and exits at the end of its standard input."""

import os
import site
import sys
import threading

# Twisted needs zope, whose two distributions are joined only by a .pth file.
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
# The Location of hixie-76 contains the port.
listener.factory.setSessionParameters("ws://127.0.0.1:%d" % port)
listener.factory.protocol = Echo
listener.factory.setProtocolOptions(versions=[version], allowHixie76=version == 0)
print("listening on 127.0.0.1:%d" % port)
sys.stdout.flush()
thread = threading.Thread(target=end)
thread.daemon = True
thread.start()
reactor.run()

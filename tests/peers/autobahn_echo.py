"""autobahn 0.10.9, Python 2.7. VERSION: hixie-76, hybi-10 (draft 10), draft-12 (version 8 as well, but with Origin
instead of Sec-WebSocket-Origin), rfc6455, or permessage-deflate (rfc6455 with this extension)."""

import os
import site

import messages

# Twisted needs zope, whose two distributions are joined only by a .pth file.
site.addsitedir(os.environ["PYTHONPATH"].split(os.pathsep)[0])
from autobahn.websocket.compress import PerMessageDeflateOffer, PerMessageDeflateResponseAccept
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.internet import reactor

SPEC = {"hixie-76": 0, "hybi-10": 10, "draft-12": 12, "rfc6455": 18, "permessage-deflate": 18}[messages.VERSION]
HIXIE = SPEC == 0

# Its hixie parser never ends a message whose FF is the first byte of a read, so the empty text is left out.
texts = [text for text in messages.TEXTS + messages.BURST if text or not HIXIE]
wanted = [(text.encode("utf-8"), False) for text in texts]
if not HIXIE:
    wanted += [(binary, True) for binary in messages.BINARIES]
outcome = {"received": 0, "pongs": 0, "why": "no connection"}


class Client(WebSocketClientProtocol):
    def onConnect(self, response):
        if (response.protocol or "") != messages.SUBPROTOCOL:
            self.stop("subprotocol %r" % response.protocol)

    def onOpen(self):
        for payload, binary in wanted:
            self.sendMessage(payload, binary)

    def onMessage(self, payload, binary):
        if (payload, binary) != wanted[outcome["received"]]:
            return self.stop("message %d came back with length %d" % (outcome["received"], len(payload)))
        outcome["received"] += 1
        if outcome["received"] == len(wanted):
            self.sendClose() if HIXIE else self.sendPing("ping")

    def onPong(self, payload):
        outcome["pongs"] += 1
        self.sendClose(1000)

    def onClose(self, clean, code, reason):
        complete = outcome["received"] == len(wanted) and (HIXIE or outcome["pongs"] == 1)
        self.stop(None if clean and complete and code in (None, 1000) else "closed: clean %s, code %s, %s" % (clean, code, reason))

    def stop(self, why):
        if reactor.running:
            outcome["why"] = why
            reactor.stop()


class Factory(WebSocketClientFactory):
    protocol = Client

    def clientConnectionFailed(self, connector, reason):
        outcome["why"] = reason.getErrorMessage()
        reactor.stop()


def late():
    outcome["why"] = "nothing more within the deadline"
    reactor.stop()


def check():
    offered = [messages.SUBPROTOCOL] if messages.SUBPROTOCOL else []
    factory = Factory(messages.URL, origin=messages.ORIGIN, protocols=offered)
    factory.setProtocolOptions(version=SPEC, allowHixie76=HIXIE)
    if messages.VERSION == "permessage-deflate":
        factory.setProtocolOptions(
            perMessageCompressionOffers=[PerMessageDeflateOffer()],
            perMessageCompressionAccept=PerMessageDeflateResponseAccept,
        )
    reactor.connectTCP(messages.HOST, messages.PORT, factory)
    reactor.callLater(messages.DEADLINE, late)
    reactor.run()
    summary = "%(received)d messages, %(pongs)d pongs" % outcome
    if outcome["why"]:
        raise AssertionError("%s, after %s" % (outcome["why"], summary))
    return summary


messages.report("autobahn 0.10.9 " + messages.VERSION, check)

"""WAMP version 1 by AutobahnPython 0.5.14, which uses version 8 of WebSocket, or 0.8.15; Python 2.7. The last argument
is the dialect of the server, autobahn or ratchet, or broker: the dialect of Autobahn without procedures."""

import itertools
import os
import site

import messages

# Twisted needs zope, whose two distributions are joined only by a .pth file.
site.addsitedir(os.environ["PYTHONPATH"].split(os.pathsep)[0])
try:
    from autobahn.twisted.websocket import connectWS
    from autobahn.wamp1.protocol import WampClientFactory, WampClientProtocol
except ImportError:
    from autobahn.wamp import WampClientFactory, WampClientProtocol
    from autobahn.websocket import connectWS
from twisted.internet import defer, reactor

DIALECT = messages.VERSION
IS_RATCHETS = DIALECT == "ratchet"
CALC = "http://example.com/simple/calc#"
# The topic of this client alone.
TOPIC = "http://example.com/simple" + messages.PATH
EVENT = {"list": [1, u"\u2603", None], "text": u"\"gr\u00fc\u00df\"\\"}
VALUES = [None, True, 0, -1.5, 2 ** 40, u"", u"\u2603\"\\/", {}, {"k": [1, {"l": None}]}]

counts = {"calls": 0, "rows": 0, "events": 0}
outcome = {"why": "no connection"}


class Client(WampClientProtocol):
    """A client that collects its events up to a mark."""

    def onSessionOpen(self):
        self.kept, self.marked = [], None
        self.factory.opened.callback(self)

    def listen(self):
        self.subscribe(TOPIC, self.heard)
        # A subscription has no answer, but the call that follows has one.
        return fails(self.call(CALC + "nosuch"))

    def heard(self, topic, event):
        counts["events"] += 1
        same("topic", topic, TOPIC)
        if isinstance(event, list) and event[:1] == ["mark"]:
            self.marked.callback(self.kept)
            self.kept = []
        else:
            self.kept.append(event)


def same(what, got, wanted):
    if got != wanted:
        raise AssertionError("%s: %r, not %r" % (what, got, wanted))


@defer.inlineCallbacks
def fails(call):
    try:
        result = yield call
    except Exception as error:
        defer.returnValue(list(error.args))
    raise AssertionError("%r is no error" % (result,))


@defer.inlineCallbacks
def until_mark(publisher, clients):
    for client in clients:
        client.marked = defer.Deferred()
    publisher.publish(TOPIC, ["mark"], exclude=[])
    kept = yield defer.gatherResults([client.marked for client in clients])
    defer.returnValue(kept)


@defer.inlineCallbacks
def calls(client):
    client.prefix("calc", CALC)
    for procedure, arguments, wanted in [
        (CALC + "add", (23, 7), 30),
        ("calc:add", (1, 2.5), 3.5),
        (CALC + "args", (), []),
        (CALC + "args", (1, [2], {}), [1, [2], {}]),
        (CALC + "args", ([1, 2],), [1, 2] if IS_RATCHETS else [[1, 2]]),
    ] + [(CALC + "echo", (value,), value) for value in VALUES]:
        result = yield client.call(procedure, *arguments)
        same(procedure, result, wanted)
        counts["calls"] += 1
    error = yield fails(client.call(CALC + "fail"))
    same("the error", error, ["http://example.com/error#fail", "failed on purpose", [1, 2]])
    results = yield defer.gatherResults([client.call(CALC + "echo", number) for number in range(60)])
    same("calls at once", results, list(range(60)))


@defer.inlineCallbacks
def publishes(a, b):
    yield a.listen()
    yield b.listen()
    lists = [None, [], [a.session_id], [b.session_id], [a.session_id, b.session_id]]
    for exclude_me, exclude, eligible in itertools.product((None, True, False), lists, lists):
        # This client's treatment of its arguments: it excludes itself explicitly only with an eligible list.
        if exclude is not None:
            out = exclude
        elif eligible is not None:
            out = [] if exclude_me is False else [a.session_id]
        else:
            out = [] if IS_RATCHETS or exclude_me is False else [a.session_id]
        is_all = eligible is None or (IS_RATCHETS and not eligible)
        wanted = [
            [EVENT] if client.session_id not in out and (is_all or client.session_id in eligible) else []
            for client in (a, b)
        ]
        a.publish(TOPIC, EVENT, excludeMe=exclude_me, exclude=exclude, eligible=eligible)
        kept = yield until_mark(a, (a, b))
        same("exclude_me %r, exclude %r, eligible %r" % (exclude_me, exclude, eligible), kept, wanted)
        counts["rows"] += 1
    for number in range(200):
        a.publish(TOPIC, number, exclude=[a.session_id])
    kept = yield until_mark(a, (a, b))
    same("200 in order", kept, [[], list(range(200))])
    b.unsubscribe(TOPIC)
    yield fails(b.call(CALC + "nosuch"))
    a.publish(TOPIC, "to nobody")
    yield fails(a.call(CALC + "nosuch"))
    b.subscribe(TOPIC, b.heard)
    yield fails(b.call(CALC + "nosuch"))
    kept = yield until_mark(a, (a, b))
    same("after unsubscribing", kept[1], [])


@defer.inlineCallbacks
def talk(opened):
    a, b = yield defer.gatherResults(opened)
    same("versions", [a.session_protocol_version, b.session_protocol_version], [1, 1])
    if len(a.session_id) != 16 or a.session_id == b.session_id:
        raise AssertionError("sessions %r and %r" % (a.session_id, b.session_id))
    error = yield fails(a.call(CALC + "nosuch"))
    same("an unknown procedure", error[0], "http://api.wamp.ws/error#generic")
    if DIALECT != "broker":
        yield calls(a)
    yield publishes(a, b)


def dial():
    factory = WampClientFactory(messages.URL)
    factory.protocol = Client
    factory.opened = defer.Deferred()
    factory.clientConnectionFailed = lambda _, reason: end(reason.getErrorMessage())
    connectWS(factory)
    return factory.opened


def end(why):
    if reactor.running:
        outcome["why"] = why
        reactor.stop()


def check():
    talking = talk([dial(), dial()])
    talking.addCallbacks(lambda _: end(None), lambda failure: end(failure.getErrorMessage()))
    reactor.callLater(messages.DEADLINE, end, "nothing more within the deadline")
    reactor.run()
    summary = "%(calls)d calls, %(rows)d rows, %(events)d events" % counts
    if outcome["why"]:
        raise AssertionError("%s, after %s" % (outcome["why"], summary))
    return summary


messages.report("autobahn %s %s" % (messages.SUBPROTOCOL, DIALECT), check)

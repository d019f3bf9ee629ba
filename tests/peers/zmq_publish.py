"""A web app that publishes by libzmq: zmq_publish.py PULL SUB, the addresses of two sockets.

Prints PASS once all messages are sent, if no connection was closed meanwhile. The test checks the arrival at the
subscribers of "news".
"""

import json
import sys
import time

import zmq
from zmq.utils.monitor import recv_monitor_message

PULL, SUB = sys.argv[1:]


def tnetstring(value):
    if isinstance(value, dict):
        content = b"".join(tnetstring(part) for entry in value.items() for part in entry)
        return b"%d:%s}" % (len(content), content)
    content = value.encode()
    return b"%d:%s," % (len(content), content)


def item(text, **more):
    return {**more, "formats": {"ws-message": {"content": text}}}


def connect(context, kind, address):
    socket = context.socket(kind)
    socket.setsockopt(zmq.LINGER, 5000)
    # libzmq sends a PING if it sends no message, and disconnects a peer that does not answer.
    socket.setsockopt(zmq.HEARTBEAT_IVL, 100)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 1000)
    events = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    socket.connect(address)
    if not events.poll(10_000):
        sys.exit(f"FAIL {address} does not answer")
    assert recv_monitor_message(events)["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED
    return socket, events


context = zmq.Context()
push, pushing = connect(context, zmq.PUSH, PULL)
publisher, publishing = connect(context, zmq.PUB, SUB)

push.send(b"T" + tnetstring(item("with T", channel="news")))
push.send(tnetstring(item("without a letter", channel="news")))
push.send(b"J" + json.dumps(item("Gr\u00fc\u00dfe", channel="news")).encode())
# None of these is an item.
push.send(json.dumps(item("without a letter", channel="news")).encode())
push.send(b"")
push.send(b"Jnope")
push.send_multipart([b"J", b"{}"])
push.send(b"J" + json.dumps(item("x" * 1_000_000, channel="news")).encode())
for number in range(200):
    push.send(b"J" + json.dumps(item(f"number {number}", channel="news")).encode())
time.sleep(1.5)
push.send(b"J" + json.dumps(item("after a silence", channel="news")).encode())
# There is no order between the messages of a PULL socket and those of a SUB socket.
time.sleep(0.5)
publisher.send_multipart([b"news", b"J" + json.dumps(item("by PUB, J")).encode()])
publisher.send_multipart([b"news", b"T" + tnetstring(item("by PUB, T"))])
time.sleep(0.2)
for events in pushing, publishing:
    if events.poll(0):
        sys.exit(f"FAIL {recv_monitor_message(events)}")
context.destroy()
print(f"PASS libzmq {zmq.zmq_version()}")

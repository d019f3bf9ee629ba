"""PyPI websocket-client, Python 2.7. VERSION: 0.3 and 0.4 (2011, hixie-76) or 0.5.1 (rfc6455).

All send an Origin without a scheme; 0.5.1 always offers the subprotocols chat and superchat."""

import signal
import struct
import sys

import messages
import websocket

# 0.3 prints received bytes.
sys.stdout = sys.stderr

HIXIE = messages.VERSION != "0.5.1"


def connected():
    # 0.3 packs its own key as a signed number, and fails in every second attempt.
    for _ in range(40):
        client = websocket.WebSocket()
        client.settimeout(messages.DEADLINE)
        try:
            client.connect(messages.URL)
            return client
        except struct.error:
            client.sock.close()
    raise AssertionError("its own bug, 40 times in a row")


def check():
    signal.alarm(messages.DEADLINE)
    client = connected()
    # 0.5.1 treats the bytes of one recv() as the whole payload: no empty or large message, and one at a time.
    texts = [text for text in messages.TEXTS if HIXIE or text not in (messages.EMPTY, messages.LARGE)]
    for text in texts + messages.BURST:
        client.send(text)
        messages.compare(client.recv().decode("utf-8"), text)
    if HIXIE:
        for text in messages.BURST:
            client.send(text)
        for text in messages.BURST:
            messages.compare(client.recv().decode("utf-8"), text)
        # Its close() hides the server's answer, and recv() of 0.3 cannot read a close.
        client.sock.sendall("\xff\x00")
        messages.compare(client.sock.makefile().read(2), "\xff\x00")
    else:
        client.ping("ping")
        pong = client.recv_frame()
        messages.compare((pong.opcode, pong.data), (websocket.ABNF.OPCODE_PONG, "ping"))
        client.send_close(1000)
        close = client.recv_frame()
        messages.compare((close.opcode, close.data), (websocket.ABNF.OPCODE_CLOSE, struct.pack("!H", 1000)))
    return "%d texts" % len(texts + messages.BURST)


messages.report("websocket-client (PyPI) " + messages.VERSION, check)

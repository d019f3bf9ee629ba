"""PyPI h2 and wsproto, Python 3: RFC 8441 with prior knowledge. A hundred WebSockets on one connection, one of which
does not read until the others have finished, and an ordinary request."""

import socket
import time

import h2.config
import h2.connection
import h2.events
import messages
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

SOCKETS = 100
CHUNK = b"z" * 10000


class Client:
    """One connection. Every wait is bounded."""

    def __init__(self):
        self.deadline = time.monotonic() + messages.DEADLINE
        self.socket = socket.create_connection((messages.HOST, messages.PORT), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.http = h2.connection.H2Connection(config)
        self.http.initiate_connection()
        # As browsers do: a stream that is not read must not close the window of the others.
        self.http.increment_flow_control_window(2**24)
        self.streams = {}
        self.wait(lambda: self.http.remote_settings.enable_connect_protocol == 1)

    def wait(self, is_done):
        while not is_done():
            self.step()

    def step(self):
        for stream in self.streams.values():
            stream.write()
        self.socket.sendall(self.http.data_to_send())
        self.socket.settimeout(max(0.01, self.deadline - time.monotonic()))
        received = self.socket.recv(65536)
        if not received:
            raise AssertionError("the server has hung up")
        for event in self.http.receive_data(received):
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.ConnectionTerminated):
                raise AssertionError("GOAWAY %s" % event.error_code)
            if isinstance(event, h2.events.StreamReset):
                raise AssertionError("stream %d was reset: %s" % (event.stream_id, event.error_code))
            if isinstance(event, h2.events.ResponseReceived):
                stream.head = dict(event.headers)
            elif isinstance(event, h2.events.DataReceived):
                stream.receive(event.data, event.flow_controlled_length)
            elif isinstance(event, h2.events.StreamEnded):
                stream.ended = True

    def open(self, fields, end):
        number = self.http.get_next_available_stream_id()
        authority = "%s:%d" % (messages.HOST, messages.PORT)
        pseudo = [(":scheme", "http"), (":path", messages.PATH), (":authority", authority)]
        self.http.send_headers(number, fields[:1] + pseudo + fields[1:], end_stream=end)
        stream = self.streams[number] = Stream(self, number)
        self.wait(lambda: stream.head is not None)
        return stream


class Stream:
    def __init__(self, client, number):
        self.client, self.number = client, number
        self.head, self.ended = None, False
        self.outgoing, self.incoming = bytearray(), bytearray()
        self.reads, self.withheld = True, 0

    def write(self):
        http = self.client.http
        while self.outgoing:
            window = min(http.local_flow_control_window(self.number), http.max_outbound_frame_size)
            if window <= 0:
                break
            http.send_data(self.number, bytes(self.outgoing[:window]))
            del self.outgoing[:window]

    def receive(self, data, length):
        self.incoming += data
        if self.reads:
            self.client.http.acknowledge_received_data(length, self.number)
        elif length:
            self.client.http.increment_flow_control_window(length)
            self.withheld += length

    def read_on(self):
        self.reads = True
        if self.withheld:
            self.client.http.increment_flow_control_window(self.withheld, self.number)


class WebSocket:
    def __init__(self, client):
        fields = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            ("sec-websocket-version", "13"),
            ("origin", messages.ORIGIN),
        ]
        if messages.SUBPROTOCOL:
            fields.append(("sec-websocket-protocol", messages.SUBPROTOCOL))
        self.stream = client.open(fields, end=False)
        messages.compare(self.stream.head.get(":status"), "200")
        messages.compare(self.stream.head.get("sec-websocket-protocol", ""), messages.SUBPROTOCOL)
        for absent in ("sec-websocket-accept", "sec-websocket-extensions"):
            if absent in self.stream.head:
                raise AssertionError(absent)
        self.frames = Connection(ConnectionType.CLIENT)
        self.events = []

    def send(self, message):
        if not isinstance(message, (str, bytes)):
            event = message
        else:
            event = (TextMessage if isinstance(message, str) else BytesMessage)(data=message)
        self.stream.outgoing += self.frames.send(event)

    def event(self):
        while not self.events:
            self.stream.client.wait(lambda: self.stream.incoming)
            self.frames.receive_data(bytes(self.stream.incoming))
            self.stream.incoming.clear()
            self.events = list(self.frames.events())
        return self.events.pop(0)

    def expect(self, wanted):
        got = wanted[:0]
        while True:
            event = self.event()
            if not isinstance(event, TextMessage if isinstance(wanted, str) else BytesMessage):
                raise AssertionError("unexpected %r" % event)
            got += event.data
            if event.message_finished:
                return messages.compare(bytes(got) if isinstance(wanted, bytes) else got, wanted)

    def close(self):
        self.send(CloseConnection(code=1000, reason="bye"))
        event = self.event()
        if not isinstance(event, CloseConnection) or self.frames.state is not ConnectionState.CLOSED:
            raise AssertionError("unexpected %r" % event)
        messages.compare([event.code], [1000])
        self.stream.client.wait(lambda: self.stream.ended)
        self.stream.client.http.end_stream(self.stream.number)


def check():
    client = Client()
    first = WebSocket(client)
    wanted = messages.TEXTS + messages.BURST + messages.BINARIES
    for message in wanted:
        first.send(message)
    for message in wanted:
        first.expect(message)
    first.send(Ping(payload=b"ping"))
    if first.event() != Pong(payload=b"ping"):
        raise AssertionError("no pong")

    stuck, *others = [WebSocket(client) for _ in range(SOCKETS - 1)]
    stuck.stream.reads = False
    sent = 0
    while sent < 100 and len(stuck.stream.outgoing) < 2 * len(CHUNK):
        for _ in range(5):
            stuck.send(CHUNK)
            sent += 1
        # When the pong arrives, the server has accepted all that it can.
        first.send(Ping(payload=b"ping"))
        first.event()
    if sent == 100:
        raise AssertionError("1 MB was taken of one that does not read")
    for other in others:
        for message in messages.TEXTS:
            other.send(message)
    for other in others:
        for message in messages.TEXTS:
            other.expect(message)
    page = client.open([(":method", "GET")], end=True)
    client.wait(lambda: page.ended)
    stuck.stream.read_on()
    for _ in range(sent):
        stuck.expect(CHUNK)
    for each in [first, stuck] + others:
        each.close()
    count = len(wanted) + sent + len(others) * len(messages.TEXTS)
    return "%d messages on %d streams, GET %s" % (count, SOCKETS, page.head[":status"])


messages.report("h2", check)

"""Servers on a core of their own, and the CPU time and memory that they use: for benches/compare."""

import base64
import http.client
import json
import os
import re
import select
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Server:
    """A program that runs on a port and a core until it is stopped."""

    running = []

    def __init__(self, name, core, port, command, environment=None):
        self.name, self.port = name, port
        self.process = subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
        )
        Server.running.append(self)
        deadline = time.monotonic() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{name} does not listen") from None
                time.sleep(0.05)

    def tree(self):
        found = [self.process.pid]
        for pid in found:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                found.extend(int(child) for child in children.read_text().split())
        return found

    def cpu(self):
        """Returns the CPU seconds of the server's processes, ended ones included. Waits until the server is idle:
        the process of a connection ends some time after it."""
        deadline = time.monotonic() + 10
        before, ticks = None, self.ticks()
        while ticks is None or ticks != before:
            if time.monotonic() > deadline:
                raise SystemExit(f"{self.name} does not come to rest")
            time.sleep(0.1)
            before, ticks = ticks, self.ticks()
        return sum(ticks.values()) / TICKS

    def ticks(self):
        """Returns the CPU ticks of each process, with those of its children that have ended and been waited for;
        None if a process ended before it was read."""
        try:
            stats = {pid: Path(f"/proc/{pid}/stat").read_text() for pid in self.tree()}
        except (FileNotFoundError, ProcessLookupError):
            return None
        # utime, stime, cutime and cstime of proc(5).
        return {pid: sum(map(int, stat.rpartition(")")[2].split()[11:15])) for pid, stat in stats.items()}

    def resident(self):
        """Returns the resident bytes of the server's processes."""
        status = (Path(f"/proc/{pid}/status").read_text() for pid in self.tree())
        return sum(int(re.search(r"VmRSS:\s+(\d+) kB", text)[1]) * 1024 for text in status)

    def stop(self):
        Server.running.remove(self)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def label(case):
    """Returns the text of a case."""
    if len(case) == 1:
        return case[0]
    if len(case) == 2:
        size, connections = case
        return f"{size}@{connections}"
    size, in_flight, connections = case
    return f"{size}x{in_flight}@{connections}"


def load(polysock, core, server, case, flags, seconds, tries=3):
    """Returns the server's CPU microseconds for each message that `polysock bench` with these flags counted. A
    run in which a connection was not served is reported and repeated, a few times."""
    size, in_flight, connections = case
    command = ["taskset", "-c", str(core), polysock, "bench", f"ws://127.0.0.1:{server.port}/", "--json"]
    command += [*flags, "--size", str(size), "--in-flight", str(in_flight)]
    command += ["--connections", str(connections), "--duration", f"{round(seconds * 1000)}ms"]
    before = server.cpu()
    run = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds + 60)
    used = server.cpu() - before
    report = json.loads(run.stdout) if run.stdout else {}
    if run.returncode != 0 or report["errors"] or report["opened"] != connections:
        problem = f"{server.name}, {label(case)}: {report.get('errors', 'no report')}"
        if tries == 1:
            raise SystemExit(problem)
        say(f"{problem}; once more")
        return load(polysock, core, server, case, flags, seconds, tries - 1)
    return used / report["messages"] * 1e6


def ask(loader, core, server, case, flags, seconds):
    """Returns the server's CPU microseconds for each request for a body of this size, one request at a time on
    each connection."""
    size, connections = case
    command = ["taskset", "-c", str(core), loader, f"127.0.0.1:{server.port}", str(size), str(connections)]
    before = server.cpu()
    run = subprocess.run([*command, str(round(seconds * 1000))], stdout=subprocess.PIPE, timeout=seconds + 60)
    used = server.cpu() - before
    if run.returncode != 0:
        raise SystemExit(f"{server.name}, {label(case)}: no report")
    return used / int(run.stdout) * 1e6


def within_tls(loader, core, server, case, flags, seconds):
    """Returns the server's CPU microseconds for each message over TLS, or for each handshake."""
    address, milliseconds = f"127.0.0.1:{server.port}", str(round(seconds * 1000))
    certificate, *kind = flags
    what = ["handshakes", *case] if len(case) == 1 else [*kind, *map(str, case)]
    command = ["taskset", "-c", str(core), loader, address, certificate, milliseconds, *what]
    before = server.cpu()
    run = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds + 60)
    used = server.cpu() - before
    if run.returncode != 0:
        raise SystemExit(f"{server.name}, {label(case)}: no report")
    return used / int(run.stdout) * 1e6


def chat(_loader, core, server, case, hears_itself, seconds):
    """Returns the server's CPU microseconds for each message that is sent to a client. All speakers among the
    clients send a message, and the next one once every client has received all of them."""
    clients, speakers = case
    os.sched_setaffinity(0, {core})
    connections = [upgraded(server) for _ in range(clients)]
    heard = sum(speakers - (not hears_itself and number < speakers) for number in range(clients))
    waiting = select.epoll()
    for connection in connections:
        waiting.register(connection.fileno(), select.EPOLLIN)
    by_number = {connection.fileno(): connection for connection in connections}
    before, delivered = server.cpu(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for connection in connections[:speakers]:
            connection.sendall(b"\x81\xc0" + bytes(4) + b"x" * 64)
        left = heard * 66
        while left > 0:
            ready = waiting.poll(10)
            if not ready:
                raise SystemExit(f"{server.name} does not deliver")
            left -= sum(len(by_number[number].recv(1 << 20)) for number, _ in ready)
        delivered += heard
    used = server.cpu() - before
    for connection in connections:
        connection.close()
    return used / delivered * 1e6


def pushed(_loader, core, server, case, publishing, seconds):
    """Returns the server's CPU microseconds for each message of 64 bytes that is sent to a client, or for each
    publication if there are no clients. The next message follows once every client has received the last. It is
    published by HTTP on the port `publishing`, or without one sent by a client that receives it too."""
    clients = int(case[0])
    os.sched_setaffinity(0, {core})
    connections = [upgraded(server, tries=20) for _ in range(clients)]
    waiting = select.epoll()
    for connection in connections:
        waiting.register(connection.fileno(), select.EPOLLIN)
    by_number = {connection.fileno(): connection for connection in connections}
    publisher = publishing and http.client.HTTPConnection("127.0.0.1", publishing)
    formats = {"ws-message": {"content": "x" * 64}}
    body = json.dumps({"items": [{"channel": "room" if clients else "nobody", "formats": formats}]})
    # Time for the web app to subscribe its clients.
    time.sleep(0.5)
    before, count = server.cpu(), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if publisher:
            publisher.request("POST", "/publish/", body, {"Content-Type": "application/json"})
            answer = publisher.getresponse()
            if answer.status != 200:
                raise SystemExit(f"{server.name} does not publish: {answer.read()}")
            answer.read()
        else:
            connections[0].sendall(b"\x81\xc0" + bytes(4) + b"x" * 64)
        left = 66 * clients
        while left > 0:
            ready = waiting.poll(10)
            if not ready:
                raise SystemExit(f"{server.name} does not deliver")
            left -= sum(len(by_number[number].recv(1 << 20)) for number, _ in ready)
        count += clients or 1
    used = server.cpu() - before
    for connection in connections:
        connection.close()
    return used / count * 1e6


def measure(loader, core, cases, entries, options, load=load):
    """Returns the median of each case and entry: a name, a server and flags of the loader. The order of the
    entries is reversed in every second round."""
    for _, server, flags in entries:
        load(loader, core, server, cases[0], flags, 0.5)
    medians = {}
    for case in cases:
        runs = {name: [] for name, *_ in entries}
        for repetition in range(options.reps):
            for name, server, flags in entries[:: -1 if repetition % 2 else 1]:
                runs[name].append(load(loader, core, server, case, flags, options.secs))
        medians[case] = {name: statistics.median(values) for name, values in runs.items()}
        say(label(case) + "".join(f"  {name} {value:.2f}" for name, value in medians[case].items()))
    return medians


def receive(server, connection, complete):
    answer = b""
    while not complete(answer):
        more = connection.recv(4096)
        if not more:
            raise SystemExit(f"{server.name} closed an idle connection")
        answer += more
    return answer


def upgraded(server, tries=1):
    """Returns a connection whose opening handshake is complete, after at most `tries` attempts: Pushpin refuses
    connections while it still notifies the web app of many that have closed."""
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), 10)
    connection.sendall(request)
    answer = receive(server, connection, lambda answer: b"\r\n\r\n" in answer)
    if tries > 1 and not answer.startswith(b"HTTP/1.1 101"):
        connection.close()
        time.sleep(0.25)
        return upgraded(server, tries - 1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return connection


def idle(server, count):
    """Returns the resident bytes of a connection: after its handshake, and after one message was echoed."""

    def echo_one(connection):
        connection.sendall(b"\x82\xc0" + bytes(4) + bytes(64))
        receive(server, connection, lambda answer: len(answer) >= 66)

    connections = [upgraded(server, tries=20)]
    echo_one(connections[0])
    before = server.resident()
    connections += [upgraded(server, tries=20) for _ in range(count)]
    time.sleep(0.5)
    opened = server.resident()
    for connection in connections[1:]:
        echo_one(connection)
    time.sleep(0.5)
    used = server.resident()
    for connection in connections:
        connection.close()
    return (opened - before) / count, (used - before) / count

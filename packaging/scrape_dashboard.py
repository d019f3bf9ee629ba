#!/usr/bin/env python3
"""Runs the queries of a Grafana dashboard against a real Prometheus: scrape_dashboard.py POLYSOCK DASHBOARD.json

The Prometheus scrapes a server, whose clients use several protocols, correctly and incorrectly, so that the metrics
have values. A query without a result is a finding, and so is a query for a metric that the server does not have.
"""
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from dashboard_expressions import filled_in, metrics, queries

# Metrics of the dashboard that the server does not have here. A metric that appears must leave this list.
NOT_COUNTED = {"polysock_capture_files_total", "polysock_session_upgrades_total", "polysock_sessions"}
# Metrics that are absent from a server with free resources and fast readers.
RARE = {"polysock_accept_errors_total", "polysock_broadcast_missed_total"}
# Metrics of servers that share a broker.
JOINED = {f"polysock_bus_{name}" for name in ("connected", "nodes", "published_total", "received_total", "gaps_total", "lost_total", "dropped_total")}
PATIENCE = 60
PROTOCOLS = ["hixie-75", "hixie-76", "hybi-10", "rfc6455"]

CONFIGURATION = """
[control]
listen = "127.0.0.1:0"
[log]
access = "off"
[defaults]
protocols = ["all"]
ping_interval = "1s"
[[listener]]
address = "127.0.0.1:0"
tls = {{ certificate = "cert.pem", key = "cert.key" }}
plain = true
[[route]]
path = "/upstream"
target = "behind"
[[route]]
path = "/page"
target = "app:chat"
[[route]]
target = "app:echo"
[upstream.behind]
targets = ["tcp://{upstream}"]
"""

HANDSHAKE = (
    "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def until(what, attempt):
    """Repeats the attempt until it returns a true value, and returns that value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        result = attempt()
        if result:
            return result
        time.sleep(0.2)
    sys.exit(f"{what}: not within {PATIENCE} s")


def echo_upstream():
    """Starts a TCP echo server. Returns its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=answer, args=(client,), daemon=True).start()

    def answer(client):
        while data := client.recv(65536):
            client.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    return "127.0.0.1:%d" % listener.getsockname()[1]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """A server, and actions of its clients."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        certificate = [program, "cert", "self-signed", "--certificate", "cert.pem", "--key", "cert.key"]
        subprocess.run(certificate, cwd=directory, check=True, stdout=subprocess.DEVNULL)
        configuration = os.path.join(directory, "polysock.toml")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(upstream=echo_upstream()))
        self.log = os.path.join(directory, "log")
        command = [program, "--log-file", self.log, "serve", "--config", configuration]
        self.process = subprocess.Popen(command)
        self.address = self.said(r"(?m)INFO listening on (127\.0\.0\.1:\d+)")
        self.control = self.said(r"control listener on (127\.0\.0\.1:\d+)")

    def said(self, pattern):
        def look():
            try:
                with open(self.log, encoding="utf-8") as file:
                    return re.search(pattern, file.read())
            except FileNotFoundError:
                return None

        return until(f"a line of the log with {pattern}", look)[1]

    def connect(self, *arguments):
        """Starts a client and waits for its first answer. The client runs until its standard input ends."""
        command = [self.program, "connect", *arguments]
        client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        client.stdin.write(b"hello\n")
        client.stdin.flush()
        if not select.select([client.stdout], [], [], PATIENCE)[0] or not client.stdout.read1():
            sys.exit(f"{arguments}: no answer")
        return client

    def say(self, text):
        """Sends a text, reads once, and disconnects without a close."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            client.sendall(text.encode("latin-1"))
            return client.recv(65536)

    def be_busy(self):
        """Runs correct and incorrect clients."""
        for protocol in PROTOCOLS:
            self.connect("--protocol", protocol, f"ws://{self.address}/").communicate(timeout=PATIENCE)
        self.connect("--cacert", f"{self.directory}/cert.pem", f"wss://{self.address}/").communicate(timeout=PATIENCE)
        self.connect("--binary", f"ws://{self.address}/upstream").communicate(timeout=PATIENCE)
        self.say(HANDSHAKE)
        # An unmasked frame.
        self.say(HANDSHAKE + "\x81\x01a")
        self.say(HANDSHAKE.replace("-Key", "-Lock"))
        self.say("GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


class Prometheus:
    """A Prometheus that scrapes a server."""

    def __init__(self, control, directory):
        configuration = os.path.join(directory, "prometheus.yml")
        scraped = {"job_name": "polysock", "static_configs": [{"targets": [control]}]}
        with open(configuration, "w", encoding="utf-8") as file:
            # JSON is valid YAML.
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [scraped]}, file)
        self.address = f"127.0.0.1:{free_port()}"
        command = [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={directory}/storage",
            f"--web.listen-address={self.address}",
            "--log.level=error",
        ]
        self.process = subprocess.Popen(command)

    def ask(self, path, **parameters):
        """Returns the data of an answer. `None` if Prometheus is not reachable, or reports an error."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                answer = json.load(answer)
        except OSError:
            return None
        return answer["data"] if answer["status"] == "success" else None

    def result(self, query):
        data = self.ask("query", query=query)
        return None if data is None else data["result"]

    def scrapes(self):
        """Returns how often Prometheus has scraped the server."""
        result = self.result('count_over_time(up{job="polysock"}[1h])')
        return int(result[0]["value"][1]) if result else 0


def findings(server, prometheus, dashboard):
    clients = [server.connect("--protocol", protocol, f"ws://{server.address}/") for protocol in PROTOCOLS]
    server.be_busy()
    until("a scrape", lambda: prometheus.scrapes() > 1)
    server.process.send_signal(signal.SIGHUP)
    server.be_busy()
    before = prometheus.scrapes()
    # A rate needs two scrapes, and a silent client is pinged within two seconds.
    until("further scrapes", lambda: prometheus.scrapes() > before + 3)
    if not all(result["value"][1] == "1" for result in prometheus.result("up") or [{"value": [0, "0"]}]):
        yield "the server is not up"
    known = set(prometheus.ask("label/__name__/values"))
    for client in clients:
        client.communicate(timeout=PATIENCE)
    values = {"job": "polysock", "instance": ".*", "protocol": ".*"}
    with open(dashboard, encoding="utf-8") as file:
        found = list(queries(json.load(file)))
    for query in (filled_in(query, values) for query in found):
        result = prometheus.result(query)
        shown = {name for name in known | NOT_COUNTED | RARE | JOINED if re.search(rf"\b{name}\b", query)}
        if result is None:
            yield f"it is refused: {query}"
        # A comparison has a result only if it is true.
        elif not result and not shown & (NOT_COUNTED | RARE | JOINED) and " > " not in query:
            yield f"there is nothing: {query}"
    spoken = {result["metric"]["protocol"] for result in prometheus.result("polysock_connections_opened_total > 0")}
    if spoken != set(PROTOCOLS):
        yield f"these have been spoken: {spoken}"
    for name in NOT_COUNTED & known:
        yield f"{name} is counted: it is no longer to be listed in {os.path.basename(__file__)}"
    print(f"{len(found)} queries, {len(known)} names of metrics, {prometheus.scrapes()} scrapes")


def main(program, dashboard):
    program, dashboard = os.path.abspath(program), os.path.abspath(dashboard)
    started = []
    with tempfile.TemporaryDirectory() as directory:
        try:
            server = Server(program, directory)
            started.append(server.process)
            prometheus = Prometheus(server.control, directory)
            started.append(prometheus.process)
            found = list(findings(server, prometheus, dashboard))
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait(PATIENCE)
    return "\n".join(found) or None


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

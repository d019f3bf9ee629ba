"""Old TLS clients by the ssl module, that is, by OpenSSL with old versions and suites.

    old_tls.py HOST PORT VERSION CIPHERS NAME          one client, which echoes over version 13
    old_tls.py HOST PORT VERSION CIPHERS NAME --load   one client after the other until the input ends

$CERTIFICATE and $KEY are the files of a client certificate. VERSION has the form TLSv1_2. NAME is the
requested host, or "none". Prints the version and the suite, and the SHA-256 of each new certificate.
"""

import hashlib
import os
import select
import socket
import ssl
import sys

HEAD = (
    b"GET /echo HTTP/1.1\r\nHost: old.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def connect(context, address, name):
    plain = socket.create_connection(address, timeout=30)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = context.wrap_socket(plain, server_hostname=name)
    stream.sendall(HEAD)
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = stream.recv(4096)
        assert part, answer
        answer += part
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    return stream


def echoes(stream):
    stream.sendall(b"\x81\x82\0\0\0\0hi")
    echo = b""
    while len(echo) < 4:
        part = stream.recv(4 - len(echo))
        assert part, echo
        echo += part
    assert echo == b"\x81\x02hi", echo


def main(host, port, version, ciphers, name, load):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_ciphers(ciphers + ":@SECLEVEL=0")
    if "CERTIFICATE" in os.environ:
        context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])
    address, name = (host, int(port)), None if name == "none" else name
    first, seen, count = connect(context, address, name), set(), 0
    print(first.version(), first.cipher()[0], flush=True)
    while True:
        stream = connect(context, address, name)
        echoes(stream)
        count += 1
        digest = hashlib.sha256(stream.getpeercert(True)).hexdigest()
        if digest not in seen:
            seen.add(digest)
            print("certificate", digest, flush=True)
        stream.close()
        if not load or select.select([sys.stdin], [], [], 0)[0]:
            break
    # The first connection has been open all the time.
    echoes(first)
    print("PASS", count, "connections", flush=True)


main(*sys.argv[1:6], load="--load" in sys.argv)

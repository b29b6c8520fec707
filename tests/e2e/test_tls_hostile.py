"""Strangers at the TLS port: handshakes that stall, connections that break off anywhere, while
certificates are renewed. Whoever behaves is served all the while."""
import contextlib
import os
import random
import signal
import socket
import ssl
import struct
import threading

import pytest

import certs
from server import API_KEY, sanitized, wait_until

pytestmark = pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")
MIB = 1 << 20
PATIENCE_S = 40
HEADER_TIMEOUT_S = 2
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
INFO = (b"POST /api/info HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode() +
        b"\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
STREAM = b"GET /connection/uni_sse HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"), "ours")


def put(pair, directory):
    for path, name in zip(pair, ("cert.pem", "key.pem")):
        fresh = directory / f"{name}.new"
        fresh.write_bytes(path.read_bytes())
        fresh.rename(directory / name)


def serve(start, directory):
    return start({"http_server": {
        "tls": {"enabled": True, "cert_pem": str(directory / "cert.pem"),
                "key_pem": str(directory / "key.pem")},
        "tls_external": True, "internal_port": "0",
        "header_timeout": f"{HEADER_TIMEOUT_S}s", "idle_timeout": "2s"},
        "http_api": {"key": API_KEY, "external": True}, "health": {"enabled": True},
        "init": {"enabled": True}, "prometheus": {"enabled": True}, "lanes": {"workers": 2}})


def connect(server):
    return socket.create_connection(("127.0.0.1", server.ports["http"]), PATIENCE_S)


def hello():
    """The first flight of a client."""
    sent = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


def is_served(server, ca):
    context = ssl.create_default_context(cafile=str(ca.pem))
    with context.wrap_socket(connect(server), server_hostname="localhost") as sock:
        sock.sendall(HEALTH.replace(b"/health", b"/connection/init"))
        return sock.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def timeouts(server):
    page = server.internal("GET", "/metrics")[2].decode()
    line = 'gush_tls_handshakes{listener="http",result="timeout"} '
    return int(page.split(line)[1].split("\n")[0])


def test_handshakes_that_stall(start, ca, tmp_path):
    put(ca.issue("server"), tmp_path)
    server = serve(start, tmp_path)
    first = hello()
    before = server.rss()
    with contextlib.ExitStack() as stack:
        stalled = [stack.enter_context(connect(server)) for _ in range(400)]
        for i, sock in enumerate(stalled):
            sock.sendall((b"", first[:1], first[:-1], first)[i % 4])
        assert is_served(server, ca)
        if not sanitized():
            assert server.rss() < before + 400 * 64 * 1024 + 4 * MIB
        for i, sock in enumerate(stalled):
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(65536):
                    assert i % 4 == 3  # who said hello has an answer
    assert timeouts(server) == 400
    assert is_served(server, ca)


# ---- all at once

def leave(sock, chance):
    """In one of the ways there are."""
    way = chance.randrange(4)
    if way == 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif way == 1:
        sock.shutdown(socket.SHUT_WR)
    elif way == 2 and isinstance(sock, ssl.SSLSocket):
        sock.settimeout(0.1)
        sock = sock.unwrap()
    sock.close()


def break_off(server, chance):
    """A handshake, up to somewhere; then anything."""
    with connect(server) as sock:
        first = hello()
        sock.sendall(first[:chance.randrange(len(first) + 1)] +
                     os.urandom(chance.randrange(100) * chance.randrange(2)))
        leave(sock, chance)


def ask(server, chance):
    """Requests in pieces that have nothing to do with them; answers are read, or not."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if chance.randrange(2):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    requests = b"".join(chance.choice((HEALTH, INFO, INFO, STREAM)) for _ in range(50))
    with context.wrap_socket(connect(server)) as sock:
        while requests:
            size = chance.choice((1, 7, 200, 16384))
            sock.sendall(requests[:size])
            requests = requests[size:]
            if chance.randrange(20) == 0:
                break
        if chance.randrange(2):
            sock.settimeout(0.1)
            with contextlib.suppress(TimeoutError):
                sock.recv(chance.choice((1, 65536)))
        leave(sock, chance)


def bother(server, seed, rounds, rude):
    chance = random.Random(seed)
    for _ in range(rounds):
        with contextlib.suppress(OSError):  # refused, reset, timed out: all that is theirs
            chance.choice((break_off, ask, ask))(server, chance)
        rude.append(seed)


def test_a_crowd_while_certificates_are_renewed(start, ca, tmp_path):
    """And the end comes in the midst of it."""
    pairs = [ca.issue("one"), ca.issue("two")]
    put(pairs[0], tmp_path)
    server = serve(start, tmp_path)
    rude = []
    crowd = [threading.Thread(target=bother, args=(server, seed, 25, rude)) for seed in range(6)]
    for thread in crowd:
        thread.start()
    for i in range(12):
        seen = len(rude)
        put(pairs[i % 2], tmp_path)
        server.signal(signal.SIGHUP)
        assert is_served(server, ca)
        wait_until(lambda: len(rude) > seen + 5 or len(rude) == 150, PATIENCE_S)
    server.signal(signal.SIGTERM)
    server.check_exit()
    for thread in crowd:
        thread.join(PATIENCE_S)
    server.destroy()

"""Peers of the HTTP port that are slow, greedy or half gone. While they are at it, a subscriber and
publishers on the same port are served; each peer's time is bounded, and so is the server's memory.
"""
import contextlib
import http.client
import json
import select
import socket
import struct
import threading
import time

import pytest

from server import API_KEY, sanitized, wait_until
from sse import Sse

MIB = 1 << 20
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
HASTE = {"header_timeout": "2s", "body_timeout": "2s", "write_timeout": "2s", "idle_timeout": "2s"}
HASTE_S = 2
PATIENCE_S = 40  # for what takes about HASTE_S on an idle machine


@pytest.fixture
def gush(start):
    return start({"http_server": HASTE, "http_api": {"key": API_KEY}})


def connect(server):
    sock = socket.create_connection(("127.0.0.1", server.ports["http"]), PATIENCE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@contextlib.contextmanager
def connections(server, count):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(server)) for _ in range(count)]


def read_to_end(sock):
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while more := sock.recv(1 << 20):
            answer += more
    return answer


class Bystanders:
    """A subscriber over SSE and a publisher over the HTTP API, at work until told to stop."""

    def __init__(self, server):
        self.server = server
        self.stream = Sse(server.ports["http"], {"subs": {"news": {}}}, timeout_s=PATIENCE_S)
        self.rounds = 0
        self.failure = None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def publish(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.ports["http"],
                                                timeout=PATIENCE_S)
        body = json.dumps({"channel": "news", "data": {"n": number}})
        connection.request("POST", "/api/publish", body, {"X-API-Key": API_KEY})
        answer = connection.getresponse()
        assert answer.status == 200 and "error" not in json.loads(answer.read())
        connection.close()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.publish(self.rounds)
                push = self.stream.push()
                assert push["pub"]["data"] == {"n": self.rounds}, push
                self.rounds += 1
        except Exception as error:  # told to the test below
            self.failure = error

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *failed):
        self.stopping.set()
        self.thread.join(PATIENCE_S)
        self.stream.close()
        if not failed[0]:
            assert self.failure is None, repr(self.failure)
            assert self.rounds > 0


def memory_is_back(server, before):
    if not sanitized():
        wait_until(lambda: server.rss() <= before * 12 // 10 + 16 * MIB, what="memory is back")


def trickle(server, first, piece, count=100):
    """Keeps |count| requests coming in small pieces; returns what each was told in the end."""
    answers = []
    with connections(server, count) as socks:
        for sock in socks:
            sock.sendall(first)
        began = time.monotonic()
        open_ones = set(socks)
        while open_ones:
            assert time.monotonic() - began < PATIENCE_S, f"{len(open_ones)} are still there"
            readable, _, _ = select.select(list(open_ones), [], [], 0.05)
            for sock in readable:
                answers.append(read_to_end(sock))
                open_ones.discard(sock)
            for sock in open_ones:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    sock.sendall(piece)
        assert time.monotonic() - began > HASTE_S * 0.5
    return answers


def is_timeout(answer):
    """Or nothing: what the client went on sending may have destroyed the answer."""
    return answer == b"" or (answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
                             and b"\r\nConnection: close\r\n" in answer)


def test_heads_that_trickle(gush):
    with Bystanders(gush):
        answers = trickle(gush, b"GET /health HTTP/1.1\r\nHost: x\r\n", b"A: b\r\n")
    assert len(answers) == 100 and all(is_timeout(answer) for answer in answers)
    assert any(answers)


@pytest.mark.parametrize("framing", [b"Content-Length: 60000\r\n\r\n",
                                     b"Transfer-Encoding: chunked\r\n\r\nea60\r\n"],
                         ids=["length", "chunked"])
def test_bodies_that_trickle(gush, framing):
    head = b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode() + b"\r\n"
    with Bystanders(gush):
        answers = trickle(gush, head + framing, b"x")
    assert len(answers) == 100 and all(is_timeout(answer) for answer in answers)
    assert any(answers)


@pytest.mark.parametrize("framing", [b"Content-Length: 16000000\r\n\r\n",
                                     b"Transfer-Encoding: chunked\r\n\r\nf42400\r\n"],
                         ids=["length", "chunked"])
def test_bodies_of_strangers_are_not_read(gush, framing):
    """Who has no key is told so before anything is kept of what he sends."""
    before, sent = gush.rss(), [0]
    with Bystanders(gush), connections(gush, 40) as socks:
        for sock in socks:
            sock.sendall(b"POST /api/publish HTTP/1.1\r\nHost: x\r\n" + framing)
            answer = sock.recv(65536)
            assert answer.startswith(b"HTTP/1.1 401 "), answer
            assert b"\r\nConnection: close\r\n" in answer
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(4):
                    sock.sendall(b"x" * MIB)
                    sent[0] += 1
    assert sent[0] > 0
    if not sanitized():
        assert gush.rss() < before + 20 * MIB


def test_connections_that_say_nothing(gush):
    with Bystanders(gush), connections(gush, 200) as socks:
        for sock in socks:
            assert read_to_end(sock) == b""


def test_idle_connections(gush):
    """Closed after a while, and not before they were used again."""
    with Bystanders(gush), connections(gush, 200) as socks:
        for _ in range(3):
            for sock in socks:
                sock.sendall(HEALTH)
            for sock in socks:
                assert sock.recv(4096).endswith(b"{}")
        for sock in socks:
            assert read_to_end(sock) == b""


def fill_history(server):
    """About 2 MB behind one request."""
    data = json.dumps({"x": "y" * 10_000})
    for _ in range(200):
        server.publish("long", data.encode())


@pytest.fixture
def archive(start):
    server = start({"http_server": HASTE, "http_api": {"key": API_KEY}, "channel": {
        "without_namespace": {"allow_subscribe_for_client": True,
                              "allow_subscribe_for_anonymous": True,
                              "history_size": 1000, "history_ttl": "300s"}}})
    server.keeps_streams = True
    fill_history(server)
    return server


BODY = b'{"channel":"long","limit":-1}'
HISTORY = (b"POST /api/history HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode() +
           b"\r\nContent-Length: %d\r\n\r\n" % len(BODY)) + BODY


def test_large_answers_that_nobody_takes(archive):
    """Neither does such a peer stay, nor is more kept for it than one answer."""
    before = archive.rss()
    with Bystanders(archive), contextlib.ExitStack() as stack:
        socks = []
        for _ in range(20):
            sock = stack.enter_context(socket.socket())
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(PATIENCE_S)
            sock.connect(("127.0.0.1", archive.ports["http"]))
            sock.sendall(HISTORY * 50)
            socks.append(sock)
        began = time.monotonic()
        for sock in socks:  # the end is told by a reset: no byte is read until then
            poll = select.poll()
            poll.register(sock, select.POLLRDHUP)
            assert poll.poll(PATIENCE_S * 1000), "still there"
        assert time.monotonic() - began < PATIENCE_S
    if not sanitized():
        assert archive.rss() < before + 20 * 4 * MIB
    memory_is_back(archive, before)


def test_large_answers_taken_slowly_but_surely(archive):
    """Whoever takes all of it in time gets all of it."""
    with connect(archive) as sock:
        sock.sendall(HISTORY.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        answer = b""
        while more := sock.recv(100_000):
            answer += more
            time.sleep(0.005)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}\r\n".encode() in head + b"\r\n"
    assert len(json.loads(body)["result"]["publications"]) == 200


def test_heads_of_10_megabytes(gush):
    before = gush.rss()

    def greedy(results):
        with connect(gush) as sock:
            try:
                sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
                for _ in range(10 * 16):
                    sock.sendall(b"A: " + b"x" * 65531 + b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            results.append(read_to_end(sock))

    answers = []
    with Bystanders(gush):
        threads = [threading.Thread(target=greedy, args=(answers,)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
    assert len(answers) == 20
    assert all(not answer or answer.startswith(b"HTTP/1.1 431 ") for answer in answers)
    if not sanitized():
        assert gush.rss() < before + 20 * MIB
    memory_is_back(gush, before)


def pipeline(server, request, count, half_close):
    """Sends |count| requests at once, reading meanwhile; returns how many were answered with 200."""
    answered, tail = 0, b""
    with connect(server) as sock:
        def send():
            sock.sendall(request * count)
            if half_close:
                sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        while answered < count:
            more = sock.recv(1 << 16)
            assert more, f"ended after {answered}"
            tail += more
            answered += tail.count(b"HTTP/1.1 200 OK\r\n")
            tail = tail[tail.rfind(b"\r\n") + 2:] if b"\r\n" in tail else tail
        sender.join(PATIENCE_S)
        if half_close:
            read_to_end(sock)
    return answered


@pytest.mark.parametrize("half_close", [False, True], ids=["open", "half-closed"])
def test_thousands_of_pipelined_requests(gush, half_close):
    """More of them than the server ever holds; all are answered, also behind a client's FIN."""
    with Bystanders(gush):
        assert pipeline(gush, HEALTH, 10_000, half_close) == 10_000


def test_pipelined_requests_whose_answers_nobody_takes(gush):
    """The server stops reading, and after a while is done with it."""
    before = gush.rss()
    with Bystanders(gush), connections(gush, 10) as socks:
        sent = 0
        for sock in socks:
            sock.setblocking(False)
        deadline = time.monotonic() + PATIENCE_S
        open_ones = set(socks)
        while open_ones and time.monotonic() < deadline:
            _, writable, _ = select.select([], list(open_ones), [], 0.1)
            for sock in writable:
                try:
                    sent += sock.send(HEALTH * 1000)
                except (BrokenPipeError, ConnectionResetError):
                    open_ones.discard(sock)
        assert not open_ones, "they may go on forever"
        assert sent < 10 * 64 * MIB
    if not sanitized():
        assert gush.rss() < before + 16 * MIB
    memory_is_back(gush, before)


def test_half_closed_in_the_middle(gush):
    """Nothing will come of such a request: it ends at once, not by a timer."""
    post = b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode() + b"\r\n"
    for part in (b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: x\r\n",
                 post + b"Content-Length: 9\r\n\r\nabc",
                 post + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
                 b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"):
        with connect(gush) as sock:
            sock.sendall(part)
            sock.shutdown(socket.SHUT_WR)
            assert read_to_end(sock) == b"", part
    with connect(gush) as sock:  # the whole one before it is answered
        sock.sendall(HEALTH + b"GET /hea")
        sock.shutdown(socket.SHUT_WR)
        answer = read_to_end(sock)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.count(b"HTTP/1.1") == 1


def test_resets_everywhere(gush):
    """Clients that vanish at any byte of their request, and in the middle of its answer."""
    request = (b"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: " + API_KEY.encode() +
               b"\r\nTransfer-Encoding: chunked\r\n\r\n1d\r\n" + b'{"channel":"gone","data":"x"}' +
               b"\r\n0\r\n\r\n")
    with Bystanders(gush):
        for end in range(0, len(request) + 1, 3):
            with connect(gush) as sock:
                sock.sendall(request[:end])
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    gush.wait_clients(0)

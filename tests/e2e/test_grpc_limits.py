"""Who may come in on the clear-text gRPC ports, how many, for how long; and that a connection which
ends by its age costs a client nothing."""
import fcntl
import os
import socket
import sys
import termios
import threading
import time

import pytest

import h2
import server
from consume import METHOD, Consume, position
from h2 import ACK, GOAWAY, H2, PING, PREFACE, SETTINGS, frame
from server import PROTO, wait_until
from sse import Sse

TIMEOUT_S = 10


def port_keys(listener="uni_grpc", **keys):
    return {listener: keys}


def open_bare(port, data=b""):
    sock = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
    if data:
        sock.sendall(data)
    return sock


def unacknowledged(sock):
    """Bytes that have not reached the other side's kernel."""
    return int.from_bytes(fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def read_to_end(sock):
    """What the server says before it closes."""
    sock.settimeout(TIMEOUT_S)
    said = b""
    try:
        while True:
            data = sock.recv(65536)
            if not data:
                return said
            said += data
    except ConnectionResetError:
        return said


def is_served(gush, listener="uni_grpc"):
    """Whether a newcomer hears the server's settings."""
    try:
        with H2(gush.ports[listener]) as client:
            got = client.next_frame(time.monotonic() + TIMEOUT_S)
            return got is not None and got[0] == SETTINGS
    except OSError:
        return False


# ---- first bytes

def test_http1_gets_an_answer(gush):
    for listener in ("grpc_api", "uni_grpc"):
        with open_bare(gush.ports[listener], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as sock:
            said = read_to_end(sock)
        head, _, body = said.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 "), said
        assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n"), said
        assert b"HTTP/2" in body


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\xa5", b"\0" * 24, PREFACE[:-1] + b"x",
                                  b"pri * http/2.0"],
                         ids=["tls", "zeros", "last byte", "lower case"])
def test_other_protocols_are_closed(gush, data):
    with open_bare(gush.ports["uni_grpc"], data) as sock:
        said = read_to_end(sock)
    assert said == b"" or said.startswith(b"HTTP/1.1 400 ")
    assert is_served(gush)


def test_preface_in_pieces(gush):
    with H2.bare(gush.ports["uni_grpc"]) as client:
        for at in range(len(PREFACE)):
            client.raw(PREFACE[at:at + 1])
            wait_until(lambda: unacknowledged(client.socket) == 0, what="it is on the other side")
        client.raw(frame(SETTINGS, 0, 0))
        assert client.next_frame(time.monotonic() + TIMEOUT_S)[0] == SETTINGS


def test_silence_ends_in_time(start):
    gush = start(port_keys(handshake_timeout="300ms"))
    with Consume(gush, subs=["c"]) as stream:  # who has spoken may be silent for longer
        socks = [open_bare(gush.ports["uni_grpc"], PREFACE[:n]) for n in (0, 1, 23)]
        for sock in socks:
            assert read_to_end(sock) == b""
            sock.close()
        gush.publish("c", b"1")
        assert stream.pub().data == b"1"


# ---- how many

def test_connection_limit(start):
    gush = start(port_keys(connection_limit=2))
    with Consume(gush, subs=["c"]) as first:
        with Consume(gush, subs=["c"]) as second:
            for _ in range(3):
                assert not is_served(gush)
            gush.publish("c", b"1")
            assert first.pub().data == b"1" and second.pub().data == b"1"
        wait_until(lambda: is_served(gush), what="the place that became free")
        gush.publish("c", b"2")
        assert first.pub().data == b"2"


def test_connection_limit_per_address(start):
    gush = start(port_keys(connection_limit_per_address=1))

    def settings_from(address):
        try:
            with socket.create_connection(("127.0.0.1", gush.ports["uni_grpc"]), TIMEOUT_S,
                                          source_address=(address, 0)) as sock:
                sock.sendall(PREFACE + frame(SETTINGS, 0, 0))
                return sock.recv(9)[3:4] == bytes([SETTINGS])
        except ConnectionError:
            return False

    with Consume(gush, subs=["c"]):  # from 127.0.0.1
        assert not settings_from("127.0.0.1")
        assert settings_from("127.0.0.2")
        assert not settings_from("127.0.0.1")
    wait_until(lambda: settings_from("127.0.0.1"), what="the place that became free")


def test_refusals_are_told_once_a_second(start):
    gush = start(port_keys(connection_limit=1))
    with Consume(gush, subs=["c"]):
        begin = time.monotonic()
        for _ in range(200):
            try:
                open_bare(gush.ports["uni_grpc"]).close()
            except ConnectionError:
                pass  # refused before we could look
        assert not is_served(gush)
        took_s = time.monotonic() - begin
        lines = [line for line in gush.log_lines() if line["message"] == "connections refused"]
    assert lines and lines[0]["reason"] == "limit" and lines[0]["listener"] == "uni_grpc"
    assert len(lines) <= took_s + 2


def test_more_streams_than_allowed_wait(start):
    gush = start(port_keys(max_concurrent_streams=2))
    channel = gush.channel("uni_grpc")

    def consume():
        request = PROTO.uni.ConnectRequest(subs={"c": PROTO.uni.SubscribeRequest()})
        return channel.unary_stream(METHOD, PROTO.uni.ConnectRequest.SerializeToString,
                                    PROTO.uni.Push.FromString)(request)

    streams = [consume(), consume()]
    for stream in streams:
        assert next(stream).HasField("connect")
    third = consume()
    gush.publish("c", b"1")
    for stream in streams:
        assert next(stream).pub.data == b"1"
    assert gush.live()["clients"] == 2
    streams[0].cancel()
    assert next(third).HasField("connect")
    streams[1].cancel()
    third.cancel()


# ---- crowds

FEW = 240  # descriptors of the server


@pytest.fixture
def start_with_few(start, tmp_path, monkeypatch):
    """Starts servers that may have FEW descriptors, also as root."""
    script = tmp_path / "with-few"
    script.write_text(f"#!/bin/sh\nulimit -n {FEW}\nexec {server.BINARY} \"$@\"\n")
    script.chmod(0o755)
    monkeypatch.setattr(server, "BINARY", script)
    return start


def descriptors(gush):
    return len(os.listdir(f"/proc/{gush.process.pid}/fd"))


def close_all(socks):
    for sock in socks:
        sock.close()


def test_crowd_that_says_nothing_keeps_nobody_out(start_with_few):
    gush = start_with_few()
    crowd = []
    with Consume(gush, subs=["c"]) as before:
        for number in range(3 * FEW):
            crowd.append(open_bare(gush.ports["uni_grpc" if number % 2 else "grpc_api"]))
            if number % 100 == 99:
                gush.publish("c", b"%d" % number)
                assert before.pub().data == b"%d" % number
        assert descriptors(gush) < FEW - 100  # a quarter of them may wait
        with Consume(gush, subs=["c"]) as late, Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
            gush.publish("c", b'"still"')
            assert before.pub().data == late.pub().data == b'"still"'
            assert web.push()["pub"]["data"] == "still"
        lines = [line for line in gush.log_lines() if line["message"] == "connections refused"]
        assert lines and lines[-1]["reason"] == "waiting_limit"
    close_all(crowd)
    wait_until(lambda: descriptors(gush) < 100, what="their descriptors")


def test_full_of_subscribers_leaves_room_for_ourselves(start_with_few):
    gush = start_with_few()
    port = gush.ports["uni_grpc"]
    with Consume(gush, subs=["c"]) as first:
        crowd = [H2(port).socket for _ in range(FEW)]
        wait_until(lambda: any(line["message"] == "connections refused" and
                               line["reason"] == "descriptors" for line in gush.log_lines()),
                   what="refusals")
        assert descriptors(gush) <= FEW - 64
        assert not is_served(gush)
        gush.publish("c", b"1")  # a new connection to the API
        assert first.pub().data == b"1"
        close_all(crowd)
        wait_until(lambda: is_served(gush), what="room again")
        gush.publish("c", b"2")
        assert first.pub().data == b"2"
    assert not any("cannot accept" in line["message"] for line in gush.log_lines())


# ---- keepalive

def frames_until_closed(client, answer_pings):
    """Kinds of the frames that come, until the server closes."""
    kinds = []
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        got = client.next_frame(deadline)
        if got is None:
            return kinds
        kind, flags, _, payload = got
        kinds.append(kind)
        if kind == SETTINGS and not flags & ACK:
            client.answer(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK and answer_pings:
            client.answer(frame(PING, ACK, 0, payload))


def test_silent_peer_is_pinged_and_given_up(start):
    gush = start(port_keys(keepalive_time="300ms", keepalive_timeout="300ms"))
    with H2(gush.ports["uni_grpc"]) as dead:
        kinds = frames_until_closed(dead, answer_pings=False)
    assert PING in kinds
    with H2(gush.ports["uni_grpc"]) as alive:
        pings, deadline = 0, time.monotonic() + TIMEOUT_S
        while pings < 4:  # far longer than a dead one lived
            kind, flags, _, payload = alive.next_frame(deadline)
            if kind == PING and not flags & ACK:
                alive.answer(frame(PING, ACK, 0, payload))
                pings += 1


def ping_often(gush, listener):
    """One ping after the other, as soon as the last one was answered."""
    with H2(gush.ports[listener]) as client:
        client.answer(frame(SETTINGS, ACK, 0))
        for number in range(10):
            client.answer(frame(PING, 0, 0, number.to_bytes(8, "big")))
            deadline = time.monotonic() + TIMEOUT_S
            while True:
                got = client.next_frame(deadline)
                if got is None or got[0] == GOAWAY:
                    return "sent away"
                if got[0] == PING and got[1] & ACK:
                    break
    return "answered"


def test_peer_that_pings_too_often(start):
    gush = start({"uni_grpc": {"keepalive_min_time": "60s"},
                  "grpc_api": {"keepalive_min_time": "-1s"}})
    assert ping_often(gush, "uni_grpc") == "sent away"
    assert ping_often(gush, "grpc_api") == "answered"


# ---- age

def test_age_is_told_by_goaway_and_ends_after_its_grace(start):
    gush = start(port_keys(max_connection_age="500ms", max_connection_age_grace="500ms"))
    request = PROTO.uni.ConnectRequest(subs={"c": PROTO.uni.SubscribeRequest()})
    with H2(gush.ports["uni_grpc"]) as client:
        client.open(METHOD)
        client.data(h2.message(request.SerializeToString()), end=True)
        begin = time.monotonic()
        kinds = frames_until_closed(client, answer_pings=True)
    assert GOAWAY in kinds and h2.DATA in kinds[:kinds.index(GOAWAY)]
    assert time.monotonic() - begin >= 0.9  # a tenth sooner at most, then the grace


def test_idle_connection_ends(start):
    gush = start({"grpc_api": {"max_connection_idle": "300ms"}})
    with H2(gush.ports["grpc_api"]) as client:
        assert GOAWAY in frames_until_closed(client, answer_pings=True)
    assert gush.api()("Info") is not None


class Subscriber:
    """Recovers from wherever it was, as often as it takes; collects offsets."""

    def __init__(self, gush, channel):
        self.gush, self.channel = gush, channel
        self.offsets, self.epoch, self.connects = [], "", 0
        self.over = threading.Event()
        self.failure = None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.over.is_set():
                self.once()
        except Exception as error:  # told by the main thread
            self.failure = error

    def once(self):
        last = self.offsets[-1] if self.offsets else 0
        with Consume(self.gush, {self.channel: position(last, self.epoch)}) as stream:
            result = stream.connect.subs[self.channel]
            assert result.recovered or self.connects == 0, "not recovered"
            self.connects += 1
            self.epoch = result.epoch
            self.offsets += [pub.offset for pub in result.publications]
            while not self.over.is_set():
                push = stream.any_push()
                if push is None:
                    return
                if push.HasField("pub"):
                    self.offsets.append(push.pub.offset)

    def finish(self, last):
        wait_until(lambda: self.failure or self.offsets and self.offsets[-1] >= last,
                   timeout_s=30, what=f"offset {last}")
        self.over.set()
        self.gush.publish(self.channel, b"0")  # wakes a reader
        self.thread.join()
        assert self.failure is None, self.failure
        assert self.offsets[:last] == list(range(1, last + 1))


def test_nothing_is_lost_over_connections_that_age(start):
    gush = start({"uni_grpc": {"max_connection_age": "700ms", "max_connection_age_grace": "100ms"},
                  "channel": {"namespaces": [{"name": "hist", "history_size": 5000,
                                              "history_ttl": "300s", "force_recovery": True,
                                              "allow_subscribe_for_client": True,
                                              "allow_subscribe_for_anonymous": True}]}})
    subscribers = [Subscriber(gush, "hist:age") for _ in range(3)]
    count, deadline = 0, time.monotonic() + 60
    while min(one.connects for one in subscribers) < 4:
        assert time.monotonic() < deadline, "connections do not age"
        assert not any(one.failure for one in subscribers), [one.failure for one in subscribers]
        gush.publish("hist:age", b"%d" % count)
        count += 1
        time.sleep(0.002)
    for one in subscribers:
        one.finish(count)

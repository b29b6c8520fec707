"""Going down: in order, paced, and nobody loses what was accepted."""
import http.client
import shutil
import signal
import socket
import subprocess
import threading
import time

import grpc
import pytest

from consume import Consume
from crowd import Crowd
from h2 import ACK, DATA, END_STREAM, GOAWAY, H2, HEADERS, PING, frame
from push import Push
from server import Server, merged, wait_until
from sse import Ended, Sse
from streams import Streams


class Publisher:
    """Publishes one after the other into |channel| until the server does not want any more."""

    def __init__(self, server, channel):
        self.acknowledged, self.refusal = 0, None
        self.api, self.channel = server.api(), channel
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while True:
                self.api("Publish", channel=self.channel,
                         data=b'{"seq":%d,"fill":""}' % (self.acknowledged + 1))
                self.acknowledged += 1
        except grpc.RpcError as error:
            self.refusal = error.code()


def last_number(pushes):
    numbers = [int(push.pub.data[7:push.pub.data.index(b",")])
               for push in pushes if push.HasField("pub")]
    assert numbers == list(range(1, len(numbers) + 1)), "in order, nothing lost, nothing twice"
    return len(numbers)


@pytest.mark.parametrize("pace", [0, 1000])
def test_two_thousand_clients_lose_nothing(start, pace):
    """SSE and gRPC, while somebody publishes into a channel with history: each is told 3001, and has
    by then everything that was acknowledged."""
    server = start({"shutdown": {"pace": pace}, "client": {"queue_max_size": 1 << 24}})
    server.note_channel("hist")
    # The streams first: their select(2) knows only small descriptors.
    with Streams(server.ports["uni_grpc"], window=1 << 24) as streams, \
            Crowd(server.ports["http"], "hist:1", 1500) as crowd:
        ids = [streams.consume("hist:1") for _ in range(500)]
        publisher = Publisher(server, "hist:1")
        crowd.read_until(lambda: publisher.acknowledged >= 20, 30)
        before = publisher.acknowledged
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        reading = threading.Thread(target=streams.read, daemon=True, args=(
            lambda: streams.closed or len(streams.ends) == len(ids), 60))
        reading.start()
        assert crowd.read_until(lambda: all(reader.goodbye or reader.broken
                                            for reader in crowd.readers), 60)
        reading.join(60)
        publisher.thread.join(20)
        took = time.monotonic() - began
        server.check_exit()
        # The second when the call and the GOAWAY meet.
        assert publisher.refusal in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
        assert publisher.acknowledged >= before > 0
        wrong = [reader for reader in crowd.readers
                 if reader.broken or reader.goodbye != 3001 or reader.last < publisher.acknowledged]
        assert not wrong, (len(wrong), vars(wrong[0]), publisher.acknowledged)
        for stream in ids:
            goodbye = streams.pushes[stream].pop()
            assert (goodbye.disconnect.code, goodbye.disconnect.reason) == (3001, "shutdown")
            # The status behind it may be cut off: the library closes what a shut window holds back.
            assert last_number(streams.pushes[stream]) >= publisher.acknowledged
        assert streams.goaway
        if pace:  # 1,000 at once, the others in one second more
            assert took > 0.9, took
    server.destroy()


def test_slow_reader_gets_the_rest(start):
    """What waits in the sockets for one who pauses, and then reads on, is not cut off."""
    server = start()
    with Streams(server.ports["uni_grpc"], window=1 << 24, receive_buffer=16384) as streams:
        ids = [streams.consume("c") for _ in range(20)]
        for number in range(1, 21):
            server.publish("c", b'{"seq":%d,"fill":"%s"}' % (number, b"x" * 1000))
        server.signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):  # it waits for who does not read, for 5 s
            server.process.wait(1)
        streams.read(lambda: streams.closed or len(streams.ends) == len(ids))
        for stream in ids:
            goodbye = streams.pushes[stream].pop()
            assert goodbye.disconnect.code == 3001
            assert last_number(streams.pushes[stream]) == 20
        server.check_exit()
    server.destroy()


def draining(start, **config):
    """A server that takes two seconds to go: it tells ten of its clients per second."""
    server = start(merged({"shutdown": {"pace": 10, "timeout": "60s"}}, config))
    crowd = Crowd(server.ports["http"], "c", 30)
    return server, crowd


def test_newcomers_are_refused(start):
    """While the server goes down: no new connection, no new stream on an old connection, no call;
    who is still there hears on."""
    server, crowd = draining(start)
    with crowd, Streams(server.ports["uni_grpc"]) as streams:
        streams.consume("hist:1")
        server.note_channel("hist:1")
        api = server.api()
        epoch = api("Publish", channel="hist:1", data=b'{"seq":1,"fill":""}').epoch
        server.signal(signal.SIGTERM)
        streams.read(lambda: streams.goaway)
        try:  # who was in the kernel's queue is told, everybody else is refused
            with Sse(server.ports["http"], {"subs": {"c": {}}}, expect_connect=False) as web:
                assert web.disconnect() == (3001, "shutdown")
        except (OSError, Ended):
            pass
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.ports["uni_grpc"]), 5)
        # A call that meets the GOAWAY on its way is cancelled by the library.
        gone = threading.Event()
        api.grpc_channel.subscribe(lambda state: state != grpc.ChannelConnectivity.READY and
                                   gone.set())
        assert gone.wait(10)
        with pytest.raises(grpc.RpcError) as refused:
            api("Publish", channel="hist:1", data=b'{"seq":2,"fill":""}')
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
        again = streams.recover("hist:1", 0, epoch)
        streams.read(lambda: again in streams.ends or streams.closed)
        assert streams.pushes[again] == []
        crowd.read_until(lambda: all(reader.goodbye for reader in crowd.readers), 60)
        assert {reader.goodbye for reader in crowd.readers} == {3001}
        server.check_exit()
    server.destroy()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(start, number, tmp_path):
    pid_file = tmp_path / "pid"
    server, crowd = draining(start, pid_file=str(pid_file))
    with crowd:
        assert int(pid_file.read_text()) == server.process.pid
        server.signal(signal.SIGTERM)
        assert crowd.read_until(lambda: any(reader.goodbye for reader in crowd.readers), 20)
        # Within the first half second it counts as one and the same.
        wait_until(lambda: server.signal(number) or server.process.poll() is not None)
        assert server.process.returncode == 1
        assert not all(reader.goodbye for reader in crowd.readers)
        assert "second signal: ending at once" in server.log()
        assert not pid_file.exists()
    server.destroy()


def test_hangup_during_a_drain_is_nothing(start):
    server, crowd = draining(start, shutdown={"pace": 15, "timeout": "60s"})
    with crowd:
        server.signal(signal.SIGTERM)
        assert crowd.read_until(lambda: any(reader.goodbye for reader in crowd.readers), 20)
        server.signal(signal.SIGHUP)
        assert crowd.read_until(lambda: all(reader.goodbye for reader in crowd.readers), 20)
        server.check_exit()
    server.destroy()


def test_who_does_not_read_does_not_hold_it_up(start):
    """gRPC streams on a socket that takes nothing, and an SSE reader likewise."""
    server = start({"client": {"queue_max_size": 1 << 24}})
    with Streams(server.ports["uni_grpc"], window=1 << 24) as streams, \
            Sse(server.ports["http"], {"subs": {"c": {}}}, receive_buffer=4096) as web:
        for _ in range(10):
            streams.consume("c")
        for _ in range(200):
            server.publish("c", b'"%s"' % (b"x" * 60000))
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.check_exit()
        assert time.monotonic() - began < 20  # shutdown.timeout is 30 s
        assert web.connect
    server.destroy()


def test_too_late_is_an_error(start):
    server = start({"shutdown": {"timeout": "1s"}, "client": {"queue_max_size": 1 << 24}})
    with Sse(server.ports["http"], {"subs": {"c": {}}}, receive_buffer=4096):
        for _ in range(200):
            server.publish("c", b'"%s"' % (b"x" * 60000))
        server.signal(signal.SIGTERM)
        assert server.process.wait(20) == 1
        assert "shutdown timeout reached" in server.log()
    server.destroy()


# ---- HTTP

KEPT_ALIVE = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
HALF_A_REQUEST = (b"POST /api/publish HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n")


def connect(server):
    return socket.create_connection(("127.0.0.1", server.ports["http"]), 10)


def read_all(sock):
    data = b""
    try:
        while more := sock.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def test_idle_connections_close_at_once(start):
    """... those that had an answer, and those that never asked; nobody waits for them."""
    server, crowd = draining(start)
    with crowd, connect(server) as kept, connect(server) as silent:
        kept.sendall(KEPT_ALIVE)
        answer = b""
        while not answer.endswith(b"{}"):
            answer += kept.recv(65536)
        server.signal(signal.SIGTERM)
        assert kept.recv(1) == b"" and silent.recv(1) == b""
        assert server.process.poll() is None, "the crowd is still being told"
        crowd.read_until(lambda: all(reader.goodbye for reader in crowd.readers), 60)
        server.check_exit()
    server.destroy()


def test_streams_of_http_end_properly(start):
    server = start({"uni_http_stream": {"enabled": True}})
    with connect(server) as lines, connect(server) as events:
        body = b'{"subs":{"c":{}}}'
        for sock, path in ((lines, b"uni_http_stream"), (events, b"uni_sse")):
            sock.sendall(b"POST /connection/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" %
                         (path, len(body), body))
        received = {lines: b"", events: b""}
        for sock in received:
            while b'"connect":' not in received[sock]:
                received[sock] += sock.recv(65536)
        server.publish("c", b'"last words"')
        server.signal(signal.SIGTERM)
        for sock in received:
            text = received[sock] + read_all(sock)
            assert b'"last words"' in text and b'"code":3001,"reason":"shutdown"' in text
            assert text.endswith(b"\r\n0\r\n\r\n"), text[-60:]  # the body's proper end
        server.check_exit()
    server.destroy()


def test_streams_of_http2_end_properly(start):
    server = start({"http_server": {"h2c_external": True, "internal_port": "0"},
                    "uni_http_stream": {"enabled": True}})
    streams = [Push(server.ports["http"], transport, "2", {"subs": {"c": {}}})
               for transport in ("uni_sse", "uni_http_stream")]
    server.publish("c", b'"last words"')
    server.signal(signal.SIGTERM)
    for stream in streams:
        assert stream.push()["pub"]["data"] == "last words"
        assert stream.disconnect() == (3001, "shutdown")
    server.check_exit()
    server.destroy()


def test_http2_is_told_to_go(start):
    """GOAWAY; a stream that is there goes on to its end, and the connection goes with it."""
    server = start({"http_server": {"h2c_external": True, "internal_port": "0",
                                    "access_log": True},
                    "http_api": {"insecure": True, "external": True}})
    body = b'{"channel":"c","data":1}'
    with H2(server.ports["http"]) as wire:
        wire.open("/api/publish")
        wire.data(body[:5])
        wire.raw(frame(PING, 0, 0, b"12345678"))

        def until(wanted):
            while True:
                got = wire.next_frame(time.monotonic() + 10)
                assert got is not None, "closed"
                kind, flags, *_, payload = got
                if kind == PING and not flags & ACK:
                    wire.raw(frame(PING, ACK, 0, payload))
                if wanted(kind, flags):
                    return

        until(lambda kind, flags: kind == PING and flags & ACK)  # all of it has arrived
        server.signal(signal.SIGTERM)
        until(lambda kind, flags: kind == GOAWAY)
        wire.data(body[5:], end=True)
        until(lambda kind, flags: kind in (DATA, HEADERS) and flags & END_STREAM)
        server.check_exit()
    logged = [line for line in server.log_lines() if line["message"] == "http request"]
    assert [(line["path"], line["status"], line["version"]) for line in logged] == [
        ("/api/publish", 503, "HTTP/2.0")]
    server.destroy()


def test_half_a_request_may_still_become_a_whole_one(start):
    """Its body comes while the server goes: it is not carried out any more, but answered."""
    server = start({"http_api": {"insecure": True}})
    body = b'{"channel":"c","data":1}'
    with connect(server) as sock:
        sock.sendall(HALF_A_REQUEST % len(body) + body[:5])
        wait_until(lambda: established(server) and not unread(server))
        server.signal(signal.SIGTERM)
        wait_until(lambda: "clients are told to go" in server.log())
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.5)
        sock.sendall(body[5:])
        answer = read_all(sock)
        assert answer.startswith(b"HTTP/1.1 503 "), answer
        assert b"\r\nconnection: close\r\n" in answer.lower()
        server.check_exit()
    server.destroy()


def test_half_a_request_holds_it_up_until_the_timeout(start, tmp_path):
    pid_file = tmp_path / "pid"
    server = start({"http_api": {"insecure": True}, "shutdown": {"timeout": "1s"},
                    "pid_file": str(pid_file)})
    with connect(server) as sock:
        sock.sendall(HALF_A_REQUEST % 10 + b"{")
        wait_until(lambda: established(server) and not unread(server))
        assert pid_file.exists()
        server.signal(signal.SIGTERM)
        assert server.process.wait(20) == 1
        fatal = [line for line in server.log_lines() if line["level"] == "fatal"]
        assert [line["message"] for line in fatal] == ["shutdown timeout reached"]
        assert not pid_file.exists() and "Sanitizer" not in server.log()
    server.destroy()


def sockets(server):
    """[(state, bytes that the server has not read), ...] of the connections to its HTTP port"""
    found = []
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            if int(fields[1].split(":")[1], 16) == server.ports["http"]:
                found.append((fields[3], int(fields[4].split(":")[1], 16)))
    return found


def established(server):
    return any(state == "01" for state, _ in sockets(server))


def unread(server):
    return any(n for state, n in sockets(server) if state == "01")


def test_http_calls_are_answered_or_refused(start):
    """Callers on kept connections, one after the other: each call is answered, with 200 as long as
    it is carried out, and every one of those reaches the subscriber before the goodbye."""
    server = start({"http_api": {"insecure": True}})
    stop, acknowledged, odd = threading.Event(), [], []

    def publish():
        connection = http.client.HTTPConnection("127.0.0.1", server.ports["http"], timeout=10)
        while not stop.is_set():
            number = next(numbers)
            try:
                connection.request("POST", "/api/publish",
                                   b'{"channel":"hist:1","data":%d}' % number)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                break  # closed between two calls: this one was not read
            if response.status == 200:
                acknowledged.append(number)
            elif response.status != 503:
                odd.append(response.status)
            if response.status != 200 or response.will_close:
                break

    numbers = iter(range(1, 1 << 30))
    server.note_channel("hist:1")
    with Sse(server.ports["http"], {"subs": {"hist:1": {}}}) as web:
        threads = [threading.Thread(target=publish, daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(acknowledged) > 50)
        server.signal(signal.SIGTERM)
        for thread in threads:
            thread.join(20)
        stop.set()
        heard = []
        while True:
            push = web.push()
            if "disconnect" in push:
                break
            heard.append(push["pub"]["data"])
        assert odd == []
        assert push["disconnect"]["code"] == 3001
        assert set(acknowledged) <= set(heard), set(acknowledged) - set(heard)
        server.check_exit()
    server.destroy()


# ---- a start that fails

NO_THREAD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef int create_fn(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* Fails for the server's own thread of that number. Ours ask for no attributes; those of libraries
 * do, or come from libraries. */
int pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*run)(void *), void *arg)
{
    static int n;
    Dl_info where;
    int ours = a == NULL && dladdr((void *)run, &where) && where.dli_fname &&
               !strstr(where.dli_fname, ".so");

    if (ours && ++n == atoi(getenv("NO_THREAD")))
        return EAGAIN;
    return ((create_fn *)dlsym(RTLD_NEXT, "pthread_create"))(t, a, run, arg);
}
"""


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_start_without_enough_threads_ends_clean(tmp_path):
    """Whichever of its own threads the system refuses: a message, exit 1, nothing leaked."""
    source, library = tmp_path / "no_thread.c", tmp_path / "no_thread.so"
    source.write_text(NO_THREAD)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
    said = []
    for nth in range(1, 5):  # two queues, two loops
        server = Server({"lanes": {"workers": 2, "grpc_workers": 2}},
                        env={"LD_PRELOAD": str(library), "NO_THREAD": str(nth),
                             "ASAN_OPTIONS": "verify_asan_link_order=0"})
        try:
            server.start()
        except AssertionError:
            pass  # its ports are open by then, but it may be gone already
        status, log = server.process.wait(20), server.log()
        assert status == 1 and "Sanitizer" not in log, log
        said += [line["error"] for line in server.log_lines() if line["message"] == "cannot start"]
        server.destroy()
    assert said == ["no thread for a gRPC queue"] * 2 + \
        ["an event loop cannot watch its listeners"] * 2

"""The load client and the soak of bench/: they run, and they notice what goes wrong."""
import json
import os
import re
import select
import socket
import subprocess
import sys
import threading

import pytest

import server as support
from server import BINARY, REPOSITORY, sanitized

LOAD = BINARY.parent / "gush_load"
TIMEOUT_S = 120
LOST = 3


def load(*arguments):
    """(exit status, figures)"""
    run = subprocess.run([LOAD, "--json", *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                         timeout=TIMEOUT_S)
    return run.returncode, json.loads(run.stdout) if run.stdout else {}


def against(gush):
    return ("--http", gush.ports["http"], "--api", gush.ports["grpc_api"],
            "--uni", gush.ports["uni_grpc"], "--key", support.API_KEY, "--pid", gush.process.pid)


class Crooked:
    """Speaks the floor's protocol to one reader, and treats each publication as |fault| says:
    fault(number, event) gives the events that are sent for it."""

    def __init__(self, fault):
        self.fault, self.count = fault, 0
        self.reader = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join(TIMEOUT_S)
        self.listener.close()

    def serve(self):
        received = {}
        while True:
            for ready in select.select([self.listener, *received], [], [])[0]:
                if ready is self.listener:
                    try:
                        received[ready.accept()[0]] = b""
                    except OSError:
                        return
                    continue
                try:
                    data = ready.recv(65536)
                except OSError:
                    data = b""
                received[ready] += data
                received[ready] = self.take(ready, received[ready])
                if not data:
                    received.pop(ready)
                    ready.close()

    def take(self, sock, data):
        if data.startswith(b"POST ") and data.endswith(b"}}}"):
            self.reader = sock
            sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.event(b'{"connect":{"subs":{"c":{}}}}')
            return b""
        data = data.removeprefix(b"PUBLISH\n")
        while len(data) >= 8 and not data.startswith((b"POST", b"PUBLISH")):
            size = int.from_bytes(data[4:8], sys.byteorder)
            if len(data) < 8 + size:
                break
            self.count += 1
            for event in self.fault(self.count, b'{"channel":"c","pub":{"data":%s}}'
                                    % data[8:8 + size]):
                self.event(event)
            sock.sendall(b"k")
            data = data[8 + size:]
        return data

    def event(self, event):
        body = b"data: %s\n\n" % event
        self.reader.sendall(b"%x\r\n%s\r\n" % (len(body), body))


held = []


def swap(number, event):
    """The fourth and the fifth, the other way round."""
    if number == 4:
        held.append(event)
        return []
    return [event, held.pop()] if number == 5 else [event]


@pytest.mark.parametrize("fault,name,count", [
    (lambda number, event: [event], "lost", 0),
    (lambda number, event: [] if number == 7 else [event], "lost", 1),
    (lambda number, event: [] if number > 15 else [event], "lost", 5),
    (lambda number, event: [event, event] if number == 7 else [event], "repeated", 1),
    (swap, "late", 1),
    (lambda number, event: [event.replace(b"000000~", b"000001~")] if number == 7 else [event],
     "wrong", 1),
], ids=["none", "gap", "tail", "twice", "swapped", "stranger"])
def test_a_crooked_server_is_caught(fault, name, count):
    with Crooked(fault) as crooked:
        status, figures = load("--floor", "--http", crooked.port, "--sse", 1, "--rate", 200,
                               "--warmup", 0, "--duration", 0.1, "--grace-ms", 300)
    assert figures[name] == count, figures
    assert figures["published"] == 20
    assert status == (LOST if count else 0)


def test_nobody_there():
    port = socket.create_server(("127.0.0.1", 0))
    number = port.getsockname()[1]
    port.close()
    assert load("--http", number, "--api", number, "--uni", number, "--sse", 1)[0] == 1


@pytest.mark.parametrize("wrong", [
    ["--sse", "0"], ["--sse", "x"], ["--what"], ["--sse"], ["--sse", "1", "--kills", "1"],
    ["--sse", "1", "--size", "10"], ["--sse", "1", "--channels", "0"],
    ["--grpc", "1", "--floor"]])
def test_usage(wrong):
    run = subprocess.run([LOAD, *wrong], capture_output=True, text=True, timeout=TIMEOUT_S)
    assert run.returncode == 2 and run.stderr and not run.stdout


def test_refusal_is_told(gush):
    """No figures, but a reason."""
    run = subprocess.run([LOAD, *map(str, against(gush)), "--sse", "1", "--path", "/nowhere"],
                         capture_output=True, text=True, timeout=TIMEOUT_S)
    assert run.returncode == 1 and "404" in run.stderr


def test_fan_out(gush):
    """Every figure of a small run adds up."""
    status, figures = load(*against(gush), "--grpc", 30, "--sse", 20, "--streams", 7,
                           "--channels", 3, "--rate", 90, "--warmup", 0.2, "--duration", 1)
    assert status == 0, figures
    assert figures["connections"] == 5 + 20
    assert figures["published"] == 18 + 90
    # Thirty publications on each channel, and each subscriber hears one channel.
    assert figures["deliveries"] == 50 * 30
    assert 0 < figures["p50_us"] <= figures["p99_us"] <= figures["max_us"]
    assert figures["messages_per_read"] >= 1
    assert figures["server_cpu_us_per_delivery"] > 0 and figures["server_rss_mb"] > 1


def test_everybody_is_cut_off_once(gush):
    status, figures = load(*against(gush), "--grpc", 20, "--sse", 20, "--streams", 4, "--cycle",
                           "--rate", 50, "--warmup", 0.2, "--duration", 0.5)
    assert status == 0, figures
    assert figures["deliveries"] == 40 * 25 and "rss_used_per_connection" in figures


def test_late_server_is_late():
    """Latency counts from the intended moment: a server that stood still for a second cannot look
    fast because the publisher had to wait for it."""
    def stand_still(number, event):
        if number == 50:
            threading.Event().wait(1)
        return [event]

    with Crooked(stand_still) as crooked:
        status, figures = load("--floor", "--http", crooked.port, "--sse", 1, "--rate", 100,
                               "--warmup", 0, "--duration", 3)
    assert status == 0, figures
    # Of 300 publications 100 fell into the silence; a closed loop would have seen one.
    assert figures["p90_us"] > 300_000 and figures["max_us"] > 900_000, figures


def test_floor():
    floor = subprocess.Popen([LOAD, "floor", "0"], stdout=subprocess.PIPE, text=True)
    try:
        port = re.fullmatch(r"listening on (\d+)\n", floor.stdout.readline()).group(1)
        status, figures = load("--floor", "--http", port, "--sse", 40, "--channels", 4,
                               "--rate", 100, "--warmup", 0, "--duration", 0.5,
                               "--pid", floor.pid)
    finally:
        floor.kill()
        floor.wait()
    assert status == 0 and figures["deliveries"] == 50 * 10, figures


def test_idle_connections_all_hear_the_next_publication():
    """2,000 of them; bench/idle.py by hand has 18,000, and judges speed as well."""
    run = subprocess.run([REPOSITORY / "bench/idle.py", "2000", "--seconds", "1", "--no-limits"],
                         capture_output=True, text=True, timeout=TIMEOUT_S,
                         env=dict(os.environ, GUSH=str(BINARY), LOAD=str(LOAD)))
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads(run.stdout)
    assert figures["received"] == figures["connections"] == 2000 and figures["published"] == 1


def test_soak_for_ten_seconds(tmp_path):
    """The soak that runs for ten minutes in .ci/full. A sanitizer gets a tenth of the load."""
    scale = ["--deliveries", "2000", "--scale", "0.2"] if sanitized() else []
    run = subprocess.run([REPOSITORY / "bench/soak.py", "10", "--no-slope",
                          "--out", tmp_path, *scale], capture_output=True, text=True,
                         timeout=TIMEOUT_S,
                         env=dict(os.environ, GUSH=str(BINARY), LOAD=str(LOAD)))
    assert run.returncode == 0, run.stdout + run.stderr

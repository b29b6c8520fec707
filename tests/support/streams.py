"""Consume streams over one connection whose reader decides what it takes: HTTP/2 by hand.

    with Streams(port, window=1000) as streams:     what every stream may send at first
        one = streams.consume("c")
        streams.stop(one)                  its window is not renewed any more
        streams.read(lambda: ...)          reads until the condition holds
        streams.pushes[one]                what came, decoded
        streams.go_on(one)

The connection's own window is large from the start and always renewed.
"""
import socket
import struct
import time

from consume import METHOD
from h2 import ACK, DATA, GOAWAY, H2, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW
from h2 import END_STREAM, frame, message
from server import PROTO

INITIAL_WINDOW = 4  # identifier in SETTINGS
WHOLE = (1 << 31) - 1 - 65535


def window_update(stream, size):
    return frame(WINDOW, 0, stream, struct.pack(">I", size))


class Streams(H2):
    def __init__(self, port, window=65535, receive_buffer=None):
        settings = struct.pack(">HI", INITIAL_WINDOW, window)
        super().__init__(port, preface=PREFACE + frame(SETTINGS, 0, 0, settings) +
                         window_update(0, WHOLE), receive_buffer=receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next_stream = 1
        self.stopped = set()
        self.pushes, self.tails, self.unread, self.ends = {}, {}, {}, {}
        self.goaway = self.closed = False

    def consume(self, *channels):
        """A new stream, once it is connected."""
        stream = self.consume_blindly(*channels)
        self.read(lambda: self.pushes[stream])
        assert self.pushes[stream].pop(0).HasField("connect")
        return stream

    def consume_blindly(self, *channels):
        return self.ask({channel: PROTO.uni.SubscribeRequest() for channel in channels})

    def ask(self, subs):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        self.pushes[stream], self.tails[stream], self.unread[stream] = [], b"", 0
        self.open(METHOD, stream=stream)
        self.data(message(PROTO.uni.ConnectRequest(subs=subs).SerializeToString()), stream, True)
        return stream

    def recover(self, channel, offset, epoch):
        """A new stream that wants to go on from there."""
        return self.ask({channel: PROTO.uni.SubscribeRequest(recover=True, offset=offset,
                                                             epoch=epoch)})

    def reset(self, stream):
        self.answer(frame(RST_STREAM, 0, stream, struct.pack(">I", 8)))  # CANCEL

    def stop(self, stream):
        self.stopped.add(stream)

    def go_on(self, stream):
        """Takes what waits, and everything from now on."""
        self.stopped.discard(stream)
        self.renew(stream)

    def renew(self, stream):
        if self.unread[stream] and stream not in self.stopped:
            self.answer(window_update(stream, self.unread[stream]))
            self.unread[stream] = 0

    def numbers(self, stream):
        """The publications that came, by their number."""
        return [int(push.pub.data[7:push.pub.data.index(b",")])
                for push in self.pushes[stream] if push.HasField("pub")]

    def read(self, condition, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it does not come"
            self.take(time.monotonic() + 0.05)

    def take(self, deadline):
        """One frame, if one comes."""
        try:
            got = self.next_frame(deadline)
        except TimeoutError:
            return
        if got is None:
            self.closed = True
            return
        kind, flags, on, payload = got
        if kind == SETTINGS and not flags & ACK:
            self.answer(frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.answer(frame(PING, ACK, 0, payload))
        elif kind == DATA:
            self.unread[on] += len(payload)
            self.answer(window_update(0, len(payload)) if payload else b"")
            self.renew(on)
            self.decode(on, payload)
        elif kind == HEADERS and flags & END_STREAM:
            self.ends[on] = "trailers"
        elif kind == RST_STREAM:
            self.ends[on] = "reset"
        elif kind == GOAWAY:
            self.goaway = True

    def decode(self, stream, payload):
        data = self.tails[stream] + payload
        while len(data) >= 5:
            size = int.from_bytes(data[1:5], "big")
            if len(data) < 5 + size:
                break
            push = PROTO.uni.Push.FromString(data[5:5 + size])
            if push.ByteSize() > 0:  # no ping
                self.pushes[stream].append(push)
            data = data[5 + size:]
        self.tails[stream] = data

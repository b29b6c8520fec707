"""HTTP/2 by hand, for what no gRPC library would send: half messages, lies about lengths, calls
without a message, broken frames.

    with H2(port) as h2:
        h2.open(METHOD, headers)           HEADERS of stream 1
        h2.data(b"...", end=True)
        h2.outcome()                       "trailers", "reset", "goaway" or "closed"
"""
import select
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = \
    0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + \
        struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field without indexing and without Huffman code; both strings under 127 bytes."""
    name, value = name.encode(), value.encode()
    assert len(name) < 127 and len(value) < 127
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def request_fields(method, headers=()):
    return [(":method", "POST"), (":scheme", "http"), (":path", method),
            (":authority", "127.0.0.1"), ("content-type", "application/grpc"),
            ("te", "trailers"), *headers]


def message(data, claimed=None):
    """|data| with gRPC's prefix, which may claim another length."""
    return b"\0" + struct.pack(">I", len(data) if claimed is None else claimed) + data


class H2:
    def __init__(self, port, timeout_s=10, preface=PREFACE + frame(SETTINGS, 0, 0),
                 receive_buffer=None):
        self.timeout_s = timeout_s
        self.socket = socket.socket()
        self.socket.settimeout(timeout_s)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.received = b""
        self.payload = b""  # of DATA frames
        self.socket.sendall(preface)

    @classmethod
    def bare(cls, port):
        """A connection on which nothing was said yet."""
        return cls(port, preface=b"")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def open(self, method, headers=(), stream=1, end=False):
        block = b"".join(literal(name, value) for name, value in request_fields(method, headers))
        flags = END_HEADERS | (END_STREAM if end else 0)
        self.socket.sendall(frame(HEADERS, flags, stream, block))

    def data(self, payload, stream=1, end=False):
        for at in range(0, max(len(payload), 1), 16384):
            last = at + 16384 >= len(payload)
            flags = END_STREAM if end and last else 0
            self.socket.sendall(frame(DATA, flags, stream, payload[at:at + 16384]))

    def raw(self, data):
        self.socket.sendall(data)

    def finish(self):
        """Says that nothing more will come; what the server has to say can still be read."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server was faster

    def next_frame(self, deadline):
        """(kind, flags, stream, payload), or None when the connection is closed."""
        while True:
            if len(self.received) >= 9:
                size = int.from_bytes(self.received[:3], "big")
                if len(self.received) >= 9 + size:
                    kind, flags = self.received[3], self.received[4]
                    stream = int.from_bytes(self.received[5:9], "big") & 0x7fffffff
                    payload, self.received = self.received[9:9 + size], self.received[9 + size:]
                    return kind, flags, stream, payload
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError("no frame came")
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.received += data

    def outcome(self, stream=1, timeout_s=None):
        """How the server ends |stream|."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        while True:
            try:
                got = self.next_frame(deadline)
            except BrokenPipeError:
                return "closed"
            if got is None:
                return "closed"
            kind, flags, on, payload = got
            if kind == SETTINGS and not flags & ACK:
                self.answer(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                self.answer(frame(PING, ACK, 0, payload))
            elif kind == DATA:
                self.payload += payload
                if payload:
                    grant = struct.pack(">I", len(payload))
                    self.answer(frame(WINDOW, 0, 0, grant) + frame(WINDOW, 0, on, grant))
            elif kind == HEADERS and on == stream and flags & END_STREAM:
                return "trailers"
            elif kind == RST_STREAM and on == stream:
                return "reset"
            elif kind == GOAWAY:
                return "goaway"

    def answer(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # the server closed; what it said before is still to be read

"""uni_sse over a bare socket: what the server sends, byte for byte.

    with Sse(port, {"subs": {"c": {}}}) as stream:
        stream.connect["client"]
        stream.push()        the next push as JSON; pings are passed over
        stream.event()       the next event's data as bytes; b"{}" is a ping
        stream.last_id       the id that came last with these; None: there was none
"""
import json
import select
import socket
import struct
import time
import urllib.parse

PATH = "/connection/uni_sse"


class Ended(Exception):
    """The server ended the stream: in its proper way if |clean|."""

    def __init__(self, clean):
        super().__init__("end of stream" if clean else "connection lost")
        self.clean = clean


class Chunks:
    """Undoes chunked transfer coding, incrementally."""

    def __init__(self):
        self.buffer, self.done = b"", False

    def feed(self, data):
        self.buffer += data
        out = []
        while not self.done:
            line, separator, rest = self.buffer.partition(b"\r\n")
            if not separator:
                break
            size = int(line, 16)
            if len(rest) < size + 2:
                break
            assert rest[size:size + 2] == b"\r\n", self.buffer[:80]
            self.done = size == 0
            out.append(rest[:size])
            self.buffer = rest[size + 2:]
        return b"".join(out)


def request_bytes(connect, path=PATH, headers=()):
    target = path
    if connect is not None:
        text = connect if isinstance(connect, str) else json.dumps(connect)
        target += "?cf_connect=" + urllib.parse.quote(text)
    lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1", "Accept: text/event-stream", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post_bytes(body, path=PATH):
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
            ).encode() + body


class Sse:
    def __init__(self, port, connect=None, request=None, receive_buffer=0, expect_connect=True,
                 timeout_s=10, headers=()):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.timeout_s = timeout_s
        self.chunks, self.body, self.clean = None, b"", False
        self.last_id = None
        self.socket.sendall(request or request_bytes(connect, headers=headers))
        self.read_head()
        self.connect = None
        if expect_connect:
            assert self.status == 200, (self.status, self.body)
            self.connect = self.push()["connect"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)  # also wakes a thread that waits for data
        except OSError:
            pass
        self.socket.close()

    def reset(self):
        """Vanishes: the server gets RST and no FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def receive(self, deadline):
        left = deadline - time.monotonic()
        ready = left > 0 and select.select([self.socket], [], [], left)[0]
        if not ready:
            raise TimeoutError(f"nothing came; {self.body[-200:]!r} is pending")
        try:
            return self.socket.recv(65536)
        except ConnectionResetError:
            return b""

    def read_head(self):
        deadline = time.monotonic() + self.timeout_s
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.receive(deadline)
            if not more:
                raise Ended(False)
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        self.headers = {name.strip().lower(): value.strip()
                        for name, _, value in (field.partition(":") for field in fields)}
        if self.headers.get("transfer-encoding", "") == "chunked":
            self.chunks = Chunks()
        self.take(rest)

    def take(self, data):
        if self.chunks is None:
            self.body += data
        else:
            self.body += self.chunks.feed(data)
            self.clean = self.chunks.done

    def event(self, timeout_s=None):
        """The data of the next event."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        while True:
            event, separator, rest = self.body.partition(b"\n\n")
            if separator:
                self.body = rest
                event = event.lstrip(b"\r\n")
                if event.startswith(b"id: "):
                    identity, _, event = event.partition(b"\n")
                    self.last_id = identity[4:].decode()
                assert event.startswith(b"data: ") and b"\n" not in event, event
                return event[6:]
            if self.clean:
                raise Ended(True)
            data = self.receive(deadline)
            if not data:
                raise Ended(self.clean)
            self.take(data)

    def raw_push(self, timeout_s=None):
        """The bytes of the next push that is not a ping."""
        while True:
            data = self.event(timeout_s)
            if data != b"{}":
                return data

    def push(self, timeout_s=None):
        return json.loads(self.raw_push(timeout_s))

    def disconnect(self, timeout_s=None):
        """Waits for the disconnect push behind whatever else is queued, and for the end of the
        stream; returns (code, reason)."""
        while True:
            push = self.push(timeout_s)
            if "disconnect" in push:
                break
        try:
            surplus = self.event(timeout_s)
        except Ended as end:
            assert end.clean, "no last chunk"
            return push["disconnect"]["code"], push["disconnect"]["reason"]
        raise AssertionError(f"{surplus!r} behind the disconnect push")

"""uni_sse and uni_http_stream over whatever HTTP version, by curl: what the body says.

    with Push(port, "uni_http_stream", "2", {"subs": {"c": {}}}) as stream:
        stream.connect["client"]
        stream.push()        the next push as JSON; pings are passed over
        stream.message()     the next message: its bytes, and its id (None: it has none)

Versions are "1.0", "1.1" and "2" (by prior knowledge).
"""
import collections
import json
import os
import select
import shutil
import subprocess
import time
import urllib.parse

import pytest

PATHS = {"uni_sse": "/connection/uni_sse", "uni_http_stream": "/connection/uni_http_stream"}
FLAGS = {"1.0": "--http1.0", "1.1": "--http1.1", "2": "--http2-prior-knowledge"}
PREAMBLE = {"uni_sse": b"\r\n", "uni_http_stream": b""}
ENDS = {"uni_sse": b"\n\n", "uni_http_stream": b"\n"}

Message = collections.namedtuple("Message", "data id")


class Ended(Exception):
    """The stream is over: |curl| is its verdict, 0 if the end was in order."""

    def __init__(self, curl):
        super().__init__(f"end of stream, curl says {curl}")
        self.curl = curl


def command(port, transport, version, connect, headers, method):
    url = f"http://127.0.0.1:{port}{PATHS[transport]}"
    text = connect if isinstance(connect, (str, bytes)) else json.dumps(connect)
    line = ["curl", "-siN", FLAGS[version], "--max-time", "120", "--expect100-timeout", "0.01"]
    for header in headers:
        line += ["-H", header]
    if method == "GET":
        url += "?cf_connect=" + urllib.parse.quote(text) if connect is not None else ""
    elif method == "POST":
        line += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
    else:
        line += ["-X", method]
    return line + [url], text if isinstance(text, bytes) else text.encode()


class Push:
    def __init__(self, port, transport="uni_sse", version="1.1", connect=(), headers=(),
                 method=None, expect_connect=True, timeout_s=10):
        if not shutil.which("curl"):
            pytest.skip("curl is not installed")
        self.transport, self.timeout_s = transport, timeout_s
        method = method or ("GET" if transport == "uni_sse" else "POST")
        line, body = command(port, transport, version, {} if connect == () else connect, headers,
                             method)
        self.curl = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if method == "POST":
            self.curl.stdin.write(body)
        self.curl.stdin.close()
        self.body = b""
        self.read_head()
        self.connect = None
        if expect_connect:
            assert self.status == 200, (self.status, self.rest())
            self.connect = self.push()["connect"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.curl.kill()
        self.curl.wait()
        self.curl.stdout.close()

    def receive(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.curl.stdout], [], [], left)[0]:
            raise TimeoutError(f"nothing came; {self.body[-200:]!r} is pending")
        data = os.read(self.curl.stdout.fileno(), 65536)
        if not data:
            raise Ended(self.curl.wait(10))
        self.body += data

    def read_head(self):
        deadline = time.monotonic() + self.timeout_s
        while b"\r\n\r\n" not in self.body:
            self.receive(deadline)
        head, _, self.body = self.body.partition(b"\r\n\r\n")
        status, *fields = head.decode("latin-1").split("\r\n")
        self.status = int(status.split()[1])
        self.version = status.split()[0]
        self.headers = {name.strip().lower(): value.strip()
                        for name, _, value in (field.partition(":") for field in fields)}

    def until(self, found):
        """Reads until the body, as far as it was not taken yet, has what |found| looks for."""
        deadline = time.monotonic() + self.timeout_s
        while not found(self.body):
            self.receive(deadline)
        return self.body

    def rest(self, timeout_s=None):
        """What comes up to the end."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        try:
            while True:
                self.receive(deadline)
        except Ended as end:
            assert end.curl == 0, end
        return self.body

    def message(self, timeout_s=None):
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        end = ENDS[self.transport]
        while True:
            block, separator, rest = self.body.partition(end)
            if not separator:
                self.receive(deadline)
                continue
            self.body = rest
            if self.transport == "uni_http_stream":
                return Message(block, None)
            fields = [line.partition(b": ")[::2] for line in block.lstrip(b"\r\n").split(b"\n")]
            if fields[0][0] == b"retry":
                continue
            assert [name for name, _ in fields] in ([b"data"], [b"id", b"data"]), block
            return Message(fields[-1][1], fields[0][1].decode() if len(fields) == 2 else None)

    def push(self, timeout_s=None):
        while True:
            data = self.message(timeout_s).data
            if data != b"{}":
                return json.loads(data)

    def disconnect(self, timeout_s=None):
        """Waits for the disconnect push and the end in order behind it; (code, reason)."""
        while True:
            push = self.push(timeout_s)
            if "disconnect" in push:
                break
        assert self.rest(timeout_s) == b""
        return push["disconnect"]["code"], push["disconnect"]["reason"]

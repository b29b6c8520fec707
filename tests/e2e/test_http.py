"""The HTTP listener: what it serves, and what it refuses (malformed requests: the corpus in
test_http1_smuggling.py)."""
import socket
import time

import pytest

import tokens
from server import wait_until
from sse import Sse, request_bytes

SSE = "/connection/uni_sse"


def exchange(server, data, timeout_s=20):
    """Sends bytes, half-closes nothing, reads until the server closes or is quiet for a second."""
    with socket.create_connection(("127.0.0.1", server.ports["http"]), timeout_s) as sock:
        sock.sendall(data)
        sock.settimeout(1.0)
        answer = b""
        try:
            while more := sock.recv(65536):
                answer += more
        except (TimeoutError, ConnectionResetError):
            pass
        return answer


def status(answer):
    assert answer.startswith(b"HTTP/1."), answer[:80]
    return int(answer.split(b" ", 2)[1])


def test_health(gush):
    for method in ("GET", "POST", "PUT", "DELETE"):
        code, headers, body = gush.http(method, "/health")
        assert (code, body) == (200, b"{}") and headers["content-type"] == "application/json"
    code, _, body = gush.http("HEAD", "/health")
    assert (code, body) == (200, b"")


def test_not_found(gush):
    for path in ("/nothing", "/connection/uni_sse/", "/connection", "/health/",
                 "/%2e%2e/etc/passwd", "/connection/websocket"):
        code, headers, body = gush.http("GET", path)
        assert (code, body) == (404, b"404 page not found\n"), path
        assert headers["content-type"] == "text/plain; charset=utf-8"
        assert headers["x-content-type-options"] == "nosniff"


def test_disabled_endpoints_are_not_found(start):
    server = start({"uni_sse": {"enabled": False}, "health": {"enabled": False}})
    assert server.http("GET", "/health")[0] == 404
    assert server.http("GET", SSE)[0] == 404


def test_other_prefixes(start):
    server = start({"uni_sse": {"handler_prefix": "/x/"}, "health": {"handler_prefix": "/alive"}})
    assert server.http("GET", "/alive")[0] == 200
    with Sse(server.ports["http"], request=request_bytes({}, path="/x")):
        pass


def test_method_not_allowed(gush):
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        code, headers, body = gush.http(method, SSE)
        assert (code, body) == (405, b"") and "allow" not in headers, method


@pytest.mark.parametrize("text", ["{", "[]", "x", "5", '{"token":5}'])
def test_bad_connect_requests(gush, text):
    with Sse(gush.ports["http"], request=request_bytes(text), expect_connect=False) as web:
        assert web.status == 400 and web.body == b""


def test_stream_headers(gush):
    with Sse(gush.ports["http"]) as web:
        assert web.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert web.headers["cache-control"] == \
            "private, no-cache, no-store, must-revalidate, max-age=0"
        assert web.headers["pragma"] == "no-cache" and web.headers["x-accel-buffering"] == "no"
        assert web.headers["transfer-encoding"] == "chunked"


def test_stream_of_http_1_0_ends_with_the_connection(gush):
    request = b"GET /connection/uni_sse HTTP/1.0\r\n\r\n"
    with Sse(gush.ports["http"], request=request, expect_connect=False) as web:
        assert web.status == 200 and "transfer-encoding" not in web.headers
        assert "connect" in web.push()


def test_origins(start):
    server = start({"client": {"allowed_origins": ["http://localhost:*", "https://*.example.com"]}})
    for origin in ("http://localhost:3000", "https://a.example.com", "HTTPS://A.EXAMPLE.COM"):
        with Sse(server.ports["http"], headers=[f"Origin: {origin}"]) as web:
            assert web.headers["access-control-allow-origin"] == origin
            assert web.headers["access-control-allow-credentials"] == "true"
    for origin in ("http://evil.com", "https://example.com", "http://localhost", "null"):
        with Sse(server.ports["http"], headers=[f"Origin: {origin}"]) as web:  # served all the same
            assert "access-control-allow-origin" not in web.headers


@pytest.mark.parametrize("method, limit", [("PUT", 65536), ("PUT", 1 << 20), ("GET", 65536)])
def test_long_wishes_of_origins_are_repeated(start, method, limit):
    server = start({"client": {"allowed_origins": ["http://a"]},
                    "http_server": {"max_header_size": limit}})
    start_line = f"{method} {SSE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()
    fields = b"Origin: http://a\r\nAccess-Control-Request-Headers: "
    room = limit - len(start_line) - len(fields) - 4
    answer = exchange(server, start_line + fields + b"a" * room + b"\r\n\r\n")
    assert status(answer) == {"PUT": 405, "GET": 200}[method]
    assert b"Access-Control-Allow-Headers: " + b"a" * room + b"\r\n" in answer


def test_head_one_byte_at_a_time(gush):
    request = request_bytes({"subs": {"c": {}}})
    with socket.create_connection(("127.0.0.1", gush.ports["http"])) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(request)):
            sock.sendall(request[at:at + 1])
        sock.settimeout(10)
        answer = b""
        while b'"connect"' not in answer:
            answer += sock.recv(65536)
        assert status(answer) == 200


def test_keep_alive_and_pipelining(gush):
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = exchange(gush, request * 3)
    assert answer.count(b"HTTP/1.1 200") == 3
    answer = exchange(gush, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + request)
    assert answer.count(b"HTTP/1.1 200") == 1


def test_oversized_heads(gush):
    for head in (b"GET /" + b"x" * 2_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 2_000_000 + b"\r\n\r\n",
                 b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 300_000 + b"\r\n"):
        try:
            answer = exchange(gush, head)
        except (BrokenPipeError, ConnectionResetError):
            continue  # cut while we were still talking
        if answer:
            assert status(answer) in (400, 414, 431), answer[:100]
    assert gush.http("GET", "/health")[0] == 200


def test_chunked_request_body(gush):
    body = b"2\r\n{}\r\n0\r\n\r\n"
    head = b"POST /connection/uni_sse HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b'"connect"' in exchange(gush, head + body)
    body = b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nTrailer: x\r\n\r\n"
    assert b'"connect"' in exchange(gush, head + body)
    too_long = b"10000\r\n" + b"x" * 65536 + b"\r\n" + b"1\r\n"
    assert status(exchange(gush, head + too_long + b"x\r\n0\r\n\r\n")) == 413


def test_head_that_never_ends(start):
    server = start({"http_server": {"header_timeout": "1s"}})
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.ports["http"])) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        sock.settimeout(20)
        answer = b""
        while more := sock.recv(65536):
            answer += more
    assert time.monotonic() - began > 0.9
    assert status(answer) == 408


# ---- the access log

def access_lines(server, count, timeout_s=10):
    """The server's lines of requests that are no questions of this test, once |count| are there."""
    def lines():
        found = [line for line in server.log_lines() if line.get("message") == "http request"
                 and not line["path"].startswith("/debug")]
        return found if len(found) >= count else None
    return wait_until(lines, timeout_s, f"{count} lines of the access log")


def test_access_log(start):
    server = start({"http_server": {"access_log": True}})
    server.http("GET", "/health?secret=s3cr3t")
    server.http("POST", "/nothing", b"body", {"Authorization": "s3cr3t"})
    exchange(server, b"GET /s3cr3t\r\n\r\n")
    first, second, third = access_lines(server, 3)[:3]
    assert list(first) == ["level", "method", "status", "path", "addr", "duration", "bytes",
                           "version", "time", "message"]
    assert first["level"] == "info" and first["addr"].startswith("127.0.0.1:")
    assert first["duration"].endswith("s") and first["version"] == "HTTP/1.1"
    assert [(line["method"], line["status"], line["path"], line["bytes"])
            for line in (first, second, third)] == \
        [("GET", 200, "/health", 2), ("POST", 404, "/nothing", 19), ("", 400, "", 0)]
    assert "s3cr3t" not in server.log()


def test_access_log_of_streams(start):
    """One line when the stream ends."""
    server = start({"http_server": {"access_log": True}})
    request = request_bytes({"token": tokens.token(sub="u"), "subs": {"c": {}}})
    with Sse(server.ports["http"], request=request) as web:
        server.publish("c", b'{"a":1}')
        assert web.push()["pub"]["data"] == {"a": 1}
        assert not [line for line in server.log_lines() if line.get("path") == SSE]
    line = access_lines(server, 1)[0]
    assert (line["method"], line["status"], line["path"]) == ("GET", 200, SSE)
    assert line["bytes"] > 100
    assert "cf_connect" not in server.log()


def test_access_log_is_off_or_at_debug_level(start):
    quiet = start()
    quiet.http("GET", "/health")
    chatty = start({"log": {"level": "debug"}})
    chatty.http("GET", "/health")
    assert access_lines(chatty, 1)[0]["level"] == "debug"
    assert "http request" not in quiet.log()


@pytest.mark.parametrize("trusted", [True, False])
def test_the_address_that_a_proxy_told(start, trusted):
    server = start({"http_server": {"access_log": True,
                                    "trusted_proxies": ["127.0.0.0/8"] if trusted else []}})
    told = [("X-Forwarded-For", "192.0.2.1, 198.51.100.7, 127.0.0.9"), ("X-Real-IP", "203.0.113.5"),
            ("X-Forwarded-For", "unknown"), ("Forwarded", "for=192.0.2.9")]
    for field in told:
        server.http("GET", "/health", headers=dict([field]))
    addresses = [line["addr"] for line in access_lines(server, 4)]
    if trusted:
        assert addresses[:2] == ["198.51.100.7", "203.0.113.5"]
        addresses = addresses[2:]
    assert all(address.startswith("127.0.0.1:") for address in addresses)

"""uni_http_stream, and what it shares with uni_sse: the endpoint, not the engine behind it."""
import socket

import pytest

from push import ENDS, PATHS, PREAMBLE, Push
from server import wait_until
from tokens import token

STREAM = PATHS["uni_http_stream"]
BOTH = ["uni_sse", "uni_http_stream"]
VERSIONS = ["1.0", "1.1", "2"]
ON = {"uni_http_stream": {"enabled": True}, "uni_grpc": {"on_http_port": True}}


@pytest.fixture
def gush(start):
    return start(ON)


def responses(enabled=True, **transforms):
    table = [{"code": int(name[1:]), "to": to} for name, to in transforms.items()]
    part = {"enabled": True, "connect_code_to_http_response": {"enabled": enabled,
                                                               "transforms": table}}
    return {"uni_sse": part, "uni_http_stream": part, "uni_grpc": {"on_http_port": True}}


# ---- what is refused

@pytest.mark.parametrize("body", ["", "{", "[]", "x", "5", '{"token":5}'])
def test_bad_connect_requests(gush, body):
    code, headers, answer = gush.http("POST", STREAM, body)
    assert (code, answer) == (400, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_methods(gush, method):
    code, headers, answer = gush.http(method, STREAM)
    assert (code, answer) == (405, b"") and "allow" not in headers


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT"])
def test_methods_of_sse(gush, method):
    code, headers, answer = gush.http(method, PATHS["uni_sse"])
    assert (code, answer) == (405, b"") and "allow" not in headers


@pytest.mark.parametrize("transport", BOTH)
def test_bodies_over_the_limit(start, transport):
    server = start({name: {"enabled": True, "max_request_body_size": 100} for name in BOTH})
    with socket.create_connection(("127.0.0.1", server.ports["http"]), 10) as raw:
        raw.sendall(f"POST {PATHS[transport]} HTTP/1.1\r\nHost: h\r\n"
                    "Content-Length: 101\r\n\r\n{".encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ") and b"Connection: close" in head and body == b""
    with Push(server.ports["http"], transport, method="POST", connect={}):
        pass


def test_off_unless_enabled(start):
    assert start().http("POST", STREAM, "{}")[0] == 404


@pytest.mark.parametrize("transport", BOTH)
def test_connection_limit(start, transport):
    server = start(dict(ON, client={"connection_limit": 2}))
    port, origin = server.ports["http"], {"Origin": "http://a"}
    with Push(port, transport), Push(port, transport):
        code, headers, answer = server.http("POST", PATHS[transport], "{}", origin)
        assert (code, answer) == (503, b"") and not [h for h in headers if h.startswith("access")]
    server.wait_clients(0)
    with Push(port, transport):
        pass


def test_connection_rate_limit(start):
    """A bucket of both endpoints: bursts up to its size, then as many a second."""
    server = start(dict(ON, client={"connection_rate_limit": 3}, prometheus={"enabled": True}))
    codes = []

    def attempt():
        with Push(server.ports["http"], BOTH[len(codes) % 2], expect_connect=False) as stream:
            codes.append(stream.status)
        return codes[-1]

    for _ in range(20):
        attempt()
    assert codes[:3] == [200, 200, 200] and 503 in codes
    refused = codes.count(503)
    metrics = server.http("GET", "/metrics")[2].decode()
    assert f"centrifugo_node_client_connection_limit {refused}" in metrics
    wait_until(lambda: attempt() == 200, 5, "a token after a while")
    # Preflights are no clients.
    for _ in range(10):
        assert server.http("OPTIONS", STREAM)[0] == 204


# ---- preflight and CORS

def test_preflight(start):
    server = start(dict(ON, client={"allowed_origins": ["https://*.example.com"]}))
    asked = {"Origin": "https://a.example.com", "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type,x-mine"}
    code, headers, answer = server.http("OPTIONS", STREAM, headers=asked)
    assert (code, answer) == (204, b"")
    assert headers["access-control-allow-methods"] == "POST, OPTIONS"
    assert headers["access-control-max-age"] == "300"
    assert headers["access-control-allow-origin"] == "https://a.example.com"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-allow-headers"] == "content-type,x-mine"
    _, headers, _ = server.http("OPTIONS", STREAM, headers={"Origin": "https://b.com"})
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "by-outcome"])
def test_origins(start, transport, late):
    server = start(dict(responses(late), client={"allowed_origins": ["https://*.example.com"]}))
    port = server.ports["http"]
    good, bad = ["Origin: HTTPS://a.Example.com"], ["Origin: https://b.com"]
    with Push(port, transport, headers=good) as stream:
        assert stream.headers["access-control-allow-origin"] == "HTTPS://a.Example.com"
        assert stream.headers["access-control-allow-credentials"] == "true"
    with Push(port, transport, headers=bad) as stream:  # the browser blocks it, not we
        assert "access-control-allow-origin" not in stream.headers
    code, headers, _ = server.http("POST", PATHS[transport], "{", {"Origin": "https://a.example.com"})
    assert code == 400 and headers["access-control-allow-origin"] == "https://a.example.com"


# ---- the stream

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", BOTH)
@pytest.mark.parametrize("late", [False, True], ids=["at-once", "by-outcome"])
def test_head_and_first_bytes(start, transport, version, late):
    server = start(responses(late))
    with Push(server.ports["http"], transport, version, expect_connect=False) as stream:
        kind = "text/event-stream" if transport == "uni_sse" else "text/plain"
        assert stream.status == 200
        assert stream.headers["content-type"] == f"{kind}; charset=utf-8"
        assert stream.headers["cache-control"] == \
            "private, no-cache, no-store, must-revalidate, max-age=0"
        assert stream.headers["pragma"] == "no-cache" and stream.headers["expire"] == "0"
        assert stream.headers["x-accel-buffering"] == "no"
        assert stream.headers.get("transfer-encoding") == ("chunked" if version == "1.1" else None)
        begin = PREAMBLE[transport] + (b"data: " if transport == "uni_sse" else b"")
        body = stream.until(lambda body: body.endswith(b"}}" + ENDS[transport]))
        assert body.startswith(begin + b'{"connect":{"client":"')


@pytest.mark.parametrize("version", VERSIONS)
def test_lines(gush, version):
    with Push(gush.ports["http"], "uni_http_stream", version, {"subs": {"a": {}, "hist:a": {}}}) \
            as stream:
        assert set(stream.connect["subs"]) == {"a", "hist:a"} and stream.connect["session"]
        gush.note_channel("hist:a")
        for number in range(50):
            gush.publish(("a", "hist:a")[number % 2], b'{\n"n":%d}' % number)
        heard = {"a": [], "hist:a": []}
        for _ in range(50):
            push = stream.push()
            heard[push["channel"]].append((push["pub"]["data"]["n"], push["pub"].get("offset")))
        assert heard["a"] == [(number, None) for number in range(0, 50, 2)]
        assert heard["hist:a"] == [(number, number // 2 + 1) for number in range(1, 50, 2)]


@pytest.mark.parametrize("version", VERSIONS)
def test_pings(start, version):
    server = start(dict(ON, client={"ping_interval": "1s", "pong_timeout": "300ms"}))
    with Push(server.ports["http"], "uni_http_stream", version) as stream:
        assert stream.connect["ping"] == 1 and "pong" not in stream.connect
        assert [stream.message().data for _ in range(2)] == [b"{}", b"{}"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", BOTH)
def test_disconnect_pushes(gush, transport, version):
    with Push(gush.ports["http"], transport, version, {"token": "x"}, expect_connect=False) as bad:
        assert bad.status == 200 and bad.disconnect() == (3500, "invalid token")
    with Push(gush.ports["http"], transport, version) as stream:
        gush.api()("Disconnect", user="")
        assert stream.disconnect() == (3503, "force disconnect")


def test_null_is_the_empty_request(gush):
    with Push(gush.ports["http"], "uni_http_stream", connect="null") as stream:
        assert stream.connect["client"]
    with Push(gush.ports["http"], "uni_http_stream",
              connect='{"id":1,"connect":{"token":"x"}}') as stream:
        assert stream.connect["client"]


def test_a_large_body_fills_the_limit(gush):
    with Push(gush.ports["http"], "uni_http_stream", connect={"data": "x" * 65000}) as stream:
        assert stream.connect["client"]


def test_retry(start):
    server = start({"uni_sse": {"retry": "1500ms"}})
    with Push(server.ports["http"], expect_connect=False) as stream:
        body = stream.until(lambda body: b"data: {\"connect\"" in body)
        assert body.startswith(b"\r\nretry: 1500\n\ndata: {\"connect\"")


# ---- a failed connect as a status

EXPIRED = {"status_code": 401, "body": "token is too old"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("transport", BOTH)
def test_failed_connects_as_statuses(start, transport, version):
    server = start(responses(c109=EXPIRED, c3500={"status_code": 403},
                             c3005={"status_code": 410}))
    port = server.ports["http"]

    def failure(request):
        with Push(port, transport, version, request, expect_connect=False) as stream:
            assert stream.headers["content-type"] == "text/plain; charset=utf-8"
            return stream.status, stream.rest()

    old = token(sub="u", exp=1000)
    assert failure({"token": old}) == (401, b"token is too old")  # by the error, not by 3005
    assert failure({"token": "x"}) == (403, b"invalid token")
    assert failure({"subs": {"unknown:a": {}}}) == (500, b"Internal Server Error")
    with Push(port, transport, version, {"subs": {"a": {}}}) as stream:
        server.publish("a", b"1")
        assert stream.push()["pub"]["data"] == 1
        server.api()("Disconnect", user="")
        assert stream.disconnect() == (3503, "force disconnect")

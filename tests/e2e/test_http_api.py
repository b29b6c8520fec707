"""The server API over HTTP: the reference's answers byte for byte, then what it has none for.

The golden pairs also run against the reference, see support/reference.py.
"""
import concurrent.futures
import gzip
import http.client
import json
import re
import shutil
import socket
import subprocess

import pytest

import reference
from hear import Hear
from server import API_KEY, OPEN, REPOSITORY, wait_until

PAIRS = REPOSITORY / "tests" / "golden" / "http_api.pairs"
TYPES = {"json": "application/json", "text": "text/plain; charset=utf-8", "none": None}
BAD = b"Bad Request\n"

CONFIG = {
    "http_api": {"key": API_KEY},
    "prometheus": {"enabled": True},
    "channel": {
        "without_namespace": dict(OPEN),
        "namespaces": [
            dict(OPEN, name="hist", history_size=10, history_ttl="300s", force_recovery=True),
            dict(OPEN, name="who", presence=True, join_leave=True),
            {"name": "json", "publication_data_format": "json"},
            {"name": "any", "publication_data_format": "binary", "history_size": 10,
             "history_ttl": "300s"},
        ],
    },
}

ours_only = pytest.mark.skipif(bool(reference.BINARY), reason="of ours only")


@pytest.fixture
def serve(start):
    servers = []

    def serve_one(config=None):
        changes = dict(CONFIG, **(config or {}))
        if not reference.BINARY:
            server = start(changes)
            server.keeps_streams = True
            return server
        # Its internal port is another one.
        changes["http_api"] = dict(changes["http_api"], external=True)
        servers.append(reference.Reference(changes))
        return servers[-1].start()

    yield serve_one
    for one in servers:
        one.stop()


@pytest.fixture
def gush(serve):
    return serve()


def connect(server, name="http"):
    return http.client.HTTPConnection("127.0.0.1", server.ports[name], timeout=20)


def post(server, path, body, fields=None, key=API_KEY):
    """(status, fields, body)"""
    connection = connect(server)
    try:
        connection.request("POST", path, body, dict({"X-API-Key": key} if key else {},
                                                    **(fields or {})))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def call(server, method, **fields):
    status, _, body = post(server, f"/api/{method}", json.dumps(fields))
    assert status == 200, body
    return json.loads(body)["result"]


def kept(server, channel):
    """The data of what |channel| keeps."""
    return [p["data"] for p in call(server, "history", channel=channel, limit=-1)["publications"]]


# ---- golden pairs


def unescape(text):
    known = {"\\n": "\n", "\\r": "\r", "\\t": "\t", "\\\\": "\\"}

    def one(match):
        return known.get(match[0]) or chr(int(match[0][2:], 16))

    return re.sub(r"\\(?:x[0-9a-f]{2}|.)", one, text).encode("latin-1")


def pairs():
    for block in PAIRS.read_text().split("\n\n"):
        pair = {"fields": {}, "body": b"", "expect": b""}
        for line in block.splitlines():
            if line.startswith("#") or not line:
                continue
            word, _, rest = line.partition(" ")
            if word in ("body-c", "expect-c"):
                pair[word[:-2]] = unescape(rest)
            elif word in ("body", "expect"):
                pair[word] = rest.encode()
            elif word == "field":
                name, _, value = rest.partition(":")
                pair["fields"][name] = value.strip()
            else:
                pair[word] = rest
        if "case" in pair:
            yield pair


def test_the_answers_of_the_reference(gush):
    count, wrong = 0, []
    for pair in pairs():
        method, _, target = pair["send"].partition(" ")
        fields = dict(pair["fields"])
        if "keyless" not in pair:
            fields["X-API-Key"] = API_KEY
        connection = connect(gush)
        connection.request(method, target, pair["body"], fields)
        answer = connection.getresponse()
        body = re.sub(rb'"epoch":"[A-Za-z0-9]+"', b'"epoch":"EPOCH"', answer.read())
        got = (answer.status, answer.headers["Content-Type"], body,
               answer.headers["X-Content-Type-Options"])
        wanted = (int(pair["status"]), TYPES[pair["type"]], pair["expect"],
                  "nosniff" if pair["type"] == "text" else None)
        connection.close()
        count += 1
        if got != wanted:
            wrong.append(f"case {pair['case']}: {pair['send']} {pair['body'][:200]}\n"
                         f"  got    {got}\n  wanted {wanted}")
    assert count > 250
    assert not wrong, "\n".join(wrong[:20])


REQUEST = ('{"channel":"hist:cut","data":{"a":[1,2,null,true,"\\u0041\u00e9"]},"tags":{"a":"b"},'
           '"version":5,"delta":false,"idempotency_key":"xy"}').encode()


def test_a_request_cut_anywhere(gush):
    connection = connect(gush)
    for n in range(len(REQUEST)):
        connection.request("POST", "/api/publish", REQUEST[:n], {"X-API-Key": API_KEY})
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (400, BAD), REQUEST[:n]
    connection.request("POST", "/api/publish", REQUEST, {"X-API-Key": API_KEY})
    answer = connection.getresponse()
    assert answer.status == 200 and b'"offset":1' in answer.read()
    connection.close()


# ---- how bytes arrive


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_comes_byte_by_byte(gush, chunked):
    head = (f"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n"
            f"Connection: close\r\n")
    if chunked:
        head += "Transfer-Encoding: chunked\r\n\r\n"
        body = b"".join(b"1\r\n%c\r\n" % byte for byte in REQUEST) + b"0\r\n\r\n"
    else:
        head += f"Content-Length: {len(REQUEST)}\r\n\r\n"
        body = REQUEST
    with socket.create_connection(("127.0.0.1", gush.ports["http"]), 20) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in head.encode() + body:
            peer.send(bytes([byte]))
        answer = b""
        while piece := peer.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ") and b'{"result":{"offset":1,' in answer


def test_ten_megabytes(gush):
    data = json.dumps("x" * (10 << 20))
    status, _, body = post(gush, "/api/publish", '{"channel":"hist:big","data":' + data + "}")
    assert (status, json.loads(body)["result"]["offset"]) == (200, 1)
    status, fields, body = post(gush, "/api/history", '{"channel":"hist:big","limit":1}')
    assert status == 200 and len(body) > 10 << 20
    assert json.loads(body)["result"]["publications"][0]["data"] == json.loads(data)


@ours_only
def test_more_than_the_limit_is_413(serve):
    gush = serve({"http_api": {"key": API_KEY, "max_request_body_size": 1000}})
    for body, status in ((b" " * 998 + b"{}", 200), (b" " * 999 + b"{}", 413)):
        assert post(gush, "/api/publish", body)[0] == status
        assert post(gush, "/api/publish", iter([body]))[0] == status  # in chunks


@ours_only
def test_more_members_than_a_request_may_have_is_413(gush):
    for path, body in (("broadcast", b'{"channels":[' + b'"",' * 200001 + b'""]}'),
                       ("publish", b'{"tags":{' + b'"a":"",' * 200001 + b'"b":""}}'),
                       ("batch", b'{"commands":[' + b"{}," * 150000 + b"{}]}")):
        assert post(gush, f"/api/{path}", body)[0] == 413
    assert post(gush, "/api/publish", b'{"data":' + b"[" * 100000)[0] == 400
    nested = b'{"label_filter":' + b'{"nodes":[' * 50000 + b"]}" * 50000 + b"}"
    assert post(gush, "/api/refresh", nested)[0] == 400


def test_keep_alive_and_pipelining(gush):
    """What waits behind an answer is answered in its turn."""
    one = (f"POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n"
           "Content-Length: %d\r\n\r\n%s")
    bodies = [json.dumps({"channel": "hist:pipe", "data": i}) for i in range(50)]
    with socket.create_connection(("127.0.0.1", gush.ports["http"]), 20) as peer:
        peer.sendall("".join(one % (len(body), body) for body in bodies).encode())
        answers = b""
        while answers.count(b"HTTP/1.1 200 ") < 50 or not answers.endswith(b"}}"):
            piece = peer.recv(65536)
            assert piece, answers
            answers += piece
    assert re.findall(rb'"offset":(\d+)', answers) == [b"%d" % (i + 1) for i in range(50)]
    assert kept(gush, "hist:pipe") == list(range(40, 50))


def test_many_at_once(serve):
    """Each request is answered once, nothing is lost or mixed up."""
    gush = serve({"lanes": {"workers": 3}})

    def work(worker):
        connection = connect(gush)
        for i in range(40):
            connection.request("POST", "/api/batch", json.dumps({"parallel": i % 2 == 0, "commands": [
                {"publish": {"channel": f"hist:{worker}", "data": [worker, i]}},
                {"history": {"channel": f"hist:{worker}", "limit": 1, "reverse": True}},
                {"broadcast": {"channels": ["a", "", "b"], "data": i}}]}), {"X-API-Key": API_KEY})
            replies = json.loads(connection.getresponse().read())["replies"]
            assert replies[0]["publish"]["offset"] == i + 1
            kept_last = replies[1]["history"]["publications"]
            assert (kept_last[0]["data"][0] if kept_last else None) in \
                ((worker, None) if i % 2 == 0 else (worker,))  # side by side: in any order
            assert [list(r) for r in replies[2]["broadcast"]["responses"]] == \
                [["result"], ["error"], ["result"]]
        connection.close()

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, worker) for worker in range(8)]:
            done.result()


@ours_only
def test_who_leaves_in_the_middle(gush):
    """A whole request is done, whoever is there for the answer; half of one is not."""
    body = json.dumps({"commands": [{"publish": {"channel": "hist:gone", "data": i}}
                                    for i in range(8)]})
    head = (f"POST /api/batch HTTP/1.1\r\nHost: x\r\nX-API-Key: {API_KEY}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")
    for n in (len(body), len(body) - 1):
        with socket.create_connection(("127.0.0.1", gush.ports["http"]), 20) as peer:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.sendall((head + body[:n]).encode())
            if n == len(body):
                wait_until(lambda: len(kept(gush, "hist:gone")) == 8)
    assert len(kept(gush, "hist:gone")) == 8


# ---- where, and for whom


@ours_only
def test_prefixes_and_listeners(start):
    gush = start(dict(CONFIG, http_api={"key": API_KEY, "handler_prefix": "/deep/api//"},
                      http_server={"address": "127.0.0.1", "internal_address": "127.0.0.1",
                                   "internal_port": "0"}))
    body = b'{"channel":"a","data":1}'
    gush.ports["public"], gush.ports["http"] = gush.ports["http"], gush.ports["http_internal"]
    assert post(gush, "/deep/api/publish", body)[::2] == (200, b'{"result":{}}')
    assert post(gush, "/deep/api", b"{}")[0] == 200
    assert post(gush, "/api/publish", body)[0] == 404
    gush.ports["http"] = gush.ports["public"]
    assert post(gush, "/deep/api/publish", body)[0] == 404
    # where the end of the test looks
    gush.ports["http"] = gush.ports["http_internal"]


@pytest.mark.parametrize("api, status", [({"key": ""}, 401), ({"disabled": True}, 404),
                                         ({"insecure": True}, 200)])
def test_keys_of_the_configuration(serve, api, status):
    gush = serve({"http_api": api})
    for fields in ({}, {"X-API-Key": "x"}, {"Authorization": "apikey x"}):
        assert post(gush, "/api/publish", b'{"channel":"a","data":1}', fields, key=None)[0] == status


def test_an_error_mode_of_the_configuration(serve):
    gush = serve({"http_api": {"key": API_KEY, "error_mode": "transport"}})
    assert post(gush, "/api/publish", b"{}")[::2] == (400, b'{"code":107,"message":"bad request"}')
    assert post(gush, "/api/batch", b'{"commands":[{"publish":{}}]}')[::2] == \
        (200, b'{"replies":[{"error":{"code":107,"message":"bad request"}}]}')
    assert post(gush, "/api", b"{}")[::2] == (200, b'{"error":{"code":107,"message":"bad request"}}')


def test_it_reaches_subscribers(gush):
    with Hear("uni_sse", gush, subs=["hist:news"]) as client:
        call(gush, "publish", channel="hist:news", data={"n": 1}, tags={"k": "v"})
        push = client.push()
        assert push["channel"] == "hist:news"
        assert (push["pub"]["data"], push["pub"]["tags"]) == ({"n": 1}, {"k": "v"}), push
        assert list(call(gush, "channels")["channels"]) == ["hist:news"]


# ---- other clients, metrics


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_curl(gush):
    url = f"http://127.0.0.1:{gush.ports['http']}/api/"
    def curl(*arguments):
        return subprocess.run(["curl", "-sS", "--max-time", "20", *arguments],
                              capture_output=True, check=True).stdout

    assert curl("-H", f"X-API-Key: {API_KEY}", "-d", '{"channel":"a","data":1}',
                url + "publish") == b'{"result":{}}'
    assert curl("-H", f"Authorization: apikey {API_KEY}", "-H", "Expect: 100-continue",
                "-H", "Transfer-Encoding: chunked", "-d", '{"channel":"hist:c","data":1}',
                url + "publish").startswith(b'{"result":{"offset":1,')
    many = json.dumps({"commands": [{"publish": {"channel": "hist:c", "data": "y" * 200}}] * 100})
    packed = curl("--compressed", "-H", f"X-API-Key: {API_KEY}", "-d", many, url + "batch")
    assert len(json.loads(packed)["replies"]) == 100


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_over_http2(serve):
    gush = serve({"http_api": {"key": API_KEY, "external": True},
                  "http_server": {"address": "127.0.0.1", "h2c_external": True,
                                  "internal_address": "127.0.0.1", "internal_port": "0"}})
    url = f"http://127.0.0.1:{gush.ports['http']}/api"
    publish = '{"channel":"hist:h2","data":{"n": 1}}'
    for path, body, key, wanted in (
            # Of these the reference does not read the body, and curl is not always amused.
            *([] if reference.BINARY else [
                ("/publish", publish, "other", " 401"),
                ("/nope", "{}", API_KEY, "404 page not found\n 404")]),
            ("/publish", "{", API_KEY, "Bad Request\n 400"),
            ("/publish", publish, API_KEY, '{"result":{"offset":1,"epoch":"EPOCH"}} 200'),
            ("", '{"id":1,"params":' + publish + "}{}", API_KEY,
             '{"id":1,"result":{"offset":2,"epoch":"EPOCH"}}\n'
             '{"error":{"code":107,"message":"bad request"}} 200')):
        done = subprocess.run(
            ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "20", "-H",
             f"x-api-key: {key}", "-d", body, "-w", " %{http_code} %{http_version}", url + path],
            capture_output=True, text=True, check=True)
        assert re.sub(r'"epoch":"\w+"', '"epoch":"EPOCH"', done.stdout) == wanted + " 2"
    # where the end of the test looks
    gush.ports["http"] = gush.ports.get("http_internal", gush.ports["http"])


@ours_only
def test_long_answers_are_packed(gush):
    many = json.dumps({"commands": [{"publish": {"channel": "hist:z", "data": "y"}}] * 100})
    for fields, encoding in (({}, None), ({"Accept-Encoding": "gzip"}, "gzip"),
                             ({"Accept-Encoding": "gzip;q=0"}, None)):
        status, answer, body = post(gush, "/api/batch", many, fields)
        assert (status, answer["Content-Encoding"]) == (200, encoding)
        plain = gzip.decompress(body) if encoding else body
        assert len(json.loads(plain)["replies"]) == 100
        assert (len(body) < len(plain) / 4) == bool(encoding)
    answer = post(gush, "/api/publish", b"{}", {"Accept-Encoding": "gzip"})[1]
    assert answer["Content-Encoding"] is None


@ours_only
def test_metrics(gush):
    post(gush, "/api/publish", b'{"channel":"a","data":1}')
    post(gush, "/api/publish", b"{}")
    post(gush, "/api/publish", b"{")
    post(gush, "/api", b'{"params":{}}{}')
    post(gush, "/api/publish", b'{"channel":"any:m","b64data":"//8="}')
    post(gush, "/api/history", b'{"channel":"any:m","limit":1}')
    page = gush.http("GET", "/metrics")[2].decode()
    errors = dict(re.findall(r"^centrifugo_api_command_errors_total\{(.*)\} (\d+)$", page, re.M))
    assert errors == {'error="107",method="publish",protocol="http"': "1",
                      'error="unmarshal",method="publish",protocol="http"': "1",
                      'error="marshal",method="history",protocol="http"': "1"}
    assert re.search(r'^centrifugo_api_command_duration_seconds_histogram_count'
                     r'\{method="publish",protocol="http"\} 4$', page, re.M), page

"""httpx, aiohttp and http.client over HTTP/1.1.

    client.py LIBRARY BASE_URL API_KEY     speaks as main.go does; status 77: no such library
"""
import asyncio
import http.client
import sys
import urllib.parse

LIBRARY, BASE, KEY = sys.argv[1:]
FIELDS = {"X-API-Key": KEY}
PUBLICATION = b'{"channel":"c","data":{"from":"python"}}'
HISTORY = b'{"channel":"long","limit":-1}'
STREAM = "/connection/uni_sse?cf_connect=" + urllib.parse.quote('{"subs":{"c":{}}}')
MISSING = 77


def with_httpx():
    import httpx

    def pieces():
        yield PUBLICATION[:9]
        yield PUBLICATION[9:]

    with httpx.Client(base_url=BASE, headers=FIELDS, timeout=20) as client:
        for _ in range(3):
            answer = client.get("/health")
            assert (answer.status_code, answer.text) == (200, "{}")
            assert answer.http_version == "HTTP/1.1"
        assert client.get("/nowhere").text == "404 page not found\n"
        head = client.head("/nowhere")
        assert (head.status_code, head.content, head.headers["content-length"]) == (404, b"", "19")
        for body in (PUBLICATION, pieces()):
            answer = client.post("/api/publish", content=body)
            assert answer.status_code == 200 and "result" in answer.json()
        answer = client.post("/api/history", content=HISTORY)
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.json()["result"]["publications"]) > 10
        plain = client.post("/api/history", content=HISTORY, headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in plain.headers and plain.json() == answer.json()
        with client.stream("GET", STREAM) as stream:
            assert any('"connect"' in line for line in stream.iter_lines())


async def aio():
    import aiohttp

    async def pieces():
        yield PUBLICATION[:9]
        yield PUBLICATION[9:]

    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(BASE, headers=FIELDS, connector=connector) as session:
        for _ in range(3):
            async with session.get("/health") as answer:
                assert (answer.status, await answer.text()) == (200, "{}")
        async with session.get("/nowhere") as answer:
            assert (answer.status, await answer.text()) == (404, "404 page not found\n")
        async with session.head("/nowhere") as answer:
            assert (answer.status, answer.headers["Content-Length"]) == (404, "19")
        for body, expect in ((PUBLICATION, False), (pieces(), False), (PUBLICATION, True)):
            async with session.post("/api/publish", data=body, expect100=expect) as answer:
                assert answer.status == 200 and "result" in await answer.json()
        async with session.post("/api/history", data=HISTORY) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert len((await answer.json())["result"]["publications"]) > 10
        async with session.get(STREAM) as stream:
            async for line in stream.content:
                if b'"connect"' in line:
                    break


def with_http_client():
    """The library that every Python has; one connection for all of it."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(BASE).netloc, timeout=20)

    def ask(method, path, body=None, **how):
        connection.request(method, path, body, FIELDS, **how)
        answer = connection.getresponse()
        return answer.status, answer.read()

    for _ in range(3):
        assert ask("GET", "/health") == (200, b"{}")
    first = connection.sock
    assert ask("GET", "/nowhere") == (404, b"404 page not found\n")
    assert ask("HEAD", "/nowhere") == (404, b"")
    assert ask("POST", "/api/publish", PUBLICATION)[0] == 200
    pieces = [PUBLICATION[:9], PUBLICATION[9:]]
    assert ask("POST", "/api/publish", iter(pieces), encode_chunked=True)[0] == 200
    assert ask("POST", "/nowhere", PUBLICATION)[0] == 404
    assert ask("PUT", "/api/publish", PUBLICATION)[0] == 405
    assert connection.sock is first is not None


try:
    if LIBRARY == "httpx":
        with_httpx()
    elif LIBRARY == "aiohttp":
        asyncio.run(aio())
    else:
        with_http_client()
except ModuleNotFoundError as missing:
    print(missing, file=sys.stderr)
    sys.exit(MISSING)
print("ok")

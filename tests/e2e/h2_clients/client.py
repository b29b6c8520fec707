"""httpx over HTTP/2: GET, HEAD, POST with a body that is too large and says no length, and event
streams on one connection. Speaks as main.go does; exit status 77: no httpx, or none with HTTP/2."""
import sys

try:
    import h2.config  # noqa: F401
    import httpx
except ImportError as error:
    print(error, file=sys.stderr)
    sys.exit(77)

ca, url, streams = sys.argv[1], sys.argv[2], int(sys.argv[3])
with httpx.Client(http2=True, verify=ca, timeout=20) as client:
    response = client.get(f"{url}/nowhere")
    assert (response.http_version, response.status_code) == ("HTTP/2", 404)
    assert response.text == "404 page not found\n"
    response = client.head(f"{url}/nowhere")
    assert (response.status_code, response.content) == (404, b"")
    assert response.headers["content-length"] == "19"
    response = client.post(f"{url}/connection/uni_sse", content=(b" " * 10000 for _ in range(100)))
    assert response.status_code == 413
    opened = []
    for _ in range(streams):
        request = client.build_request("POST", f"{url}/connection/uni_sse",
                                       json={"subs": {"c": {}}})
        stream = client.send(request, stream=True)
        assert stream.status_code == 200
        lines = stream.iter_lines()
        assert any('"connect"' in line for line in lines)
        opened.append((stream, lines))
    print("ready", flush=True)
    marker, count = sys.stdin.readline().split()
    for stream, lines in opened:
        seen = 0
        while seen < int(count):
            seen += marker in next(lines)
    print("done", flush=True)
    for stream, _ in opened:
        stream.close()

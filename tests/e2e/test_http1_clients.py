"""HTTP/1.1 as clients of others speak it: curl, Python (http.client, httpx, aiohttp), Node, Go.

Each talks on one connection as long as that is possible: three health checks, a 404 to GET and HEAD,
a publication with a length, chunked, and announced by `Expect`, a long history packed with gzip, a
body that is too large, and an event stream. What is missing on this machine is skipped.
"""
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from server import API_KEY

CLIENTS = pathlib.Path(__file__).resolve().parent / "http1_clients"
TIMEOUT_S = 60
MISSING = 77


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program}")


@pytest.fixture
def gush(start):
    server = start({"http_api": {"key": API_KEY}, "channel": {"without_namespace": {
        "history_size": 100, "history_ttl": "300s",
        "allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}}})
    server.keeps_streams = True
    server.url = f"http://127.0.0.1:{server.ports['http']}"
    for number in range(100):
        server.publish("long", json.dumps({"number": number, "text": "x" * 100}).encode())
    return server


def converse(server, *command):
    done = subprocess.run([*command, server.url, API_KEY], capture_output=True, text=True,
                          timeout=TIMEOUT_S)
    if done.returncode == MISSING:
        pytest.skip(done.stderr)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr
    server.wait_clients(0)


@needs("go")
def test_go(gush, tmp_path):
    build = subprocess.run(["go", "build", "-o", tmp_path / "client", CLIENTS / "main.go"],
                           capture_output=True, text=True, timeout=120)
    assert build.returncode == 0, build.stderr
    converse(gush, tmp_path / "client")


@needs("node")
def test_node(gush):
    converse(gush, "node", CLIENTS / "client.js")


@pytest.mark.parametrize("library", ["http.client", "httpx", "aiohttp"])
def test_python(gush, library):
    converse(gush, sys.executable, "-B", CLIENTS / "client.py", library)


def curl(server, *arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], capture_output=True,
                          timeout=TIMEOUT_S)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("curl")
def test_curl(gush, tmp_path):
    publish = ["-H", f"X-API-Key: {API_KEY}", "-d", '{"channel":"c","data":1}',
               f"{gush.url}/api/publish"]
    said = curl(gush, "-w", "%{num_connects} ", "-o", "/dev/null", f"{gush.url}/health",
                "-o", "/dev/null", f"{gush.url}/nowhere", "-o", "/dev/null", f"{gush.url}/health")
    assert said == b"1 0 0 "
    assert b"\r\nContent-Length: 19\r\n" in curl(gush, "-I", f"{gush.url}/nowhere")
    assert b'"result"' in curl(gush, *publish) and b'"result"' in curl(gush, "--http1.0", *publish)
    assert b'"result"' in curl(gush, "-H", "Transfer-Encoding: chunked", *publish)
    assert b"< HTTP/1.1 100 Continue" in subprocess.run(
        ["curl", "-v", "-sS", "--max-time", "20", "-H", "Expect: 100-continue", *publish],
        capture_output=True, timeout=TIMEOUT_S).stderr
    history = ["-H", f"X-API-Key: {API_KEY}", "-d", '{"channel":"long","limit":-1}',
               f"{gush.url}/api/history"]
    plain, packed = curl(gush, *history), curl(gush, "--compressed", *history)
    assert plain == packed and len(json.loads(plain)["result"]["publications"]) == 100
    sizes = [int(curl(gush, "-o", tmp_path / "out", "-w", "%{size_download}", *how, *history))
             for how in ([], ["-H", "Accept-Encoding: gzip"], ["-H", "Accept-Encoding: gzip;q=0"])]
    assert sizes[0] == len(plain) == sizes[2] and sizes[1] < sizes[0] / 4
    (tmp_path / "large").write_bytes(b" " * (1 << 20))
    status = curl(gush, "-o", "/dev/null", "-w", "%{http_code}", "--data-binary",
                  f"@{tmp_path / 'large'}", f"{gush.url}/connection/uni_sse")
    assert status == b"413"
    assert curl(gush, "-X", "OPTIONS", "--request-target", "*", "-w", "%{http_code}",
                f"{gush.url}/") == b"200"

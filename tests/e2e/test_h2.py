"""HTTP/2 on the HTTP port, as common clients speak it: over TLS by ALPN, in clear text with prior
knowledge. What chromium does is in test_browser.py, what attackers do in h2_hostile/."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import threading

import pytest

import certs
from server import merged, sanitized

CLIENTS = pathlib.Path(__file__).parent / "h2_clients"
TIMEOUT_S = 20
STREAMS = 60
TOOLS_MISSING = 77  # an exit status
CONFIG = {"http_api": {"insecure": True}, "grpc_api": {"enabled": False},
          "uni_grpc": {"enabled": False}}
CLEAR = merged(CONFIG, {"http_server": {"h2c_external": True, "h2c_internal": True,
                                         "internal_port": "0"}})

needs_openssl = pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program} here")


@pytest.fixture
def clear(start):
    return start(CLEAR)


@pytest.fixture
def tls(start, tmp_path):
    authority = certs.Authority(tmp_path, "ours")
    cert, key = authority.issue("server", names=["localhost", "127.0.0.1"])
    server = start(merged(CONFIG, {"http_server": {
        "internal_unix_socket": str(tmp_path / "internal"),
        "tls": {"enabled": True, "cert_pem": cert.read_text(), "key_pem": key.read_text()}}}))
    server.ca = authority.pem
    server.url = f"https://localhost:{server.ports['http']}"
    return server


def curl(*arguments, version="2", **how):
    """(status, body, version that was spoken)"""
    done = subprocess.run(["curl", "-sS", "-m", str(TIMEOUT_S), "-w",
                           "\n%{http_code} %{http_version}", *map(str, arguments)],
                          capture_output=True, timeout=TIMEOUT_S + 5, **how)
    assert done.returncode == 0, done.stderr.decode()
    body, _, last = done.stdout.rpartition(b"\n")
    status, spoken = last.decode().split()
    assert spoken == version, last
    return int(status), body


def publish(server, data, count=1):
    for _ in range(count):
        status, _, body = server.internal("POST", "/api/publish",
                                          json.dumps({"channel": "c", "data": data}))
        assert status == 200 and b"error" not in body, body


# ---- curl

@needs("curl")
def test_curl_with_prior_knowledge(clear, tmp_path):
    url = f"http://127.0.0.1:{clear.ports['http']}"
    inside = f"http://127.0.0.1:{clear.ports['http_internal']}"
    h2 = "--http2-prior-knowledge"
    assert curl(h2, f"{url}/nowhere") == (404, b"404 page not found\n")
    assert curl(h2, "-X", "PUT", f"{url}/connection/uni_sse")[0] == 405
    large = tmp_path / "large"
    large.write_text(json.dumps({"channel": "c", "data": "x" * 3_000_000}))
    status, body = curl(h2, "--data-binary", f"@{large}", f"{inside}/api/publish")
    assert status == 200 and b'"result"' in body
    large.write_bytes(b" " * (17 << 20))
    assert curl(h2, "--data-binary", f"@{large}", f"{inside}/api/publish")[0] == 413
    # the same port speaks HTTP/1.1
    assert curl(f"{url}/nowhere", version="1.1")[0] == 404


@needs("curl")
@needs_openssl
def test_curl_over_tls(tls):
    refusal = b"404 page not found\n"
    assert curl("--cacert", tls.ca, f"{tls.url}/nowhere") == (404, refusal)
    assert refusal * 3 in curl("--cacert", tls.ca, "-w", "", *[f"{tls.url}/nowhere"] * 3,
                               "-w", "\n%{http_code} %{http_version}")[1].replace(b"\n404 2", b"")
    assert curl("--cacert", tls.ca, "--http1.1", f"{tls.url}/nowhere", version="1.1")[0] == 404
    head = subprocess.run(["curl", "-sSI", "--cacert", tls.ca, f"{tls.url}/nowhere"],
                          capture_output=True, timeout=TIMEOUT_S).stdout.decode().lower()
    assert head.startswith("http/2 404") and "content-length: 19" in head and "date: " in head


@needs("curl")
def test_clear_text_only_where_configured(start):
    server = start(CONFIG)
    done = subprocess.run(["curl", "-sS", "-m", "5", "--http2-prior-knowledge",
                           f"http://127.0.0.1:{server.ports['http']}/health"], capture_output=True)
    assert done.returncode != 0, done.stdout


@needs("curl")
def test_event_stream_ends_with_its_server(clear):
    url = f"http://127.0.0.1:{clear.ports['http']}/connection/uni_sse"
    with subprocess.Popen(["curl", "-sSN", "-m", str(TIMEOUT_S), "--http2-prior-knowledge", "-G",
                           "--data-urlencode", 'cf_connect={"subs":{"c":{}}}', url],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as stream:
        assert any(b'"connect"' in line for line in stream.stdout)
        publish(clear, {"n": 1})
        assert any(b'"pub"' in line for line in stream.stdout)
        clear.signal(15)
        rest = stream.stdout.read()
        assert b'"disconnect"' in rest, rest
        assert stream.wait(TIMEOUT_S) == 0, stream.stderr.read()
    clear.check_exit()
    clear.destroy()


# ---- nghttp2's own

@needs("nghttp")
def test_nghttp(clear):
    base = f"http://127.0.0.1:{clear.ports['http']}"
    done = subprocess.run(["nghttp", "-v", f"{base}/nowhere", f"{base}/other"],
                          capture_output=True, text=True, timeout=TIMEOUT_S)
    assert done.returncode == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert text.count(":status: 404") == 2 and text.count("404 page not found") == 2, text
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):250" in text


@needs("h2load")
def test_h2load(clear):
    count = 2000 if sanitized() else 20000
    done = subprocess.run(["h2load", "-n", str(count), "-c", "10", "-m", "50",
                           f"http://127.0.0.1:{clear.ports['http']}/nowhere"],
                          capture_output=True, text=True, timeout=60)
    assert f"{count} done, 0 succeeded, {count} failed, 0 errored" in done.stdout, done.stdout


# ---- libraries: each program opens many streams on one connection

def converse(server, command, **how):
    """The server publishes to the streams of |command| when it says that they are there."""
    with subprocess.Popen([*command, server.ca, server.url, str(STREAMS)], text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          **how) as client:
        guard = threading.Timer(TIMEOUT_S * 3, client.kill)
        guard.start()
        try:
            first = client.stdout.readline()
            if not first and client.wait() == TOOLS_MISSING:
                pytest.skip(client.stderr.read())
            assert first == "ready\n", client.stderr.read()
            assert server.live()["clients"] == STREAMS
            client.stdin.write("marker-of-test 20\n")
            client.stdin.flush()
            publish(server, "marker-of-test", 20)
            assert client.stdout.readline() == "done\n", client.stderr.read()
        finally:
            guard.cancel()
            client.kill()
    server.wait_clients(0)


@needs("go")
@needs_openssl
def test_go(tls, tmp_path):
    build = subprocess.run(["go", "build", "-o", tmp_path / "client", CLIENTS / "main.go"],
                           capture_output=True, text=True, timeout=120)
    assert build.returncode == 0, build.stderr
    converse(tls, [tmp_path / "client"])


@needs("node")
@needs_openssl
def test_node(tls):
    converse(tls, ["node", CLIENTS / "client.js"])


@needs_openssl
def test_httpx(tls):
    converse(tls, [sys.executable, "-B", CLIENTS / "client.py"])

"""The HTTP listeners: addresses, ports, unix sockets, TLS, PROXY headers, what is served where."""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import warnings

import pytest

import certs
from server import BASE_CONFIG, BINARY, UnixConnection, environment, merged, wait_until
from sse import Sse, request_bytes

TIMEOUT_S = 10
needs_openssl = pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")
HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
APART = {"http_server": {"internal_port": "0"}, "http_api": {"insecure": True}}


def ended(directory, config, command=(), env=None):
    """What a gush says that ends by itself with 1."""
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([BINARY, *command, "-c", path], cwd=directory, env=environment(env),
                          timeout=20, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "Sanitizer" not in said, (done.returncode, said)
    return said.replace('\\"', '"')


def on_free_ports(changes):
    base = merged(BASE_CONFIG, {"http_server": {"port": 1}, "grpc_api": {"enabled": False},
                                "uni_grpc": {"enabled": False}})
    return merged(base, changes)


def read_all(sock):
    sock.settimeout(TIMEOUT_S)
    data = b""
    try:
        while more := sock.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def exchange(port, data):
    """The answer to |data|, b"" if the server hangs up."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as sock:
            sock.sendall(data)
            return read_all(sock)
    except (BrokenPipeError, ConnectionResetError):
        return b""


def messages(server, start):
    return [line["message"] for line in server.log_lines() if line["message"].startswith(start)]


# ---- what is served where

def test_one_listener_serves_all(start):
    server = start({"http_api": {"insecure": True}, "init": {"enabled": True},
                    "prometheus": {"enabled": True}, "uni_http_stream": {"enabled": True}})
    for method, path in (("POST", "/api/info"), ("GET", "/health"), ("GET", "/connection/init"),
                         ("GET", "/metrics"), ("GET", "/debug/live")):
        assert server.http(method, path, b"{}" if method == "POST" else None)[0] == 200, path
    wait_until(lambda: messages(server, "serving"))
    assert messages(server, "serving") == [
        "serving api, prometheus, debug, health, uni_sse, uni_http_stream, init endpoints on "
        f"127.0.0.1:{server.ports['http']}",
        f"serving GRPC API service on 127.0.0.1:{server.ports['grpc_api']}",
        f"serving unidirectional GRPC on 127.0.0.1:{server.ports['uni_grpc']}"]


def test_internal_port_separates(start):
    server = start(merged(APART, {"init": {"enabled": True}, "prometheus": {"enabled": True}}))
    for method, path, external, internal in (
            ("POST", "/api/info", 404, 200), ("GET", "/health", 404, 200),
            ("GET", "/metrics", 404, 200), ("GET", "/debug/live", 404, 200),
            ("GET", "/connection/init", 200, 404),
            ("PUT", "/connection/uni_sse", 405, 404)):
        body = b"{}" if method == "POST" else None
        assert server.http(method, path, body)[0] == external, path
        assert server.internal(method, path, body)[0] == internal, path
    status, _, body = server.http("POST", "/api/publish", b"{}")
    assert (status, body) == (404, b"404 page not found\n")
    wait_until(lambda: messages(server, "serving"))
    assert messages(server, "serving")[:2] == [
        f"serving uni_sse, init endpoints on 127.0.0.1:{server.ports['http']}",
        "serving api, prometheus, debug, health endpoints on "
        f"127.0.0.1:{server.ports['http_internal']}"]


def test_external_api_is_external(start):
    server = start(merged(APART, {"http_api": {"external": True}}))
    assert server.http("POST", "/api/info", b"{}")[0] == 200
    assert server.internal("POST", "/api/info", b"{}")[0] == 404


def test_a_listener_without_handlers_is_not_opened(start):
    server = start(merged(APART, {"uni_sse": {"enabled": False}}),
                   wants={"http_internal", "grpc_api", "uni_grpc"})
    assert "http" not in server.ports
    assert server.internal("GET", "/health")[0] == 200
    assert any(line["message"].startswith("not listening") and line["listener"] == "http"
               for line in server.log_lines())
    server = start({"http_server": {"internal_port": "0"}, "http_api": {"disabled": True},
                    "health": {"enabled": False}})
    # /debug/live is still there: BASE_CONFIG enables it
    assert {"http", "http_internal"} <= set(server.ports)


def test_health_answers_any_method(gush):
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        status, headers, body = gush.http(method, "/health")
        assert (status, body, headers["Content-Type"]) == (200, b"{}", "application/json")
    assert gush.http("HEAD", "/health")[0] == 200
    assert gush.http("GET", "/health/")[0] == 404


# ---- init

def test_init(start):
    server = start({"init": {"enabled": True}, "client": {"allowed_origins": ["http://a.example"]}})
    status, headers, body = server.http("GET", "/connection/init")
    assert (status, body) == (200, b"{}")
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert "Access-Control-Allow-Origin" not in headers
    status, headers, body = server.http("GET", "/connection/init",
                                        headers={"Origin": "http://a.example"})
    assert (status, body) == (200, b"{}")
    assert headers["Access-Control-Allow-Origin"] == "http://a.example"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    status, headers, body = server.http("GET", "/connection/init",
                                        headers={"Origin": "http://b.example"})
    assert (status, body) == (200, b"{}") and "Access-Control-Allow-Origin" not in headers
    for method in ("POST", "HEAD", "OPTIONS", "PUT"):
        assert server.http(method, "/connection/init")[0] == 405, method
    assert start().http("GET", "/connection/init")[0] == 404


def test_full_node_refuses_newcomers(start):
    server = start(merged(APART, {"client": {"connection_limit": 1}, "init": {"enabled": True}}))
    with Sse(server.ports["http"], {"subs": {"c": {}}}):
        assert server.http("GET", "/connection/init")[0] == 503
        assert server.http("GET", "/connection/uni_sse?cf_connect=%7B%7D")[0] == 503
        assert server.internal("POST", "/api/info", b"{}")[0] == 200
    server.wait_clients(0)
    assert server.http("GET", "/connection/init")[0] == 200


# ---- addresses

def test_several_addresses(start):
    server = start({"http_server": {"addresses": ["127.0.0.1:0", "[::1]:0"]}})
    lines = [line for line in server.listening() if line["listener"] == "http"]
    assert [line["address"] for line in lines] == ["127.0.0.1", "127.0.0.1", "::1"]
    for line in lines:
        host = f"[{line['address']}]" if ":" in line["address"] else line["address"]
        with socket.create_connection((line["address"], line["port"]), TIMEOUT_S) as sock:
            sock.sendall(HEALTH)
            assert read_all(sock).startswith(b"HTTP/1.1 200 OK\r\n")
        wait_until(lambda: messages(server, "serving"))
        assert any(text.endswith(f" on {host}:{line['port']}")
                   for text in messages(server, "serving"))


@pytest.mark.parametrize("key", ["port", "internal_port", "addresses"])
def test_port_in_use(tmp_path, key):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        value = {"port": port, "internal_port": str(port), "addresses": [f"127.0.0.1:{port}"]}[key]
        config = on_free_ports({"http_server": {"port": 0, key: value}})
        del config["http_server"]["port" if key != "port" else "address"]
        if key == "port":
            config["http_server"]["address"] = "127.0.0.1"
        env = {} if key == "port" else {"GUSH_HTTP_SERVER_PORT": "0"}
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        done = subprocess.run([BINARY, "-c", path], env=environment(env), timeout=20,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        assert f"127.0.0.1:{port}" in done.stderr or str(port) in done.stderr
        assert "in use" in done.stderr and "Sanitizer" not in done.stderr, done.stderr


@pytest.mark.parametrize("section, words", [
    ({"addresses": ["8001"]}, ["http_server.addresses", '"8001"', "127.0.0.1:8001"]),
    ({"addresses": ["127.0.0.1:1"], "port": 1, "address": "127.0.0.1"},
     ["http_server.port", "http_server.addresses", "port 1"]),
    ({"trusted_proxies": ["10.0.0.0/33"]}, ["http_server.trusted_proxies", "10.0.0.0/33"]),
    ({"trusted_proxies": ["10.0.0.1/8"]}, ["http_server.trusted_proxies", "10.0.0.1/8"]),
    ({"unix_socket": "/" + "x" * 107}, ["http_server.unix_socket", "107"]),
    ({"unix_socket": "/a", "unix_socket_mode": "rw"}, ["http_server.unix_socket_mode", "rw"]),
    ({"internal_port": "http"}, ["http_server.internal_port", "http"]),
    ({"h2c_external": True}, ["external_h2c requires custom separate internal_port"]),
    ({"tls": {"enabled": True}}, ["http_server.tls.cert_pem", "required"]),
    ({"tls": {"enabled": True, "cert_pem": "/nowhere.pem", "key_pem": "/nowhere.key"}},
     ["http_server.tls.", "/nowhere."]),
    ({"internal_port": "9", "internal_tls": {"enabled": True, "cert_pem": "AAAA",
                                             "key_pem": "AAAA"}},
     ["http_server.internal_tls.", "AAAA"]),
    ({"tls_autocert": {"enabled": True}}, ["http_server.tls_autocert.enabled", "not supported"]),
    ({"max_header_size": 100}, ["http_server.max_header_size", "1024"]),
    ({"max_concurrent_streams": -5}, ["http_server.max_concurrent_streams", "-5"]),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else "")
def test_settings_that_cannot_work(tmp_path, section, words):
    """The server and checkconfig say the same, and name the key."""
    config = on_free_ports({"http_server": section})
    for command in ((), ("checkconfig",)):
        said = ended(tmp_path, config, command)
        for word in words:
            assert word in said, (word, said)


# ---- unix sockets

def test_unix_socket(start, tmp_path):
    path = tmp_path / "gush.sock"
    server = start({"http_server": {"unix_socket": str(path), "unix_socket_mode": "0600"},
                    "lanes": {"workers": 3}})
    assert stat.S_ISSOCK(path.stat().st_mode) and stat.S_IMODE(path.stat().st_mode) == 0o600
    for _ in range(6):  # dealt out to the loops
        assert server.answer(UnixConnection(path), "GET", "/health")[0] == 200
    if shutil.which("curl"):
        done = subprocess.run(["curl", "-s", "--unix-socket", path, "http://x/health"],
                              capture_output=True, timeout=20)
        assert done.stdout == b"{}"
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S)
        sock.connect(str(path))
        sock.sendall(request_bytes({"subs": {"c": {}}}))
        received = b""
        while b'"connect":' not in received:
            received += sock.recv(65536)
        server.publish("c", b'"hello"')
        while b'"hello"' not in received:
            received += sock.recv(65536)
    assert server.http("GET", "/health")[0] == 200
    server.stop()
    assert not path.exists(), "the file goes with the server"


def test_unix_socket_goes_with_a_start_that_fails(tmp_path):
    path = tmp_path / "gush.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = on_free_ports({"http_server": {
            "unix_socket": str(path), "internal_port": str(taken.getsockname()[1])}})
        said = ended(tmp_path, config, env={"GUSH_HTTP_SERVER_PORT": "0"})
    assert "in use" in said and str(path) in said and not path.exists()


def test_internal_unix_socket_has_it_alone(start, tmp_path):
    path = tmp_path / "internal.sock"
    server = start({"http_server": {"internal_unix_socket": str(path)},
                    "http_api": {"insecure": True}})
    assert server.http("POST", "/api/info", b"{}")[0] == 404
    assert server.http("GET", "/health")[0] == 404
    assert server.internal("POST", "/api/info", b"{}")[0] == 200
    assert server.internal("GET", "/health")[0] == 200
    assert server.internal("GET", "/connection/uni_sse")[0] == 404


def test_stale_unix_socket_is_replaced(start, tmp_path):
    path = tmp_path / "gush.sock"
    first = start({"http_server": {"unix_socket": str(path)}})
    first.process.kill()
    first.process.wait()
    first.destroy()
    assert path.exists()
    server = start({"http_server": {"unix_socket": str(path)}})
    assert server.answer(UnixConnection(path), "GET", "/health")[0] == 200


def test_unix_sockets_that_are_not_ours(start, tmp_path):
    path = tmp_path / "gush.sock"
    server = start({"http_server": {"unix_socket": str(path)}})
    config = on_free_ports({"http_server": {"unix_socket": str(path)}})
    env = {"GUSH_HTTP_SERVER_PORT": "0"}
    said = ended(tmp_path, config, env=env)
    assert str(path) in said
    assert server.answer(UnixConnection(path), "GET", "/health")[0] == 200
    for other in (tmp_path / "file", tmp_path / "missing" / "gush.sock"):
        if other.parent.exists():
            other.write_text("precious")
        config["http_server"]["unix_socket"] = str(other)
        assert str(other) in ended(tmp_path, config, env=env)
    assert (tmp_path / "file").read_text() == "precious"


# ---- TLS

@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"), "ours")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"), "strange")


@pytest.fixture(scope="module")
def pair(ca):
    return ca.issue("server")


def tls(pair, client_ca=None):
    section = {"enabled": True, "cert_pem": str(pair[0]), "key_pem": str(pair[1])}
    if client_ca is not None:
        section["client_ca_pem"] = str(client_ca.pem)
    return section


def over_tls(port, ca, data=HEALTH, own=None, alpn=None, old=False):
    """(answer, agreed protocol, the server's certificate)"""
    context = ssl.create_default_context(cafile=str(ca.pem))
    if own is not None:
        context.load_cert_chain(*own)
    if alpn:
        context.set_alpn_protocols(alpn)
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(data)
            return read_all(sock), sock.selected_alpn_protocol(), sock.getpeercert()


def is_healthy(answer):
    return answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"{}")


@needs_openssl
def test_tls(start, ca, stranger, pair):
    server = start({"http_server": {"tls": tls(pair), "internal_port": "0", "tls_external": True},
                    "health": {"enabled": True}, "init": {"enabled": True},
                    "prometheus": {"enabled": True}})
    port = server.ports["http"]
    init = HEALTH.replace(b"/health", b"/connection/init")
    answer, _, cert = over_tls(port, ca, init)
    assert is_healthy(answer) and ("commonName", "server") in cert["subject"][0]
    assert over_tls(port, ca, init, alpn=["http/1.1"])[1] == "http/1.1"
    with pytest.raises(ssl.SSLError):
        over_tls(port, stranger, init)  # the client does not trust us
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        over_tls(port, ca, init, old=True)
    assert not exchange(port, init).startswith(b"HTTP/1.1 200")  # clear text
    assert server.internal("GET", "/health")[0] == 200           # tls_external
    if shutil.which("curl"):
        done = subprocess.run(["curl", "-s", "--cacert", ca.pem,
                               f"https://localhost:{port}/connection/init"],
                              capture_output=True, timeout=20)
        assert (done.returncode, done.stdout) == (0, b"{}")
        versions = [subprocess.run(
            ["curl", "-s", flag, "--cacert", ca.pem, "-o", os.devnull, "-w", "%{http_version}",
             f"https://localhost:{port}/connection/init"], capture_output=True, text=True,
            timeout=20).stdout for flag in ("--http2", "--http1.1")]
        assert versions == ["2", "1.1"]
    page = server.internal("GET", "/metrics")[2].decode()
    counted = dict(re.findall(
        r'gush_tls_handshakes\{listener="http",result="(\w+)"\} (\d+)', page))
    assert int(counted["full"]) >= 2 and int(counted["failed"]) >= 2, page
    assert [line["tls"] for line in server.listening() if line["listener"] != "grpc_api" and
            line["listener"] != "uni_grpc"] == ["server", "off"]


@needs_openssl
def test_tls_of_one_listener(start, ca, pair):
    server = start({"http_server": {"tls": tls(pair)}, "http_api": {"insecure": True},
                    "debug": {"enabled": False}})
    assert is_healthy(over_tls(server.ports["http"], ca)[0])
    server.signal(signal.SIGTERM)
    server.check_exit()
    server.destroy()


@needs_openssl
def test_internal_listener_has_the_same_tls(start, ca, pair):
    server = start({"http_server": {"tls": tls(pair), "internal_port": "0"}})
    assert is_healthy(over_tls(server.ports["http_internal"], ca)[0])
    server.signal(signal.SIGTERM)
    server.check_exit()
    server.destroy()


@needs_openssl
def test_internal_listener_has_its_own_tls(start, ca, stranger, pair, tmp_path):
    own = stranger.issue("internal")
    path = tmp_path / "s"
    server = start({"http_server": {"tls": tls(pair), "internal_port": "0",
                                    "internal_tls": tls(own), "internal_unix_socket": str(path)}})
    answer, _, cert = over_tls(server.ports["http_internal"], stranger)
    assert is_healthy(answer) and ("commonName", "internal") in cert["subject"][0]
    with pytest.raises(ssl.SSLError):
        over_tls(server.ports["http_internal"], ca)
    init = HEALTH.replace(b"/health", b"/x")
    assert over_tls(server.ports["http"], ca, init)[0].startswith(b"HTTP/1.1 404")
    # Unix sockets speak clear text.
    assert server.answer(UnixConnection(path), "GET", "/health")[0] == 200
    server.signal(signal.SIGTERM)
    server.check_exit()
    server.destroy()


@needs_openssl
def test_mutual_tls(start, ca, stranger, pair):
    server = start({"http_server": {"tls": tls(pair, ca), "internal_port": "0",
                                    "tls_external": True}, "init": {"enabled": True}})
    port = server.ports["http"]
    init = HEALTH.replace(b"/health", b"/connection/init")
    assert is_healthy(over_tls(port, ca, init, own=ca.issue("client"))[0])
    for own in (None, stranger.issue("client"), ca.issue("old", days=-1)):
        try:
            answer = over_tls(port, ca, init, own=own)[0]
        except (ssl.SSLError, ConnectionResetError, BrokenPipeError):
            answer = b""
        assert answer == b""
    assert server.listening()[0]["tls"] == "mutual"


@needs_openssl
def test_stream_over_tls(start, ca, pair):
    server = start({"http_server": {"tls": tls(pair), "internal_port": "0", "tls_external": True}})
    context = ssl.create_default_context(cafile=str(ca.pem))
    plain = socket.create_connection(("127.0.0.1", server.ports["http"]), TIMEOUT_S)
    with context.wrap_socket(plain, server_hostname="localhost") as sock:
        sock.sendall(request_bytes({"subs": {"c": {}}}))
        received = b""
        while b'"connect":' not in received:
            received += sock.recv(65536)
        for i in range(50):
            server.publish("c", b'{"n":%d,"fill":"%s"}' % (i, b"x" * 1000))
        while b'"n":49' not in received:
            received += sock.recv(65536)
        assert [int(n) for n in re.findall(rb'"n":(\d+)', received)] == list(range(50))


@needs_openssl
def test_certificates_that_do_not_fit(tmp_path, ca, stranger, pair):
    for wrong, key, why in (((pair[0], stranger.issue("x")[1]), "key_pem", "not the key"),
                            (certs.weak_pair(tmp_path), "cert_pem", "too small")):
        config = on_free_ports({"http_server": {"tls": tls(wrong)}})
        for command in ((), ("checkconfig",)):
            said = ended(tmp_path, config, command)
            assert f"http_server.tls.{key}" in said and why in said, said


# ---- proxies in front

def v2(command, family, addresses):
    return (b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20 | command, family]) +
            struct.pack("!H", len(addresses)) + addresses)


V1 = b"PROXY TCP4 192.0.2.7 192.0.2.1 5555 80\r\n"
V1_6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 80\r\n"
V2 = v2(1, 0x11, bytes([192, 0, 2, 8, 192, 0, 2, 1]) + struct.pack("!HH", 5556, 80))
V2_LOCAL = v2(0, 0, b"")


def requests_logged(server):
    return [line["addr"] for line in server.log_lines() if line["message"] == "http request"]


def logged(server, count):
    """The addresses of the first |count| requests."""
    wait_until(lambda: len(requests_logged(server)) >= count)
    return requests_logged(server)[:count]


def test_proxy_protocol(start):
    server = start({"http_server": {"proxy_protocol": True, "internal_port": "0",
                                    "access_log": True}, "init": {"enabled": True}})
    port = server.ports["http"]
    init = HEALTH.replace(b"/health", b"/connection/init")
    for header in (V1, V2, V1_6, V2_LOCAL):
        assert is_healthy(exchange(port, header + init)), header
    addresses = logged(server, 4)
    assert addresses[:3] == ["192.0.2.7:5555", "192.0.2.8:5556", "[2001:db8::7]:5555"]
    assert addresses[3].startswith("127.0.0.1:")
    for wrong in (init, b"PROXY TCP4 192.0.2.7\r\n" + init, b"PROXY TCP5 a b c d\r\n" + init,
                  b"PROXY " + b"x" * 200 + b"\r\n" + init, V2[:12] + b"\xff" + V2[13:] + init):
        assert exchange(port, wrong) == b"", wrong
    assert server.internal("GET", "/health")[0] == 200  # has its own key


def test_proxy_protocol_on_a_unix_socket(start, tmp_path):
    path = tmp_path / "s"
    server = start({"http_server": {"proxy_protocol": True, "internal_port": "0",
                                    "access_log": True, "unix_socket": str(path)},
                    "init": {"enabled": True}})
    for header, healthy in ((V1, True), (b"", False)):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(TIMEOUT_S)
            sock.connect(str(path))
            sock.sendall(header + HEALTH.replace(b"/health", b"/connection/init"))
            assert is_healthy(read_all(sock)) == healthy
    assert logged(server, 1) == ["192.0.2.7:5555"]


@needs_openssl
def test_proxy_protocol_before_tls(start, ca, pair):
    server = start({"http_server": {"proxy_protocol": True, "internal_port": "0", "tls": tls(pair),
                                    "tls_external": True, "access_log": True},
                    "init": {"enabled": True}})
    context = ssl.create_default_context(cafile=str(ca.pem))
    with socket.create_connection(("127.0.0.1", server.ports["http"]), TIMEOUT_S) as plain:
        plain.sendall(V2)
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(HEALTH.replace(b"/health", b"/connection/init"))
            assert is_healthy(read_all(sock))
    assert logged(server, 1) == ["192.0.2.8:5556"]
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        over_tls(server.ports["http"], ca)


def test_internal_proxy_protocol(start):
    server = start({"http_server": {"internal_proxy_protocol": True, "internal_port": "0"}})
    port = server.ports["http_internal"]
    assert is_healthy(exchange(port, V2 + HEALTH))
    assert exchange(port, HEALTH) == b""
    assert server.http("GET", "/x")[0] == 404
    server.signal(signal.SIGTERM)
    server.check_exit()
    server.destroy()


def test_forwarded_addresses_are_believed_from_trusted_proxies(start, tmp_path):
    path = tmp_path / "s"
    server = start({"http_server": {"trusted_proxies": ["127.0.0.1", "10.0.0.0/8", "unix"],
                                    "access_log": True, "unix_socket": str(path)}})
    for headers in ({"X-Forwarded-For": "192.0.2.7"},
                    {"X-Forwarded-For": "203.0.113.9, 192.0.2.8, 10.1.2.3"},
                    {"X-Real-IP": "192.0.2.9"}, {}):
        assert server.http("GET", "/health", headers=headers)[0] == 200
    assert server.answer(UnixConnection(path), "GET", "/health",
                         headers={"X-Forwarded-For": "192.0.2.10"})[0] == 200
    addresses = logged(server, 5)
    assert addresses[:3] == ["192.0.2.7", "192.0.2.8", "192.0.2.9"]
    assert addresses[3].startswith("127.0.0.1:") and addresses[4] == "192.0.2.10"


def test_forwarded_addresses_are_not_believed_from_others(start):
    server = start({"http_server": {"trusted_proxies": ["10.0.0.0/8"], "access_log": True}})
    for headers in ({"X-Forwarded-For": "192.0.2.7"}, {"X-Real-IP": "192.0.2.9"}):
        assert server.http("GET", "/health", headers=headers)[0] == 200
    assert all(address.startswith("127.0.0.1:") for address in logged(server, 2))


def test_access_log_is_for_debug_or_when_asked(start):
    quiet = start()
    assert quiet.http("GET", "/health")[0] == 200
    loud = start({"log": {"level": "debug"}})
    assert loud.http("GET", "/health?token=secret")[0] == 200
    assert loud.http("POST", "/nowhere")[0] == 404
    logged(loud, 2)
    lines = [line for line in loud.log_lines() if line["message"] == "http request"]
    assert [(line["level"], line["method"], line["path"], line["status"]) for line in lines[:2]] == [
        ("debug", "GET", "/health", 200), ("debug", "POST", "/nowhere", 404)]
    assert "secret" not in loud.log()
    assert requests_logged(quiet) == []


# ---- HTTP/2 in clear text

@pytest.mark.skipif(not shutil.which("curl"), reason="no curl here")
@pytest.mark.parametrize("config, external, internal", [
    ({}, False, False),
    ({"http_server": {"h2c_external": True}}, True, False),
    ({"http_server": {"h2c_internal": True}}, False, True),
    ({"uni_grpc": {"on_http_port": True}}, True, False),
    ({"grpc_api": {"on_http_port": True}}, False, True),
    ({"grpc_api": {"on_http_port": True}, "http_api": {"external": True}}, True, False),
], ids=["none", "external", "internal", "uni", "api", "external api"])
def test_http2_in_clear_text(start, config, external, internal):
    server = start(merged(merged(APART, {"prometheus": {"enabled": True}}), config))

    def speaks(port):
        done = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-o", os.devnull, "-w",
                               "%{http_version} %{http_code}", f"http://127.0.0.1:{port}/x"],
                              capture_output=True, text=True, timeout=20)
        return done.stdout == "2 404"

    wait_until(lambda: messages(server, "serving"))
    for name, expected in (("http", external), ("http_internal", internal)):
        port = server.ports[name]
        assert speaks(port) == expected, name
        told = [text for text in messages(server, "serving") if f":{port}" in text]
        assert told[0].endswith(" with HTTP/2 cleartext") == expected
        assert server.http("GET", "/x", port=port)[0] == 404  # HTTP/1.1 as ever
    page = server.internal("GET", "/metrics")[2].decode()
    for name, expected in (("http", external), ("http_internal", internal)):
        line = f'gush_http_connections{{listener="{name}",version="2"}} 1'
        assert (line in page) == expected
        assert f'gush_http_connections{{listener="{name}",version="1"}}' in page


# ---- limits

def test_connection_limit(start):
    server = start({"http_server": {"connection_limit": 3, "internal_port": "0"},
                    "prometheus": {"enabled": True}})
    port = server.ports["http"]
    streams = [Sse(port, {"subs": {"c": {}}}) for _ in range(3)]
    assert exchange(port, HEALTH) == b""
    assert server.internal("GET", "/health")[0] == 200
    page = server.internal("GET", "/metrics")[2].decode()
    assert 'gush_gate_refused{listener="http",reason="limit"} 1' in page
    assert 'gush_gate_open{listener="http"} 3' in page
    streams.pop().close()
    wait_until(lambda: exchange(port, HEALTH).startswith(b"HTTP/1.1 404"))
    for stream in streams:
        stream.close()


def test_connection_limit_per_address(start):
    server = start({"http_server": {"connection_limit_per_address": 2, "internal_port": "0",
                                    "address": "127.0.0.1"}, "prometheus": {"enabled": True}})
    port = server.ports["http"]
    streams = [Sse(port, {"subs": {"c": {}}}) for _ in range(2)]
    assert exchange(port, HEALTH) == b""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S,
                                  source_address=("127.0.0.2", 0)) as sock:
        sock.sendall(HEALTH)
        assert read_all(sock).startswith(b"HTTP/1.1 404")
    page = server.internal("GET", "/metrics")[2].decode()
    assert 'gush_gate_refused{listener="http",reason="address_limit"} 1' in page
    for stream in streams:
        stream.close()


def test_rate_limit(start):
    server = start({"client": {"connection_rate_limit": 3}, "init": {"enabled": True}})
    statuses = [server.http("GET", "/connection/init")[0] for _ in range(10)]
    assert statuses[:3] == [200, 200, 200] and 503 in statuses
    wait_until(lambda: server.http("GET", "/connection/init")[0] == 200)


def test_head_limit(start):
    server = start({"http_server": {"max_header_size": 2048}})
    long = {"X-Long": "x" * 3000}
    assert server.http("GET", "/health", headers=long)[0] == 431
    assert server.http("GET", "/health", headers={"X-Long": "x" * 1000})[0] == 200
    assert start().http("GET", "/health", headers=long)[0] == 200


def test_slow_heads_and_idle_connections(start):
    server = start({"http_server": {"header_timeout": "300ms", "idle_timeout": "300ms",
                                    "body_timeout": "300ms"}, "http_api": {"insecure": True}})
    port = server.ports["http"]
    assert exchange(port, b"GET /health HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408")
    assert exchange(port, b"") == b""  # says nothing at all
    kept = HEALTH.replace(b"Connection: close\r\n", b"")
    assert exchange(port, kept).endswith(b"{}")  # ends although nobody asked for it
    slow = b"POST /api/info HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"
    assert exchange(port, slow).startswith(b"HTTP/1.1 408")

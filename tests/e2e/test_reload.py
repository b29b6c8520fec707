"""SIGHUP: certificates are renewed, the configuration is checked, nobody is dropped."""
import json
import shutil
import signal
import socket
import ssl
import subprocess

import pytest

import certs
from consume import Consume
from server import BINARY, environment, merged, wait_until
from sse import Sse, request_bytes

needs_openssl = pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")
TIMEOUT_S = 10
OK = "configuration successfully reloaded"
KEPT = "configuration not reloaded, the old one stays"
WAITS = "changed in the configuration, takes effect after a restart"
METRICS = {"prometheus": {"enabled": True}}


def lines(server, message):
    return [line for line in server.log_lines() if line["message"] == message]


def reload(server, message=OK):
    """Sends SIGHUP; returns the line that it leads to."""
    before = len(lines(server, OK)), len(lines(server, KEPT))
    server.signal(signal.SIGHUP)
    wait_until(lambda: (len(lines(server, OK)), len(lines(server, KEPT))) != before)
    after = lines(server, message)
    assert len(after) == before[message == KEPT] + 1, server.log()
    return after[-1]


def rewrite(server, changes):
    server.config = merged(server.config, changes)
    server.config_path.write_text(json.dumps(server.config, indent=1))


def reloads(server):
    page = server.internal("GET", "/metrics")[2].decode()
    return {result: sum(int(line.rsplit(" ", 1)[1]) for line in page.splitlines()
                        if line.startswith(f'gush_config_reloads{{result="{result}"}}'))
            for result in ("ok", "failed")}


def test_nothing_changed(start):
    server = start(METRICS)
    with Sse(server.ports["http"], {"subs": {"c": {}}}) as web, Consume(server, ["c"]) as rpc:
        assert reload(server)["wait_for_restart"] == 0
        assert lines(server, WAITS) == []
        server.publish("c", b'"still here"')
        assert web.push()["pub"]["data"] == "still here"
        assert rpc.pub().data == b'"still here"'
    assert reloads(server) == {"ok": 1, "failed": 0}


def test_changes_are_told_by_key(start):
    server = start()
    rewrite(server, {"client": {"channel_limit": 7, "token": {"hmac_secret_key": "another secret"}},
                     "channel": {"namespaces": [{"name": "new"}]}})
    assert reload(server)["wait_for_restart"] == 3
    assert {line["key"] for line in lines(server, WAITS)} == {
        "client.channel_limit", "client.token.hmac_secret_key", "channel.namespaces"}
    assert "another secret" not in server.log()


@pytest.mark.parametrize("text, word", [
    ("{\n \"client\": {\n  \"insecure\": tru\n }\n}\n", "3"),
    ("{\"client\": {\"ping_interval\": \"soon\"}}", "client.ping_interval"),
    ("{\"client\": {\"pong_timeout\": \"1h\"}}", "ping_interval must be greater than pong_timeout"),
    ("{\"grpc_api\": {\"tls\": {\"enabled\": true, \"cert_pem\": \"/no\", \"key_pem\": \"/no\"}}}",
     "grpc_api.tls"),
    ("", "config.json"),
    (None, "config.json"),
], ids=["syntax", "value", "rule", "certificate", "empty", "missing"])
def test_broken_files_change_nothing(start, text, word):
    server = start(METRICS)
    with Sse(server.ports["http"], {"subs": {"c": {}}}) as web:
        if text is None:
            server.config_path.unlink()
        else:
            server.config_path.write_text(text)
        line = reload(server, KEPT)
        assert line["level"] == "error" and word in line["error"], line
        server.publish("c", b"1")
        assert web.push()["pub"]["data"] == 1
        with Sse(server.ports["http"], {"subs": {"c": {}}}):  # newcomers come as before
            pass
    assert reloads(server) == {"ok": 0, "failed": 1}
    rewrite(server, {})
    reload(server)
    assert reloads(server) == {"ok": 1, "failed": 1}


def test_no_file_at_all(start, tmp_path):
    """Who started without a file is reloaded without one; the environment cannot change."""
    server = start()
    server.process.terminate()
    server.process.wait()
    server.config_path.unlink()
    env = {"GUSH_HTTP_SERVER_ADDRESS": "127.0.0.1", "GUSH_HTTP_SERVER_PORT": "0"}
    with open(server.log_path, "wb") as log:
        server.process = subprocess.Popen([BINARY], cwd=server.directory, env=environment(env),
                                          stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(server.listening)
    wait_until(lambda: any(line["message"].startswith("serving") for line in server.log_lines()))
    assert reload(server)["wait_for_restart"] == 0
    server.signal(signal.SIGTERM)
    server.check_exit()
    server.destroy()


def test_many_signals(start):
    server = start()
    streams = [Sse(server.ports["http"], {"subs": {"c": {}}}) for _ in range(5)]
    for at in range(40):
        server.signal(signal.SIGHUP)
        server.publish("c", b"%d" % at)
    for stream in streams:
        assert [stream.push()["pub"]["data"] for _ in range(40)] == list(range(40))
        stream.close()
    wait_until(lambda: lines(server, OK))  # signals that wait are one


# ---- certificates

@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return certs.Authority(tmp_path_factory.mktemp("ca"), "ours")


def shown(port, ca, own=None):
    """The name in the certificate that |port| shows."""
    context = ssl.create_default_context(cafile=str(ca.pem))
    if own:
        context.load_cert_chain(*own)
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as sock:
            return dict(pair[0] for pair in sock.getpeercert()["subject"])["commonName"]


def put(pair, directory):
    """As a renewal does it: both files are replaced, each at once."""
    for path, name in zip(pair, ("cert.pem", "key.pem")):
        fresh = directory / f"{name}.new"
        shutil.copy(path, fresh)
        fresh.rename(directory / name)


class Stream:
    """An SSE stream over TLS."""

    def __init__(self, port, ca, own=None):
        context = ssl.create_default_context(cafile=str(ca.pem))
        if own:
            context.load_cert_chain(*own)
        plain = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.socket.sendall(request_bytes({"subs": {"c": {}}}))
        self.received = b""
        self.wait(b'"connect":')

    def wait(self, what):
        while what not in self.received:
            more = self.socket.recv(65536)
            assert more, self.received
            self.received += more


@needs_openssl
def test_renewed_certificates_are_shown_at_once(start, ca, tmp_path):
    put(ca.issue("first"), tmp_path)
    tls = {"enabled": True, "cert_pem": str(tmp_path / "cert.pem"),
           "key_pem": str(tmp_path / "key.pem")}
    server = start({"http_server": {"tls": tls, "internal_port": "0", "tls_external": True},
                    "uni_grpc": {"tls": tls}, "prometheus": {"enabled": True}})
    port = server.ports["http"]
    stream = Stream(port, ca)
    for name in ("second", "third"):
        put(ca.issue(name), tmp_path)
        reload(server)
        assert shown(port, ca) == name
        assert shown(server.ports["uni_grpc"], ca) == name
    server.publish("c", b'"all along"')
    stream.wait(b'"all along"')
    stream.socket.close()


@needs_openssl
def test_broken_certificates_are_not_taken(start, ca, tmp_path):
    put(ca.issue("good"), tmp_path)
    server = start({"http_server": {"tls": {
        "enabled": True, "cert_pem": str(tmp_path / "cert.pem"),
        "key_pem": str(tmp_path / "key.pem")}, "internal_port": "0", "tls_external": True},
        "prometheus": {"enabled": True}})
    port = server.ports["http"]
    stream = Stream(port, ca)
    other = ca.issue("other")
    good = (tmp_path / "cert.pem").read_bytes(), (tmp_path / "key.pem").read_bytes()
    weak = [path.read_bytes() for path in certs.weak_pair(tmp_path)]
    for cert, key in ((b"garbage", good[1]), (b"", b""), (good[0], other[1].read_bytes()), weak):
        (tmp_path / "cert.pem").write_bytes(cert)
        (tmp_path / "key.pem").write_bytes(key)
        line = reload(server, KEPT)
        assert "http_server.tls" in line["error"]
        assert shown(port, ca) == "good"
    server.publish("c", b'"all along"')
    stream.wait(b'"all along"')
    stream.socket.close()
    put(other, tmp_path)
    reload(server)
    assert shown(port, ca) == "other"
    assert reloads(server) == {"ok": 1, "failed": 4}


@needs_openssl
def test_new_authority_for_clients(start, ca, tmp_path):
    """A CA that is replaced: the old one's clients stay, and no more of them come."""
    strange = certs.Authority(tmp_path / "strange-ca", "strange")
    put(ca.issue("server"), tmp_path)
    shutil.copy(ca.pem, tmp_path / "clients.pem")
    server = start({"http_server": {"tls": {
        "enabled": True, "cert_pem": str(tmp_path / "cert.pem"),
        "key_pem": str(tmp_path / "key.pem"), "client_ca_pem": str(tmp_path / "clients.pem")},
        "internal_port": "0", "tls_external": True}})
    port = server.ports["http"]
    ours, theirs = ca.issue("client"), strange.issue("client")
    stream = Stream(port, ca, ours)
    shutil.copy(strange.pem, tmp_path / "clients.new")
    (tmp_path / "clients.new").rename(tmp_path / "clients.pem")
    reload(server)
    with pytest.raises((ssl.SSLError, ConnectionResetError, AssertionError)):
        Stream(port, ca, ours)
    newcomer = Stream(port, ca, theirs)
    server.publish("c", b'"both"')
    stream.wait(b'"both"')
    newcomer.wait(b'"both"')
    stream.socket.close()
    newcomer.socket.close()

"""TLS and mutual TLS on both gRPC ports, as real clients and openssl see it."""
import base64
import json
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess

import grpc
import pytest

import certs
import h2
from consume import METHOD
from server import API_KEY, BASE_CONFIG, BINARY, PROTO, SANITIZER_SPEAKS, Server, environment, merged
from server import wait_until

pytestmark = pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")

TIMEOUT_S = 10


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


def both(section):
    return {"grpc_api": {"tls": section}, "uni_grpc": {"tls": section}}


class Client:
    """A channel to |listener|, checked with |ca|, perhaps with a certificate of one's own."""

    def __init__(self, server, listener, ca, own=None):
        credentials = grpc.ssl_channel_credentials(
            ca.pem.read_bytes(), own and own[1].read_bytes(), own and own[0].read_bytes())
        self.channel = grpc.secure_channel(
            f"localhost:{server.ports[listener]}", credentials,
            options=[("grpc.use_local_subchannel_pool", 1)])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()

    def info(self, key=API_KEY):
        stub = PROTO.api_rpc.CentrifugoApiStub(self.channel)
        return stub.Info(PROTO.api.InfoRequest(), timeout=TIMEOUT_S,
                         metadata=[("authorization", f"apikey {key}")])

    def publish(self, channel, data):
        stub = PROTO.api_rpc.CentrifugoApiStub(self.channel)
        stub.Publish(PROTO.api.PublishRequest(channel=channel, data=data), timeout=TIMEOUT_S,
                     metadata=[("authorization", f"apikey {API_KEY}")])

    def consume(self, channel):
        request = PROTO.uni.ConnectRequest(subs={channel: PROTO.uni.SubscribeRequest()})
        return self.channel.unary_stream(METHOD, PROTO.uni.ConnectRequest.SerializeToString,
                                         PROTO.uni.Push.FromString)(request)


def test_pushes_over_tls(start, ca, pair):
    server = start(both(tls(pair)))
    with Client(server, "grpc_api", ca) as api, Client(server, "uni_grpc", ca) as uni:
        stream = uni.consume("news")
        assert next(stream).HasField("connect")
        api.publish("news", b'{"a":1}')
        assert next(stream).pub.data == b'{"a":1}'
        stream.cancel()


def test_key_by_metadata_over_tls(start, ca, pair):
    server = start(both(tls(pair)))
    with Client(server, "grpc_api", ca) as api:
        with pytest.raises(grpc.RpcError) as refused:
            api.info(key="another")
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert api.info().HasField("result")


def test_one_port_in_clear_text_the_other_not(start, ca, pair):
    server = start({"grpc_api": {"tls": tls(pair)}})
    with Client(server, "grpc_api", ca) as api:
        assert api.info().HasField("result")
    with socket.create_connection(("127.0.0.1", server.ports["uni_grpc"]), TIMEOUT_S) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")  # how TLS begins
        assert ended(plain)


def ended(sock):
    """Whether the other side closes without a word."""
    sock.settimeout(TIMEOUT_S)
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_client_without_certificate_is_refused(start, ca, stranger, pair):
    server = start(both(tls(pair, client_ca=ca)))
    for listener in ("grpc_api", "uni_grpc"):
        for own in (None, stranger.issue(f"client-{listener}")):
            with Client(server, listener, ca, own) as client:
                with pytest.raises(grpc.RpcError) as refused:
                    client.info()
                assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    with Client(server, "grpc_api", ca, ca.issue("client")) as client:
        assert client.info().HasField("result")


def test_client_that_does_not_know_our_ca_stays_away(start, stranger, pair):
    server = start(both(tls(pair)))
    with Client(server, "grpc_api", stranger) as client:
        with pytest.raises(grpc.RpcError) as refused:
            client.info()
        assert refused.value.code() == grpc.StatusCode.UNAVAILABLE


def s_client(port, *arguments):
    """What `openssl s_client` says, after its input has ended."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *map(str, arguments)],
        input=b"", capture_output=True, timeout=30)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


@pytest.mark.parametrize("version, good", [("-tls1", False), ("-tls1_1", False),
                                           ("-tls1_2", True), ("-tls1_3", True)])
def test_versions(start, ca, pair, version, good):
    server = start(both(tls(pair)))
    for listener in ("grpc_api", "uni_grpc"):
        # At security level 0 the tool itself would speak the old ones.
        code, said = s_client(server.ports[listener], version, "-cipher", "ALL:@SECLEVEL=0",
                              "-alpn", "h2", "-CAfile", ca.pem)
        assert ("Verify return code: 0 (ok)" in said and code == 0) == good, said
        # Asked for, and not given up by the tool itself.
        assert int(re.search(r"written (\d+) bytes", said).group(1)) > 0, said
        assert not good or "ALPN protocol: h2" in said, said


def test_alpn_is_h2_or_nothing(start, pair):
    server = start(both(tls(pair)))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    with socket.create_connection(("127.0.0.1", server.ports["grpc_api"]), TIMEOUT_S) as sock:
        try:
            with context.wrap_socket(sock) as wrapped:
                assert wrapped.selected_alpn_protocol() is None
                assert ended(wrapped)
        except (ssl.SSLError, ConnectionResetError):
            pass  # refused within the handshake


@pytest.mark.parametrize("shape", ["pem", "base64", "base64 in lines", "path"])
def test_three_ways_to_give_a_value(start, ca, pair, shape):
    def value(path):
        if shape == "path":
            return str(path)
        if shape == "pem":
            return path.read_text()
        packed = base64.b64encode(path.read_bytes()).decode()
        return "\n".join(packed[at:at + 76] for at in range(0, len(packed), 76)) \
            if shape == "base64 in lines" else packed

    section = {"enabled": True, "cert_pem": value(pair[0]), "key_pem": value(pair[1]),
               "client_ca_pem": value(ca.pem)}
    server = start({"grpc_api": {"tls": section}})
    with Client(server, "grpc_api", ca, ca.issue("client-" + shape.replace(" ", "-"))) as client:
        assert client.info().HasField("result")


# ---- what is wrong is said before anything is served

def refused(directory, section, *arguments):
    config = merged(BASE_CONFIG, {"grpc_api": {"tls": dict({"enabled": True}, **section)}})
    path = directory / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run([BINARY, *arguments, "-c", path], timeout=30, capture_output=True,
                          text=True, cwd=directory, stdin=subprocess.DEVNULL, env=environment(
                              {"GUSH_HTTP_SERVER_PORT": "0", "GUSH_GRPC_API_PORT": "0",
                               "GUSH_UNI_GRPC_PORT": "0"}))
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Sanitizer" not in said and "BEGIN" not in said, said
    return said


@pytest.mark.parametrize("command", [[], ["checkconfig"]], ids=["start", "checkconfig"])
def test_what_cannot_be_used_is_named(tmp_path, ca, pair, command):
    other = ca.new_key("other")
    garbage = tmp_path / "garbage"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    locked = tmp_path / "locked.key"
    certs.openssl("pkcs8", "-topk8", "-in", pair[1], "-passout", "pass:x", "-out", locked)
    good = {"cert_pem": str(pair[0]), "key_pem": str(pair[1])}
    cases = [
        ({"cert_pem": ""}, "grpc_api.tls.cert_pem", "is required"),
        ({"key_pem": ""}, "grpc_api.tls.key_pem", "is required"),
        ({"cert_pem": "/nowhere/cert.pem"}, "grpc_api.tls.cert_pem", "/nowhere/cert.pem"),
        ({"cert_pem": str(tmp_path)}, "grpc_api.tls.cert_pem", "is not a file"),
        ({"cert_pem": str(garbage)}, "grpc_api.tls.cert_pem", "broken"),
        ({"cert_pem": str(pair[1])}, "grpc_api.tls.cert_pem", "no PEM certificate"),
        ({"key_pem": str(pair[0])}, "grpc_api.tls.key_pem", "no PEM private key"),
        ({"key_pem": str(locked)}, "grpc_api.tls.key_pem", "encrypted"),
        ({"key_pem": str(other)}, "grpc_api.tls.key_pem", "not the key of the certificate"),
        ({"client_ca_pem": str(garbage)}, "grpc_api.tls.client_ca_pem", "broken"),
        ({"client_ca_pem": "bm90IFBFTQ=="}, "grpc_api.tls.client_ca_pem", "neither PEM"),
    ]
    for change, key, words in cases:
        said = refused(tmp_path, dict(good, **change), *command)
        assert key in said and words in said, (change, said)


@pytest.mark.parametrize("taken", ["grpc_api", "uni_grpc"])
def test_port_in_use_is_a_message(pair, taken):
    """Also when it is the second port, and the first one is open already."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        one = Server(both(tls(pair)), env={f"GUSH_{taken.upper()}_PORT": str(port)})
        with pytest.raises(AssertionError, match="already in use by another process"):
            one.start()
        assert one.process.returncode == 1, one.log()
        assert not SANITIZER_SPEAKS.search(one.log()), one.log()
        one.destroy()


def test_expired_certificate_is_warned_about_and_served(start, ca):
    server = start({"grpc_api": {"tls": tls(ca.issue("expired", days=-1))}})
    warned = [line for line in server.log_lines() if "has expired" in line["message"]]
    assert [line["key"] for line in warned] == ["grpc_api.tls.cert_pem"]
    assert any("no connection limits" in line["message"] for line in server.log_lines())


# ---- files that change

def serial(port):
    """Of the certificate that a new handshake shows."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as sock:
        with context.wrap_socket(sock) as wrapped:
            return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(True))


def put(directory, pair):
    for path, name in zip(pair, ("cert.pem", "key.pem")):
        shutil.copy(path, directory / (name + ".new"))
        (directory / (name + ".new")).replace(directory / name)


def test_renewed_certificate_is_shown_without_restart(start, ca, tmp_path):
    first, second = ca.issue("first"), ca.issue("second")
    put(tmp_path, first)
    server = start({"uni_grpc": {"tls": tls((tmp_path / "cert.pem", tmp_path / "key.pem"))}})
    port = server.ports["uni_grpc"]
    with Client(server, "uni_grpc", ca) as uni:
        stream = uni.consume("news")
        assert next(stream).HasField("connect")
        assert serial(port) == first[0].read_text()
        # Broken: the old one stays, and it is said once.
        (tmp_path / "cert.pem").write_text("nothing of the kind")
        wait_until(lambda: serial(port) and complaints(server), what="a complaint")
        for _ in range(5):
            assert serial(port) == first[0].read_text()
        # Only half of it is there: the key does not belong to it.
        shutil.copy(second[0], tmp_path / "cert.pem")
        wait_until(lambda: serial(port) == first[0].read_text() and len(complaints(server)) == 2,
                   what="another complaint")
        put(tmp_path, second)
        wait_until(lambda: serial(port) == second[0].read_text(), what="the new certificate")
        server.publish("news", b'{"still":"here"}')  # who was connected does not notice
        assert next(stream).pub.data == b'{"still":"here"}'
        stream.cancel()
    assert len(complaints(server)) == 2


def complaints(server):
    return [line for line in server.log_lines() if "not usable" in line["message"]]


def test_renewed_ca_of_clients(start, ca, stranger, pair, tmp_path):
    shutil.copy(ca.pem, tmp_path / "clients.pem")
    section = dict(tls(pair), client_ca_pem=str(tmp_path / "clients.pem"))
    server = start({"grpc_api": {"tls": section}})
    visitor = stranger.issue("visitor")
    with Client(server, "grpc_api", ca, visitor) as client:
        with pytest.raises(grpc.RpcError):
            client.info()
    shutil.copy(stranger.pem, tmp_path / "clients.pem")

    def let_in():
        with Client(server, "grpc_api", ca, visitor) as client:
            try:
                return client.info().HasField("result")
            except grpc.RpcError:
                return False

    wait_until(let_in, what="the new CA")


def test_who_does_not_read_does_not_hold_up_the_end(start, ca, pair):
    """Streams over a TLS connection that takes nothing any more: the library does not end them by
    itself, so the connection is cut."""
    server = start(merged(both(tls(pair)), {
        "grpc_api": {"tls": {"enabled": False}}, "uni_grpc": {"keepalive_time": "0s"},
        "client": {"queue_max_size": 1 << 24}, "shutdown": {"timeout": "1s"}}))
    context = ssl.create_default_context(cafile=str(ca.pem))
    context.set_alpn_protocols(["h2"])
    wide = (1 << 31) - 1
    request = PROTO.uni.ConnectRequest(subs={"c": PROTO.uni.SubscribeRequest()})
    with socket.socket() as bare:
        bare.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        bare.connect(("127.0.0.1", server.ports["uni_grpc"]))
        with context.wrap_socket(bare, server_hostname="localhost") as sock:
            sock.sendall(h2.PREFACE + h2.frame(h2.SETTINGS, 0, 0, struct.pack(">HI", 4, wide)) +
                         h2.frame(h2.WINDOW, 0, 0, struct.pack(">I", wide - 65535)))
            for stream in range(1, 21, 2):
                fields = b"".join(h2.literal(*field) for field in h2.request_fields(METHOD))
                sock.sendall(h2.frame(h2.HEADERS, h2.END_HEADERS, stream, fields) +
                             h2.frame(h2.DATA, h2.END_STREAM, stream,
                                      h2.message(request.SerializeToString())))
            server.wait_clients(10)
            for _ in range(200):
                server.publish("c", b"x" * 60000)
            server.signal(signal.SIGTERM)
            assert server.process.wait(60) == 1
    assert "shutdown timeout reached" in server.log()
    assert "gRPC calls do not end" not in server.log()
    assert not SANITIZER_SPEAKS.search(server.log()), server.log()
    server.destroy()

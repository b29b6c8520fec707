"""gRPC on the HTTP port, where it differs from ports of its own: what shares the port, what does not
speak gRPC, TLS, and the end of the server. What is the same behind both doors is in test_api.py,
test_grpc_services.py and others, which run twice (DOORS)."""
import http.client
import queue
import shutil
import signal
import subprocess
import threading

import grpc
import pytest

import certs
import protos
from consume import METHOD, Consume
from h2 import H2, message
from server import API_KEY, PROTO, wait_until
from streams import Streams

API = "centrifugal.centrifugo.api.CentrifugoApi"
UNI = "centrifugal.centrifugo.unistream.CentrifugoUniStream"
HEALTH = "grpc.health.v1.Health"
PUBLISH = f"/{API}/Publish"
KEY = [("authorization", f"apikey {API_KEY}")]
BOTH = {"grpc_api": {"on_http_port": True}, "uni_grpc": {"on_http_port": True}}
GRPC_STATUS = bytes.fromhex("9acac8b21234da8f")  # the field's name in Huffman's code
TIMEOUT_S = 20
DOORS = ("http",)

have_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


def curl(server, *arguments, path=PUBLISH, listener="grpc_api"):
    """(status line and header lines, body)"""
    done = subprocess.run(
        ["curl", "-si", "--http2-prior-knowledge", "--max-time", "20", *arguments,
         f"http://127.0.0.1:{server.ports[listener]}{path}"], capture_output=True, timeout=30)
    assert done.returncode == 0, done
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    return head.decode().lower().split("\r\n"), body


def names(server, listener="uni_grpc"):
    services = protos.load()
    reply = services.call(server.channel(listener), HEALTH, "List")(
        services.message("grpc.health.v1.HealthListRequest")(), timeout=TIMEOUT_S)
    return sorted(reply.statuses)


# ---- what does not speak gRPC

@have_curl
@pytest.mark.parametrize("content_type, status", [
    ("application/grpc+json", 415), ("application/grpc+thrift", 415),
    ("application/grpc-web", 404), ("application/grpc-web+proto", 404), ("application/json", 404),
])
def test_other_content_types(gush, content_type, status):
    # Without a body: curl 7.88 may wait for more when the answer comes before it has sent one.
    head, _ = curl(gush, "-X", "POST", "-H", f"content-type: {content_type}", "-H", "te: trailers")
    assert head[0].startswith(f"http/2 {status}"), head
    assert not any(line.startswith("grpc-status") for line in head)


@have_curl
def test_other_methods_and_missing_te(gush):
    grpc_type = ("-H", "content-type: application/grpc")
    head, _ = curl(gush, "-X", "GET", *grpc_type, "-H", "te: trailers")
    assert head[0].startswith("http/2 405") and "allow: post" in head, head
    head, body = curl(gush, "-X", "POST", *grpc_type)
    assert head[0].startswith("http/2 200") and "grpc-status: 13" in head and body == b"", head


@have_curl
def test_content_types_of_grpc(gush, tmp_path):
    """With +proto and parameters, too; the answer and its trailers as curl reads them."""
    request = tmp_path / "request"
    request.write_bytes(message(PROTO.api.PublishRequest(channel="c",
                                                         data=b"1").SerializeToString()))
    for content_type in ("application/grpc", "application/grpc+proto",
                         "application/grpc; charset=utf-8"):
        head, body = curl(gush, "-H", f"content-type: {content_type}", "-H", "te: trailers",
                          "-H", f"authorization: apikey {API_KEY}", "--data-binary",
                          f"@{request}")
        assert head[0].startswith("http/2 200") and "content-type: application/grpc" in head
        reply = PROTO.api.PublishResponse.FromString(body[5:int.from_bytes(body[1:5], "big") + 5])
        assert reply.HasField("result") and not reply.HasField("error")
        assert b"grpc-status: 0" in body + "\n".join(head).encode()


def test_http_1_is_no_grpc(gush):
    connection = http.client.HTTPConnection("127.0.0.1", gush.ports["grpc_api"], timeout=10)
    try:
        connection.request("POST", PUBLISH, b"\0\0\0\0\0",
                           {"Content-Type": "application/grpc", "TE": "trailers"})
        assert connection.getresponse().status == 404
    finally:
        connection.close()


# ---- requests that are none

def hear(port, method, body, headers=(), end=True):
    """How the server ends a call, and the status in what it says."""
    class Wire(H2):
        fields = b""

        def next_frame(self, deadline):
            got = super().next_frame(deadline)
            self.fields += got[3] if got and got[0] == 1 else b""
            return got

    with Wire(port) as h2:
        h2.open(method, headers)
        if body is not None:
            h2.data(body, end=end)
        outcome = h2.outcome()
        at = h2.fields.find(GRPC_STATUS)
        size = h2.fields[at + 8]
        return outcome, int(h2.fields[at + 9:at + 9 + size])


def test_two_messages_are_carried_out_neither(gush):
    publish = message(PROTO.api.PublishRequest(channel="c", data=b"1").SerializeToString())
    with Consume(gush, ["c"]) as stream:
        for body in (publish + publish, publish + b"\0", publish + message(b"")):
            assert hear(gush.ports["grpc_api"], PUBLISH, body, KEY) == ("trailers", 13)
        gush.publish("c", b"2")
        assert stream.pub().data == b"2"


def test_messages_that_lie(gush):
    api, uni = gush.ports["grpc_api"], gush.ports["uni_grpc"]
    for port, method, headers in ((api, PUBLISH, KEY), (uni, METHOD, ())):
        assert hear(port, method, message(b"abc", claimed=100), headers) == ("trailers", 13)
        assert hear(port, method, b"\0\0", headers) == ("trailers", 13)
        assert hear(port, method, b"", headers) == ("trailers", 3)
        assert hear(port, method, b"\7" + message(b"")[1:], headers) == ("trailers", 13)
        # At once: nobody waits for four gigabytes.
        huge = message(b"abc", claimed=0xffffffff)
        assert hear(port, method, huge, headers, end=False) == ("trailers", 8)


def test_broken_timeouts(gush):
    for value in ("1", "S", "1x", "-1S", "123456789S", "1.5S"):
        assert hear(gush.ports["uni_grpc"], METHOD, message(b""), [("grpc-timeout", value)]) == \
            ("trailers", 13)


def test_binary_metadata_is_no_harm(gush):
    for value in ("", "AAECAw", "AAECAw==", "!!!", "AAEC,AAEC"):
        assert hear(gush.ports["grpc_api"], PUBLISH, message(b""),
                    [*KEY, ("trace-bin", value)])[0] == "trailers"


# ---- who shares a port

def test_one_port_serves_everything(start):
    server = start({**BOTH, "uni_grpc": {"reflection": True}})
    assert server.ports["grpc_api"] == server.ports["uni_grpc"] == server.ports["http"]
    assert names(server) == sorted(["", API, UNI, HEALTH, "grpc.reflection.v1.ServerReflection",
                                    "grpc.reflection.v1alpha.ServerReflection"])
    status, _, body = server.http("GET", "/health")
    assert (status, body) == (200, b"{}")


def test_two_ports_keep_their_services(start):
    server = start({"http_server": {"internal_port": "0"}})
    assert server.ports["grpc_api"] != server.ports["uni_grpc"]
    assert names(server, "uni_grpc") == sorted(["", UNI, HEALTH])
    assert names(server, "grpc_api") == sorted(["", API, HEALTH])
    with pytest.raises(grpc.RpcError) as caught:
        server.channel("uni_grpc").unary_unary(PUBLISH)(b"", metadata=KEY, timeout=TIMEOUT_S)
    assert (caught.value.code(), caught.value.details()) == \
        (grpc.StatusCode.UNIMPLEMENTED, f"unknown service {API}")


def test_without_the_keys_there_is_no_grpc(start):
    off = {"enabled": False, "on_http_port": False}
    server = start({"grpc_api": off, "uni_grpc": off,
                    "http_server": {"internal_port": "0", "h2c_external": True}})
    with pytest.raises(grpc.RpcError) as caught:
        server.channel("http").unary_unary(PUBLISH)(b"", timeout=TIMEOUT_S)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED  # of 404, says the client


def test_both_doors_at_once(start):
    """What comes in through one goes out through the other."""
    server = start(BOTH, door="core")
    http_port = server.ports["http"]
    assert len({http_port, server.ports["grpc_api"], server.ports["uni_grpc"]}) == 3
    own = server.api()
    shared = server.api()
    shared.stub = PROTO.api_rpc.CentrifugoApiStub(server.channel("http"))
    with Consume(server, ["c"]) as one, \
            Consume(server, ["c"], address=f"127.0.0.1:{http_port}") as two:
        for number, api in enumerate((own, shared)):
            api("Publish", channel="c", data=b"%d" % number)
            assert one.pub().data == two.pub().data == b"%d" % number
        assert own("Info").nodes[0].num_clients == 2


# ---- TLS

@pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")
def test_over_tls(start, tmp_path):
    ca = certs.Authority(tmp_path, "ours")
    cert, key = ca.issue("server")
    server = start({"http_server": {
        "internal_port": "0", "tls_external": True,
        "tls": {"enabled": True, "cert_pem": str(cert), "key_pem": str(key)}}})
    credentials = grpc.ssl_channel_credentials(ca.pem.read_bytes())
    with grpc.secure_channel(f"localhost:{server.ports['uni_grpc']}", credentials) as channel:
        pushes = channel.unary_stream(METHOD, response_deserializer=PROTO.uni.Push.FromString)(
            PROTO.uni.ConnectRequest(
                subs={"c": PROTO.uni.SubscribeRequest()}).SerializeToString())
        assert next(pushes).HasField("connect")
        server.publish("c", b"through TLS")
        assert next(pushes).pub.data == b"through TLS"
        pushes.cancel()


# ---- many

def test_many_streams_of_many_messages(gush):
    """100 streams of one connection, 100 publications of all sizes: all, in order."""
    sizes = [(number * 7919) % 5_000 for number in range(100)]
    with Streams(gush.ports["uni_grpc"], window=1 << 24) as streams:
        ids = [streams.consume("c") for _ in range(100)]
        api = gush.api()
        reading = threading.Thread(target=streams.read, daemon=True, args=(
            lambda: all(len(streams.pushes[one]) >= len(sizes) for one in ids), 60))
        reading.start()
        for number, size in enumerate(sizes):
            api("Publish", channel="c", data=b'{"seq":%d,"fill":"%s"}' % (number, b"x" * size))
        reading.join(60)
        for one in ids:
            assert [len(push.pub.data) - len(b'{"seq":%d,"fill":""}' % number)
                    for number, push in enumerate(streams.pushes[one])] == sizes


def test_long_answers(gush):
    """Beyond every window and frame: 100 publications of 50 KB in one answer."""
    api = gush.api(options=[("grpc.max_receive_message_length", -1)])
    for number in range(10):
        api("Publish", channel="hist:1", data=b'"%d %s"' % (number, b"x" * 400_000))
    publications = api("History", channel="hist:1", limit=-1).publications
    assert [len(each.data) for each in publications] == [400_004] * 10


def test_calls_are_answered_in_parallel(gush):
    api = gush.api()
    answers = [api.future("Publish", channel="hist:1", data=b"%d" % number)
               for number in range(500)]
    offsets = sorted(answer.result(TIMEOUT_S).result.offset for answer in answers)
    assert offsets == list(range(1, 501))


def test_requests_wait_while_lanes_are_behind(start):
    """At one delivery of backlog each publication holds up the next ones: every call is answered, and
    what was acknowledged arrives, once. What is too much is refused with a status."""
    server = start({"lanes": {"backlog_deliveries": 1}, "client": {"queue_max_size": 1 << 24}})
    with Streams(server.ports["uni_grpc"], window=1 << 24) as streams, \
            Consume(server, ["c"]) as stream:
        for _ in range(50):
            streams.consume("c")
        apis = [server.api() for _ in range(4)]  # 250 calls at once on each
        calls = [apis[number % 4].future("Publish", channel="c", data=b"%d" % number)
                 for number in range(2000)]
        codes = [call.code() for call in calls]
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        taken = {b"%d" % number for number, code in enumerate(codes)
                 if code == grpc.StatusCode.OK}
        assert len(taken) > 100
        got = [stream.pub().data for _ in taken]
        assert set(got) == taken and len(got) == len(taken)


# ---- the end

def test_everybody_hears_the_goodbye(start):
    """Streams get what was published before, 3001 and status OK; calls under way are answered."""
    server = start({"client": {"queue_max_size": 1 << 24}})
    server.note_channel("hist")
    acknowledged = queue.Queue()

    def publish():
        api, number = server.api(), 0
        try:
            while True:
                number += 1
                api("Publish", channel="hist:1", data=b"%d" % number)
                acknowledged.put(number)
        except grpc.RpcError as error:
            acknowledged.put(error.code())

    streams = [Consume(server, ["hist:1"]) for _ in range(30)]
    publisher = threading.Thread(target=publish, daemon=True)
    publisher.start()
    wait_until(lambda: acknowledged.qsize() > 20, what="publications")
    server.signal(signal.SIGTERM)
    publisher.join(TIMEOUT_S)
    said = [acknowledged.get() for _ in range(acknowledged.qsize())]
    assert said[-1] in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    for stream in streams:
        numbers = []
        while (push := stream.push()).HasField("pub"):
            numbers.append(int(push.pub.data))
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= said[-2]
        assert (push.disconnect.code, push.disconnect.reason) == (3001, "shutdown")
        assert stream.status() == grpc.StatusCode.OK
        stream.close()
    server.check_exit()
    server.destroy()


# ---- memory

def test_long_messages_that_do_not_end_are_bounded(start):
    """Of 20 times 4 MB without an end there is room for 17; others are told, and go."""
    server = start(BOTH)
    release = threading.Event()

    def unfinished():
        yield b"x" * 4_000_000
        release.wait(TIMEOUT_S)

    channel = server.channel("uni_grpc")
    calls = [channel.stream_unary(METHOD).future(unfinished(), timeout=TIMEOUT_S)
             for _ in range(20)]
    try:
        wait_until(lambda: sum(call.done() for call in calls) >= 3, what="refusals")
        refused = [call for call in calls if call.done()]
        assert len(refused) < 20
        for call in refused:
            assert call.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, call.details()
            assert "too many long request messages" in call.details()
        server.publish("c", b"1")
    finally:
        for call in calls:
            call.cancel()
        release.set()
    server.publish("c", b'"' + b"x" * 1_000_000 + b'"')

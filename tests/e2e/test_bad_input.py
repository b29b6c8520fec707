"""Hostile and broken input: a clear answer, bounded memory, and nobody else is disturbed."""
import json
import time

import grpc
import pytest

from consume import METHOD, Consume
from h2 import CONTINUATION, H2, frame, message
from pb import field, nested, varint
from server import API_KEY, PROTO, ApiError, sanitized
from sse import Sse, post_bytes

# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")

PUBLISH = "/centrifugal.centrifugo.api.CentrifugoApi/Publish"
KEY = [("authorization", f"apikey {API_KEY}")]
MIB = 1 << 20
REFUSED = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}


@pytest.fixture
def watched(gush):
    """A server with bystanders, who must have heard everything and nothing else at the end."""
    with Consume(gush, ["bystander"]) as rpc, \
            Sse(gush.ports["http"], {"subs": {"bystander": {}}}) as web:
        before = gush.rss()
        yield gush
        if not sanitized():
            assert gush.rss() - before < 64 * MIB
        gush.publish("bystander", b'"still here"')
        assert rpc.pub().data == b'"still here"'
        assert web.push()["pub"]["data"] == "still here"


def api_outcome(server, method, request):
    """What the API makes of these bytes: a status code that is not OK, or the reply's bytes."""
    try:
        return server.api().raw(method, request)
    except grpc.RpcError as error:
        return error.code()


def stream_outcome(server, request):
    """What Consume makes of these bytes: "connect", a disconnect code, or a status."""
    with Consume(server, request=request, expect_connect=False) as rpc:
        push = rpc.any_push()
        if push is None:
            return rpc.code
        if push.HasField("connect"):
            return "connect"
        assert push.HasField("disconnect")
        assert rpc.any_push() is None
        return push.disconnect.code


def web_outcome(server, body):
    """What uni_sse makes of this body: an HTTP status, "connect", or a disconnect code."""
    with Sse(server.ports["http"], request=post_bytes(body), expect_connect=False) as web:
        if web.status != 200:
            return web.status
        push = web.push()
        return "connect" if "connect" in push else push["disconnect"]["code"]


# ---- protobuf

def test_truncated_api_request(watched):
    whole = PROTO.api.PublishRequest(channel="c", data=b"12345678", tags={"k": "v"},
                                     b64data="MTI=").SerializeToString()
    for cut in range(len(whole)):
        outcome = api_outcome(watched, "Publish", whole[:cut])
        # At the seam of two fields it is a whole message; elsewhere it is none.
        try:
            PROTO.api.PublishRequest.FromString(whole[:cut])
        except Exception:
            assert outcome in REFUSED, (cut, outcome)
        else:
            assert isinstance(outcome, bytes), (cut, outcome)


def test_truncated_connect_request(watched):
    whole = PROTO.uni.ConnectRequest(
        token="", data=b"12345", name="n", headers={"k": "v"},
        subs={"c": PROTO.uni.SubscribeRequest(recover=True, offset=300, epoch="e")}
    ).SerializeToString(deterministic=True)
    for cut in range(len(whole)):
        outcome = stream_outcome(watched, whole[:cut])
        try:
            PROTO.uni.ConnectRequest.FromString(whole[:cut])
        except Exception:
            assert outcome == 3501 or outcome in REFUSED, (cut, outcome)
        else:
            assert outcome == "connect", (cut, outcome)


@pytest.mark.parametrize("request_bytes", [
    b"\xff", b"\x00", b"\x0a\xff\xff\xff\xff\x0f", varint(1 << 70), field(1, b"c")[:-1] + b"",
    b"\x0b" * 20, b"\x0c", b"\x0a\x05ab", b"\xff" * 1000, b"\x0f\x01",
], ids=lambda data: data[:8].hex())
def test_garbage(watched, request_bytes):
    assert api_outcome(watched, "Publish", request_bytes) in REFUSED
    outcome = stream_outcome(watched, request_bytes)
    assert outcome == 3501 or outcome in REFUSED


def test_unknown_fields_are_ignored(watched):
    unknown = field(500, b"what?") + field(501, 7) + varint(502 << 3 | 5) + b"abcd" + \
        varint(503 << 3 | 1) + b"abcdefgh" + varint(99 << 3 | 2) + varint(0)
    with Consume(watched, ["c"]) as rpc:
        request = unknown + PROTO.api.PublishRequest(channel="c", data=b"1").SerializeToString()
        assert api_outcome(watched, "Publish", request + unknown) == \
            PROTO.api.PublishResponse(result=PROTO.api.PublishResult()).SerializeToString()
        assert rpc.pub().data == b"1"
    connect = PROTO.uni.ConnectRequest(subs={"c": PROTO.uni.SubscribeRequest()})
    assert stream_outcome(watched, unknown + connect.SerializeToString() + unknown) == "connect"


def test_last_of_a_field_wins(watched):
    with Consume(watched, ["b"]) as rpc:
        request = field(1, "a") + field(2, b"1") + field(1, "b") + field(2, b"2")
        assert isinstance(api_outcome(watched, "Publish", request), bytes)
        assert rpc.pub().data == b"2"


@pytest.mark.parametrize("size", [300, 30_000, 300_000])
def test_nested_filter_in_the_api(watched, size):
    """FilterNode holds FilterNodes. Behind an unserved method, within a batch, and where no such
    field exists."""
    bomb = nested(6, size)
    subscribe = field(1, "c") + field(12, bomb)
    outcome = api_outcome(watched, "Subscribe", subscribe)
    assert isinstance(outcome, bytes) or outcome in REFUSED | {grpc.StatusCode.UNIMPLEMENTED}
    outcome = api_outcome(watched, "Batch", field(1, field(6, subscribe)))
    assert isinstance(outcome, bytes) or outcome in REFUSED
    if size >= 30_000 and isinstance(outcome, bytes):
        replies = PROTO.api.BatchResponse.FromString(outcome).replies
        assert [reply.error.code for reply in replies] in ([104], [107])
    publish = field(1, "c") + field(2, b"1") + field(77, bomb)
    assert isinstance(api_outcome(watched, "Publish", publish), bytes)  # unknown: passed over


@pytest.mark.parametrize("size", [300, 30_000, 300_000])
def test_nested_filter_in_a_connect_request(watched, size):
    request = field(3, field(1, "c") + field(2, field(13, nested(6, size))))
    outcome = stream_outcome(watched, request)
    assert outcome in ("connect", 3501) or outcome in REFUSED


def test_batch_of_batches_of_commands(watched):
    """A hundred thousand empty commands in 200 KB."""
    outcome = api_outcome(watched, "Batch", field(1, b"") * 100_000)
    if isinstance(outcome, bytes):
        replies = PROTO.api.BatchResponse.FromString(outcome).replies
        assert len(replies) == 100_000 and all(reply.error.code == 104 for reply in replies)
    else:
        assert outcome in REFUSED | {grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_hundred_thousand_tags(watched):
    tag = field(5, b"")
    outcome = api_outcome(watched, "Publish", field(1, "c") + field(2, b"1") + tag * 100_000)
    assert isinstance(outcome, bytes) or outcome in REFUSED


@pytest.mark.parametrize("value", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\xc0\x80", b"ab\x80"],
                         ids=bytes.hex)
def test_invalid_utf8_in_names(watched, value):
    """As a channel, a tag, a requested subscription, a token."""
    for request in (field(1, value) + field(2, b"1"),
                    field(1, "c") + field(2, b"1") + field(5, field(1, value) + field(2, "v")),
                    field(1, "c") + field(2, b"1") + field(6, value)):
        outcome = api_outcome(watched, "Publish", request)
        if isinstance(outcome, bytes):
            outcome = PROTO.api.PublishResponse.FromString(outcome).error.code
            assert outcome == 107
        else:
            assert outcome in REFUSED
    outcome = stream_outcome(watched, field(3, field(1, value) + field(2, b"")))
    assert outcome == 3501 or outcome in REFUSED
    outcome = stream_outcome(watched, field(1, value))
    assert outcome in (3500, 3501) or outcome in REFUSED


# ---- sizes

def test_oversized_grpc_requests(watched):
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    big = field(1, "c") + field(2, b"x" * (4 * MIB))
    assert api_outcome(watched, "Publish", big) == exhausted
    assert stream_outcome(watched, field(2, b"x" * (4 * MIB))) == exhausted


def test_largest_grpc_request(watched):
    data = b'"' + b"x" * (4 * MIB - 100) + b'"'
    with Consume(watched, ["c"]) as rpc:
        watched.publish("c", data)
        assert rpc.pub(30).data == data


def test_configured_request_sizes(start):
    server = start({"grpc_api": {"max_receive_message_size": 1000},
                    "uni_grpc": {"max_receive_message_size": 1000}})
    exhausted = grpc.StatusCode.RESOURCE_EXHAUSTED
    assert isinstance(api_outcome(server, "Publish", field(1, "c") + field(2, b"1" * 900)), bytes)
    assert api_outcome(server, "Publish", field(1, "c") + field(2, b"1" * 1000)) == exhausted
    assert stream_outcome(server, field(2, b"1" * 900)) == "connect"
    assert stream_outcome(server, field(2, b"1" * 1000)) == exhausted


def test_oversized_body(watched):
    assert web_outcome(watched, b'{"name":"' + b"x" * 65536 + b'"}') == 413
    assert web_outcome(watched, b'{"name":"' + b"x" * 65000 + b'"}') == "connect"


SUBS = 100_000


def test_a_hundred_thousand_subs(start):
    server = start({"uni_sse": {"max_request_body_size": 16 * MIB}})
    before = server.rss()
    request = b"".join(field(3, field(1, f"channel-{number}") + field(2, b""))
                       for number in range(SUBS))
    assert len(request) < 4 * MIB
    assert stream_outcome(server, request) in (3501, 3505, grpc.StatusCode.RESOURCE_EXHAUSTED)
    body = json.dumps({"subs": {f"channel-{number}": {} for number in range(SUBS)}}).encode()
    assert web_outcome(server, body) in (400, 3501, 3505)
    if not sanitized():
        assert server.rss() - before < 64 * MIB


def test_a_hundred_thousand_subs_where_they_are_allowed(start):
    """Either all of them, or a refusal; never some."""
    server = start({"client": {"channel_limit": -1}})
    request = b"".join(field(3, field(1, f"channel-{number}") + field(2, b""))
                       for number in range(SUBS))
    with Consume(server, request=request, expect_connect=False) as rpc:
        push = rpc.any_push(60)
        if push is None:
            assert rpc.code == grpc.StatusCode.RESOURCE_EXHAUSTED and rpc.details
        elif push.HasField("connect"):
            assert len(push.connect.subs) == SUBS
            assert server.live()["subscriptions"] == SUBS
            server.publish("channel-99999", b"1")
            assert rpc.push(30).channel == "channel-99999"
        else:
            assert push.disconnect.code in (3501, 3505)


# ---- JSON

DEEP = b"[" * 30_000 + b"]" * 30_000


@pytest.mark.parametrize("body, expected", [
    (b"", 400), (b"{", 400), (b"[]", 400), (b'"x"', 400), (b"1", 400), (b"{]", 400), (b"nul", 400),
    (b"\xef\xbb\xbf{}", 400), (b'{"subs":[]}', 400), (b'{"subs":{"c":5}}', 400),
    (b'{"subs":{"c":{"offset":-1}}}', 400), (b'{"subs":{"c":{"offset":"1"}}}', 400),
    (b'{"subs":{"c":{"offset":18446744073709551616}}}', 400),
    (b'{"subs":{"c":{"recover":1}}}', 400), (b'{"token":5}', 400), (b'{"name":"\xff"}', 400),
    (b"{}", "connect"), (b"null", "connect"), (b' { } \r\n', "connect"),
    (b'{"id":1,"connect":{}}', "connect"), (b'{"unknown":{"x":[1,2,{"y":null}]}}', "connect"),
    (b'{"NAME":"x","Subs":{"c":{}}}', "connect"), (b'{"name":null}', "connect"),
    (b'{"data":"\\ud800"}', "connect"),
], ids=lambda value: repr(value)[:40])
def test_json_connect_requests(watched, body, expected):
    outcome = web_outcome(watched, body)
    # Leniency about broken UTF-8 is the reference's; refusing it is fine as well.
    if b"\xff" in body:
        assert outcome in (400, "connect")
    else:
        assert outcome == expected


@pytest.mark.parametrize("body", [
    b'{"subs":{"c":null}}', b'{"subs":null}', b'{"data":' + DEEP + b"}", DEEP,
    b'{"unknown":' + DEEP + b"}", b'{"subs":{"c":{"tf":' + b'{"nodes":[' * 5000 + b"]}" * 5000
    + b"}}}", b'{"data":' + b'{"a":' * 9000 + b"1" + b"}" * 9000 + b"}",
], ids=lambda body: repr(body[:24]))
def test_json_bombs(watched, body):
    assert web_outcome(watched, body) in (400, 3501, "connect")


def test_deep_payload(watched):
    """Whatever is decided about it, all JSON subscribers get it or are told."""
    with Consume(watched, ["c"]) as rpc, Sse(watched.ports["http"], {"subs": {"c": {}}}) as web:
        try:
            watched.publish("c", DEEP)
        except ApiError as error:
            assert error.code == 107
            return
        assert rpc.pub().data == DEEP
        data = web.raw_push()
        if b"disconnect" in data:
            assert json.loads(data)["disconnect"]["code"] == 3506
        else:
            assert data == b'{"channel":"c","pub":{"data":' + DEEP + b"}}"


# ---- HTTP/2 below gRPC

def test_message_shorter_than_announced(watched):
    with H2(watched.ports["grpc_api"]) as h2:
        h2.open(PUBLISH, KEY)
        h2.data(message(b"\x0a\x01c", claimed=100), end=True)
        assert h2.outcome() in ("trailers", "reset")
    with H2(watched.ports["uni_grpc"]) as h2:
        h2.open(METHOD)
        h2.data(message(b"\x0a\x01c", claimed=100), end=True)
        assert h2.outcome() in ("trailers", "reset")


def test_message_announced_as_huge(watched):
    """Four gigabytes announced, fifty times; nothing of that size may be allocated. The
    server may refuse at once, or wait for more until the client is stale."""
    for port, method in (("grpc_api", PUBLISH), ("uni_grpc", METHOD)):
        with H2(watched.ports[port]) as h2:
            for stream in range(1, 101, 2):
                h2.open(method, KEY, stream=stream)
                h2.data(message(b"abc", claimed=0xffffffff), stream=stream)
            try:
                assert h2.outcome(timeout_s=1) in ("trailers", "reset", "goaway", "closed")
            except TimeoutError:
                pass


def test_call_without_any_message(watched):
    for port, method in (("grpc_api", PUBLISH), ("uni_grpc", METHOD)):
        with H2(watched.ports[port]) as h2:
            h2.open(method, KEY, end=True)
            assert h2.outcome() in ("trailers", "reset")


def test_two_messages_where_one_is_expected(watched):
    with H2(watched.ports["uni_grpc"]) as h2:
        h2.open(METHOD)
        h2.data(message(b"") + message(b"") * 100, end=True)
        deadline = time.monotonic() + 10
        while not h2.payload and time.monotonic() < deadline:
            try:
                if h2.outcome(timeout_s=0.2):
                    break
            except TimeoutError:
                pass
        assert time.monotonic() < deadline


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 100, b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
], ids=lambda data: repr(data[:12]))
def test_no_http2_on_a_grpc_port(watched, garbage):
    for port in ("grpc_api", "uni_grpc"):
        with H2.bare(watched.ports[port]) as h2:
            h2.raw(garbage)
            h2.finish()
            try:
                assert h2.outcome() in ("goaway", "closed")
            except TimeoutError:
                raise AssertionError("the connection stays open") from None


@pytest.mark.parametrize("frames", [
    frame(0, 0, 1, b"data before headers"), frame(9, 4, 1, b""), frame(1, 4, 2, b"\x82"),
    frame(1, 4, 1, b"\xff\xff\xff\xff\xff"), frame(4, 0, 1, b""), frame(6, 0, 0, b"short"),
    frame(8, 0, 0, b"\0\0\0\0"), b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
], ids=lambda data: data[:9].hex())
def test_broken_frames(watched, frames):
    for port in ("grpc_api", "uni_grpc"):
        with H2(watched.ports[port]) as h2:
            h2.raw(frames)
            h2.finish()
            assert h2.outcome() in ("goaway", "closed", "reset", "trailers")


def test_header_block_without_end(watched):
    """A megabyte of CONTINUATION: refused or cut, and forgotten when the peer goes."""
    with H2(watched.ports["uni_grpc"]) as h2:
        h2.raw(frame(1, 0, 1, b"\x82"))
        try:
            for _ in range(64):
                h2.raw(frame(CONTINUATION, 0, 1, b"\x00\x7f\x81\x7f" + b"a" * 16000))
        except OSError:
            pass  # cut


def test_many_requests_of_no_use(watched):
    """Opened and reset, a thousand times on one connection."""
    with H2(watched.ports["uni_grpc"]) as h2:
        try:
            for stream in range(1, 2001, 2):
                h2.open(METHOD, stream=stream)
                h2.raw(frame(3, 0, stream, b"\0\0\0\x08"))
        except OSError:
            pass  # the server may end such a connection

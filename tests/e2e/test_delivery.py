"""A publication through the gRPC API arrives, byte for byte, on both ways out."""
import grpc
import pytest

from consume import Consume
from server import wait_until
from sse import Ended, Sse

# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")

PAYLOADS = {
    "object": b'{"a": 1}',
    "spaces": b'  {"a" :\t1 , "b":[ 1,2 ]}  ',
    "fraction": b"0.1",
    "exponent": b"1e2",
    "exponent_upper": b'{"x":1.0E+2}',
    "twenty_digits": b"12345678901234567890",
    "thirty_digits": b'{"n":-123456789012345678901234567890}',
    "unicode": '{"text":"grüße, 世界, 🚀"}'.encode(),
    "escapes": rb'{"text":"\u0000 \u00e9 \ud83d\ude80 \/ \\ \""}',
    "html": b'{"x":"<script>&</script>"}',
    "separators": '{"x":"\u2028\u2029"}'.encode(),
    "null": b"null",
    "string": b'"plain"',
    "duplicate_keys": b'{"a":1,"a":2}',
    "large": b'{"x":"' + b"y" * 50_000 + b'"}',
}


def sse_pub(channel, payload):
    return b'{"channel":"' + channel + b'","pub":{"data":' + payload + b"}}"


@pytest.mark.parametrize("name", PAYLOADS)
def test_payload_arrives_byte_for_byte(gush, name):
    payload = PAYLOADS[name]
    with Consume(gush, ["c"]) as rpc, Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        gush.publish("c", payload)
        push = rpc.push()
        assert push.channel == "c" and push.pub.data == payload
        assert web.raw_push() == sse_pub(b"c", payload)


def test_line_ends_are_kept_from_json_streams_only(gush):
    payload = b'{\n  "a": 1,\r\n  "b": [\n2]\n}\n'
    with Consume(gush, ["c"]) as rpc, Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        gush.publish("c", payload)
        assert rpc.pub().data == payload
        # A CR would end the event's line as well. In JSON it can only be white space.
        assert web.raw_push() == sse_pub(b"c", payload.replace(b"\n", b"").replace(b"\r", b" "))


@pytest.mark.parametrize("payload", [
    b"\x00\xff\x80 binary", b"{", b'{"a":1} x', b"\xff", b'"\xc3\x28"', b"01", b"[1,]", b"nul",
], ids=repr)
def test_payload_that_is_no_json_ends_json_subscribers_only(gush, payload):
    with Consume(gush, ["c"]) as rpc, Sse(gush.ports["http"], {"subs": {"c": {}}}) as web, \
            Sse(gush.ports["http"], {"subs": {"other": {}}}) as bystander:
        gush.publish("c", payload)
        assert web.disconnect() == (3506, "inappropriate protocol")
        assert rpc.pub().data == payload
        gush.publish("c", b"1")
        assert rpc.pub().data == b"1"
        gush.publish("other", b"2")
        assert bystander.raw_push() == sse_pub(b"other", b"2")


def test_empty_payload_where_binary_is_allowed(gush):
    with Consume(gush, ["any:c"]) as rpc, Sse(gush.ports["http"], {"subs": {"any:c": {}}}) as web:
        gush.publish("any:c", b"")
        push = rpc.push()
        assert push.HasField("pub") and push.pub.data == b""
        assert web.raw_push() == b'{"channel":"any:c","pub":{}}'


def test_strings_of_ours_are_escaped(gush):
    channel = 'test<&>"\\\u00e9\u2028'
    with Sse(gush.ports["http"], {"subs": {"plain": {}}}) as web:
        gush.publish("plain", b"1", tags={"k<": "v\n\x01"})
        assert web.raw_push() == (b'{"channel":"plain","pub":{"data":1,"tags":'
                                  b'{"k\\u003c":"v\\n\\u0001"}}}')
    gush.publish(channel, b"1")  # nobody listens: only that the API takes it


def test_info_and_tags_travel(gush):
    with Consume(gush, ["c"]) as rpc:
        gush.publish("c", b"1", tags={"k": "v", "other": ""})
        assert dict(rpc.pub().tags) == {"k": "v", "other": ""}


def test_connect_push(gush):
    with Consume(gush, ["c", "hist:1"]) as rpc:
        connect = rpc.connect
        assert len(connect.client) == 36 and len(connect.session) == 36
        assert connect.ping == 25 and not connect.pong and not connect.expires
        assert set(connect.subs) == {"c", "hist:1"}
        assert not connect.subs["c"].recoverable
        history = connect.subs["hist:1"]
        assert history.recoverable and history.positioned and len(history.epoch) == 8
    with Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        connect = web.connect
        assert list(connect) == ["client", "version", "subs", "ping", "session"]
        assert connect["subs"] == {"c": {}} and connect["ping"] == 25


def test_streams_carry_offsets_and_the_epoch_once(gush):
    with Consume(gush, ["hist:1"]) as rpc, Sse(gush.ports["http"], {"subs": {"hist:1": {}}}) as web:
        epoch = rpc.connect.subs["hist:1"].epoch
        assert web.connect["subs"]["hist:1"]["epoch"] == epoch
        for offset in (1, 2, 3):
            result = gush.publish("hist:1", b'{"n": %d}' % offset)
            assert (result.offset, result.epoch) == (offset, epoch)
            assert rpc.pub().offset == offset
        first = b'{"channel":"hist:1","pub":{"data":{"n": 1},"offset":1,"epoch":"%s"}}'
        assert web.raw_push() == first % epoch.encode()
        assert web.raw_push() == b'{"channel":"hist:1","pub":{"data":{"n": 2},"offset":2}}'


def test_order_is_kept_over_many(gush):
    with Consume(gush, ["c"]) as rpc, Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        for number in range(500):
            gush.publish("c", b"%d" % number)
        assert [int(rpc.pub().data) for _ in range(500)] == list(range(500))
        assert [web.push()["pub"]["data"] for _ in range(500)] == list(range(500))


def test_one_connection_hears_each_of_its_channels_once(gush):
    with Consume(gush, ["a", "b"]) as rpc:
        gush.publish("a", b"1")
        gush.publish("nobody", b"2")
        gush.publish("b", b"3")
        assert [(push.channel, push.pub.data) for push in (rpc.push(), rpc.push())] == \
            [("a", b"1"), ("b", b"3")]


def test_closed_streams_are_forgotten(gush):
    for _ in range(3):
        streams = [Consume(gush, ["c"]) for _ in range(10)] + \
            [Sse(gush.ports["http"], {"subs": {"c": {}}}) for _ in range(10)]
        assert gush.live()["clients"] == 20
        for stream in streams:
            stream.close()
        gush.wait_clients(0)
    wait_until(lambda: gush.live()["channels"] == 0, what="no channel")


def test_stream_ends_without_chunk_on_a_lost_connection(gush):
    """The helper can tell a proper end from a lost one; otherwise the tests above prove less."""
    with Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        gush.process.kill()
        with pytest.raises(Ended) as end:
            web.event()
        assert not end.value.clean
    gush.process.wait()
    gush.destroy()


def test_stream_status_after_cancel_by_the_client(gush):
    rpc = Consume(gush, ["c"])
    rpc.close()
    assert rpc.code == grpc.StatusCode.CANCELLED
    gush.wait_clients(0)

"""Every method of the gRPC API: results, errors, keys."""

import grpc
import pytest

from consume import Consume
from server import PROTO, ApiError, wait_until

# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")

api_pb = PROTO.api


def error(call, *arguments, **fields):
    with pytest.raises(ApiError) as caught:
        call(*arguments, **fields)
    return caught.value.code, caught.value.message


@pytest.fixture
def api(gush):
    return gush.api()


# ---- publish

def test_publish_without_history_answers_nothing(api):
    result = api("Publish", channel="c", data=b"1")
    assert result.offset == 0 and result.epoch == ""


def test_publish_answers_position(api):
    first = api("Publish", channel="hist:1", data=b"1")
    second = api("Publish", channel="hist:1", data=b"2")
    assert (first.offset, second.offset) == (1, 2)
    assert first.epoch == second.epoch and len(first.epoch) == 8


@pytest.mark.parametrize("fields, expected", [
    ({"channel": "", "data": b"1"}, (107, "bad request")),
    ({"channel": "unknown:1", "data": b"1"}, (102, "unknown channel")),
    ({"channel": "$unknown:1", "data": b"1"}, (102, "unknown channel")),
    ({"channel": "c", "data": b""}, (107, "bad request")),
    ({"channel": "json:1", "data": b"{"}, (107, "bad request")),
    ({"channel": "c", "b64data": "!!!"}, (107, "bad request")),
    ({"channel": "unknown:1", "b64data": "!!!"}, (107, "bad request")),
    ({"channel": "c", "b64data": "e30"}, (107, "bad request")),
], ids=["no_channel", "namespace", "private", "empty", "no_json", "no_base64", "base64_first",
         "no_padding"])
def test_publish_errors(api, fields, expected):
    assert error(api, "Publish", **fields) == expected


def test_publish_b64data_wins(gush, api):
    with Consume(gush, ["c"]) as rpc:
        api("Publish", channel="c", data=b"1", b64data="eyJiIjoyfQ==")
        assert rpc.pub().data == b'{"b":2}'


def test_publish_takes_any_channel_name(gush, api):
    for channel in ("x" * 300, "grüße", "a b", ":x", "hist:" + "y" * 300):
        api("Publish", channel=channel, data=b"1")
    api("Publish", channel="json:1", data=b"{}")


def test_publish_skip_history(gush, api):
    with Consume(gush, ["c"]) as rpc:
        result = api("Publish", channel="hist:1", data=b"1", skip_history=True)
        assert result.offset == 0 and result.epoch == ""
        assert api("History", channel="hist:1", limit=-1).offset == 0
        api("Publish", channel="c", data=b"1", skip_history=True)
        assert rpc.pub().data == b"1"


@pytest.mark.parametrize("channel", ["c", "hist:1"])
def test_publish_once_per_idempotency_key(gush, api, channel):
    with Consume(gush, [channel]) as rpc:
        first = api("Publish", channel=channel, data=b"1", idempotency_key="k")
        again = api("Publish", channel=channel, data=b"2", idempotency_key="k")
        assert (again.offset, again.epoch) == (first.offset, first.epoch)
        api("Publish", channel=channel, data=b"3", idempotency_key="other")
        assert [rpc.pub().data, rpc.pub().data] == [b"1", b"3"]


def test_idempotency_keys_belong_to_a_channel(gush, api):
    with Consume(gush, ["a", "b"]) as rpc:
        for channel in ("a", "b"):
            api("Publish", channel=channel, data=b"1", idempotency_key="k")
        assert [rpc.push().channel, rpc.push().channel] == ["a", "b"]


def test_publish_versions(gush, api):
    with Consume(gush, ["hist:1"]) as rpc:
        assert api("Publish", channel="hist:1", data=b"1", version=5).offset == 1
        assert api("Publish", channel="hist:1", data=b"2", version=5).offset == 1  # the top
        assert api("Publish", channel="hist:1", data=b"3", version=4).offset == 1
        assert api("Publish", channel="hist:1", data=b"4", version=6).offset == 2
        assert api("Publish", channel="hist:1", data=b"5", version=1, version_epoch="e").offset == 3
        assert [rpc.pub().data for _ in range(3)] == [b"1", b"4", b"5"]


# ---- broadcast

def test_broadcast(gush, api):
    with Consume(gush, ["a", "hist:b"]) as rpc:
        result = api("Broadcast", channels=["a", "hist:b", "unknown:x", ""], data=b"1")
        assert [response.error.code for response in result.responses] == [0, 0, 102, 107]
        assert result.responses[1].result.offset == 1
        assert {rpc.push().channel, rpc.push().channel} == {"a", "hist:b"}


def test_broadcast_to_the_same_channel_twice(gush, api):
    responses = api("Broadcast", channels=["hist:b"] * 2, data=b"1").responses
    assert sorted(response.result.offset for response in responses) == [1, 2]


def test_broadcast_errors(api):
    assert error(api, "Broadcast", channels=[], data=b"1") == (107, "bad request")
    responses = api("Broadcast", channels=["a", "hist:a"], data=b"").responses
    assert [response.error.code for response in responses] == [107, 107]


# ---- history

def filled(api, count=5):
    for number in range(1, count + 1):
        result = api("Publish", channel="hist:1", data=b"%d" % number, tags={"n": str(number)})
    return result.epoch


def offsets(result):
    return [publication.offset for publication in result.publications]


def test_history(api):
    epoch = filled(api)
    top = api("History", channel="hist:1")
    assert (top.offset, top.epoch, offsets(top)) == (5, epoch, [])
    whole = api("History", channel="hist:1", limit=-1)
    assert offsets(whole) == [1, 2, 3, 4, 5]
    assert [publication.data for publication in whole.publications] == [b"1", b"2", b"3", b"4", b"5"]
    assert dict(whole.publications[0].tags) == {"n": "1"}
    assert offsets(api("History", channel="hist:1", limit=2)) == [1, 2]
    assert offsets(api("History", channel="hist:1", limit=2, reverse=True)) == [5, 4]


def test_history_since(api):
    epoch = filled(api)

    def since(offset, named=epoch, **fields):
        position = api_pb.StreamPosition(offset=offset, epoch=named)
        return offsets(api("History", channel="hist:1", limit=fields.pop("limit", -1),
                           since=position, **fields))

    assert since(3) == [4, 5]
    assert since(3, limit=1) == [4]
    assert since(0) == [1, 2, 3, 4, 5]
    assert since(5) == [] and since(99) == []
    assert since(3, "") == [4, 5]
    assert since(3, reverse=True) == [2, 1]
    position = api_pb.StreamPosition(offset=3, epoch="otherone")
    assert error(api, "History", channel="hist:1", limit=-1, since=position) == \
        (112, "unrecoverable position")
    position = api_pb.StreamPosition(offset=0, epoch=epoch)
    assert error(api, "History", channel="hist:1", limit=-1, since=position, reverse=True) == \
        (100, "internal server error")


def test_history_keeps_the_newest(api):
    filled(api, 25)  # history_size is 10
    assert offsets(api("History", channel="hist:1", limit=-1)) == list(range(16, 26))
    assert offsets(api("History", channel="hist:1", limit=3,
                       since=api_pb.StreamPosition(offset=2))) == [16, 17, 18]


def test_history_of_an_unused_channel_makes_a_stream(api):
    first = api("History", channel="hist:new")
    assert first.offset == 0 and len(first.epoch) == 8
    assert api("Publish", channel="hist:new", data=b"1").epoch == first.epoch


def test_history_remove(api):
    epoch = filled(api)
    api("HistoryRemove", channel="hist:1")
    left = api("History", channel="hist:1", limit=-1)
    assert (offsets(left), left.offset, left.epoch) == ([], 5, epoch)
    assert api("Publish", channel="hist:1", data=b"6").offset == 6
    assert offsets(api("History", channel="hist:1", limit=-1)) == [6]


@pytest.mark.parametrize("method", ["History", "HistoryRemove"])
def test_history_errors(api, method):
    assert error(api, method, channel="c") == (108, "not available")
    assert error(api, method, channel="") == (107, "bad request")
    assert error(api, method, channel="unknown:1") == (102, "unknown channel")


def test_history_expires(start):
    """history_ttl counts from the last publication; offset and epoch stay."""
    server = start({"channel": {"namespaces": [
        {"name": "short", "history_size": 10, "history_ttl": "1s"}]}})
    api = server.api()
    epoch = api("Publish", channel="short:1", data=b"1").epoch
    api("Publish", channel="short:1", data=b"2")
    assert offsets(api("History", channel="short:1", limit=-1)) == [1, 2]
    wait_until(lambda: not offsets(api("History", channel="short:1", limit=-1)), 5, "expiry")
    left = api("History", channel="short:1")
    assert (left.offset, left.epoch) == (2, epoch)


# ---- presence

def test_presence(gush, api):
    assert dict(api("Presence", channel="who:1").presence) == {}
    stats = api("PresenceStats", channel="who:1")
    assert (stats.num_clients, stats.num_users) == (0, 0)
    with Consume(gush, ["who:1"]) as one, Consume(gush, ["who:1"]) as two:
        presence = api("Presence", channel="who:1").presence
        assert set(presence) == {one.connect.client, two.connect.client}
        info = presence[one.connect.client]
        assert (info.user, info.client) == ("", one.connect.client)
        stats = api("PresenceStats", channel="who:1")
        assert (stats.num_clients, stats.num_users) == (2, 1)


@pytest.mark.parametrize("method", ["Presence", "PresenceStats"])
def test_presence_errors(api, method):
    assert error(api, method, channel="c") == (108, "not available")
    assert error(api, method, channel="") == (107, "bad request")
    assert error(api, method, channel="unknown:1") == (102, "unknown channel")


# ---- info, channels

def test_info(gush, api):
    with Consume(gush, ["a", "b"]), Consume(gush, ["a"]):
        assert len(api("Info").nodes) == 1
        # A node may count itself every few seconds only.
        node = wait_until(lambda: [node for node in api("Info").nodes if node.num_clients == 2],
                          what="two clients")[0]
        assert node.uid and node.name and node.version
        assert (node.num_channels, node.num_subs, node.num_users) == (2, 3, 1)


def channels(result):
    return {name: channel.num_clients for name, channel in result.channels.items()}


def test_channels(gush, api):
    assert channels(api("Channels")) == {}
    api("Publish", channel="hist:1", data=b"1")  # a stream without subscribers does not count
    with Consume(gush, ["news", "who:1"]), Consume(gush, ["news"]):
        assert channels(api("Channels")) == {"news": 2, "who:1": 1}
        for pattern, expected in (("who:*", {"who:1"}), ("n?ws", {"news"}), ("*", {"news", "who:1"}),
                                  ("[mn]ews", {"news"}), ("[!n]ews", set()),
                                  ("{news,none}", {"news"}), ("\\*", set())):
            assert set(channels(api("Channels", pattern=pattern))) == expected, pattern
    assert error(api, "Channels", pattern="[")[0] == 100


# ---- batch

def batch(api, *commands, parallel=False):
    return list(api.reply("Batch", commands=[api_pb.Command(**command) for command in commands],
                          parallel=parallel).replies)


def test_batch(gush, api):
    gush.keeps_streams = True
    replies = batch(
        api,
        {"publish": api_pb.PublishRequest(channel="hist:1", data=b"1")},
        {"publish": api_pb.PublishRequest(channel="unknown:1", data=b"1")},
        {},
        {"rpc": api_pb.RPCRequest(method="nothing")},
        {"presence": api_pb.PresenceRequest(channel="c")},
        {"history": api_pb.HistoryRequest(channel="hist:1", limit=-1)},
        {"broadcast": api_pb.BroadcastRequest(channels=["a", ""], data=b"1")},
        {"info": api_pb.InfoRequest()},
    )
    assert [reply.error.code for reply in replies] == [0, 102, 104, 104, 108, 0, 0, 0]
    assert replies[0].publish.offset == 1
    assert [publication.data for publication in replies[5].history.publications] == [b"1"]
    assert [response.error.code for response in replies[6].broadcast.responses] == [0, 107]
    assert len(replies[7].info.nodes) == 1


def test_batch_is_in_order(gush, api):
    commands = [{"publish": api_pb.PublishRequest(channel="c", data=b"%d" % number)}
                for number in range(200)]
    with Consume(gush, ["c"]) as rpc:
        assert len(batch(api, *commands)) == 200
        assert [int(rpc.pub().data) for _ in range(200)] == list(range(200))
        assert len(batch(api, *commands, parallel=True)) == 200
        assert {int(rpc.pub().data) for _ in range(200)} == set(range(200))


def test_batch_of_nothing(api):
    assert batch(api) == []


def test_batch_runs_one_method_of_a_command(gush, api):
    with Consume(gush, ["a"]) as rpc:
        replies = batch(api, {"publish": api_pb.PublishRequest(channel="a", data=b"1"),
                              "broadcast": api_pb.BroadcastRequest(channels=["a"], data=b"2")})
        assert replies[0].HasField("publish") and not replies[0].HasField("broadcast")
        api("Publish", channel="a", data=b"3")
        assert [rpc.pub().data, rpc.pub().data] == [b"1", b"3"]


# ---- keys and statuses

def status(call, *arguments, **fields):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **fields)
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("key", [None, "", "wrong", "key-of-the-tests ", "key-of-the-test"])
def test_wrong_key(gush, door, key):
    code, details = status(gush.api(key=key), "Publish", channel="c", data=b"1")
    if door == "http" and f"apikey {key}".endswith(" "):
        assert code == grpc.StatusCode.INTERNAL  # RFC 9113 8.2.1: no field, and a reset stream
    else:
        assert (code, details) == (grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")


@pytest.mark.parametrize("value", ["key-of-the-tests", "Apikey key-of-the-tests",
                                   "apikey  key-of-the-tests", "Bearer key-of-the-tests"])
def test_key_is_compared_byte_for_byte(gush, value):
    api = gush.api(key=None)
    api.metadata = [("authorization", value)]
    assert status(api, "Publish", channel="c", data=b"1")[0] == grpc.StatusCode.UNAUTHENTICATED


def test_without_a_configured_key_everybody_may(start):
    server = start({"grpc_api": {"key": ""}})
    server.api(key=None)("Publish", channel="c", data=b"1")
    server.api(key="anything")("Publish", channel="c", data=b"1")


def test_unknown_methods(gush, api):
    for method in ("Connections", "BlockUser", "NoSuchThing", "publish"):
        assert status(api.raw, method, b"")[0] == grpc.StatusCode.UNIMPLEMENTED, method
    assert status(api.raw, "Publish", b"", service="no.such.Service")[0] == \
        grpc.StatusCode.UNIMPLEMENTED
    api("Publish", channel="c", data=b"1")


@pytest.mark.parametrize("channel, data, expected", [
    ("unknown:1", b"1", (grpc.StatusCode.NOT_FOUND, "unknown channel")),
    ("", b"1", (grpc.StatusCode.INVALID_ARGUMENT, "bad request")),
    ("c", b"", (grpc.StatusCode.INVALID_ARGUMENT, "bad request")),
])
def test_errors_as_statuses(gush, start, channel, data, expected):
    assert status(gush.api(mode="transport"), "Publish", channel=channel, data=data) == expected
    assert gush.api(mode="other").reply("Publish", channel=channel, data=data).error.code != 0
    configured = start({"grpc_api": {"error_mode": "transport"}})
    assert status(configured.api(), "Publish", channel=channel, data=data) == expected
    configured.api()("Publish", channel="c", data=b"1")


def test_calls_in_flight(gush, api):
    """A few hundred at once on one connection: each is answered, none twice."""
    calls = [api.future("Publish", channel="hist:1", data=b"1") for _ in range(300)]
    answered = sorted(call.result().result.offset for call in calls)
    assert answered == list(range(1, 301))

"""API calls on the connections of a user: Subscribe, Unsubscribe, Disconnect, Refresh; and RPC.

The same tests run against the reference server, see support/reference.py. What is marked ours_only
differs there on purpose, or takes the reference very long.
"""
import json
import time

import grpc
import pytest

import reference
from hear import Hear
from pb import field
from server import PROTO, ApiError, wait_until
from tokens import soon

pb = PROTO.api
KINDS = ("uni_grpc", "uni_sse")
# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core",) if reference.BINARY else ("core", "http")

ours_only = pytest.mark.skipif(bool(reference.BINARY), reason="differs from the reference")


@pytest.fixture
def serve(start):
    """serve(config): a server, ours or the reference's"""
    servers = []

    def serve_one(config=None):
        if not reference.BINARY:
            return start(config)
        servers.append(reference.Reference(config))
        return servers[-1].start()

    yield serve_one
    for one in servers:
        one.stop()


@pytest.fixture
def gush(serve):
    return serve()


@pytest.fixture
def api(gush):
    return gush.api()


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def error(call, *arguments, **fields):
    with pytest.raises(ApiError) as caught:
        call(*arguments, **fields)
    return caught.value.code, caught.value.message


def status(call, *arguments, **fields):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **fields)
    return caught.value.code(), caught.value.details()


def quiet(client, api):
    """Nothing is on its way to |client|, who is in channel "mark"."""
    api("Publish", channel="mark", data=b'"mark"')
    assert client.push() == {"channel": "mark", "pub": {"data": "mark"}}


def told_position(push):
    """The subscribe push of a positioned channel, without its epoch"""
    subscribe = push["subscribe"]
    assert len(subscribe.pop("epoch")) > 0
    return subscribe


UNSUBSCRIBE = {"code": 2000, "reason": "server unsubscribe"}


# ---- subscribe

def test_subscribe(gush, api, kind):
    with Hear(kind, gush, "u", ["mark"]) as client:
        api("Subscribe", user="u", channel="a")
        assert client.push() == {"channel": "a", "subscribe": {}}
        api("Publish", channel="a", data=b"1")
        assert client.push() == {"channel": "a", "pub": {"data": 1}}
        assert api("Channels").channels["a"].num_clients == 1
        quiet(client, api)
    wait_until(lambda: "a" not in api("Channels").channels, what="the subscription to end")


def test_subscribe_reaches_every_kind_of_connection(gush, api):
    with Hear("uni_grpc", gush, "u") as one, Hear("uni_sse", gush, "u") as two, \
            Hear("uni_grpc", gush, "u") as three, Hear("uni_sse", gush, "v", ["mark"]) as other:
        api("Subscribe", user="u", channel="a", data=b'{"d":1}')
        for client in (one, two, three):
            assert client.push() == {"channel": "a", "subscribe": {"data": {"d": 1}}}
        api("Publish", channel="a", data=b"1")
        for client in (one, two, three):
            assert client.push()["pub"] == {"data": 1}
        quiet(other, api)


def test_subscribe_to_a_stream_tells_its_position(gush, api, kind):
    for number in (1, 2, 3):
        epoch = api("Publish", channel="hist:a", data=b"%d" % number).epoch
    with Hear(kind, gush, "u") as client:
        api("Subscribe", user="u", channel="hist:a", data=b"[]")
        assert client.push() == {"channel": "hist:a", "subscribe": {
            "recoverable": True, "epoch": epoch, "offset": 3, "positioned": True, "data": []}}
        api("Publish", channel="hist:a", data=b"4")
        assert client.push() == {"channel": "hist:a", "pub": {"data": 4, "offset": 4}}


@pytest.mark.parametrize("since, told", [
    ({"offset": 2, "epoch": "right"}, {"recoverable": True, "offset": 2, "positioned": True}),
    ({"offset": 2}, {"recoverable": True, "offset": 2, "positioned": True}),
    ({"offset": 0}, {"recoverable": True, "positioned": True}),
    ({"offset": 5, "epoch": "right"}, {"recoverable": True, "offset": 5, "positioned": True}),
    # What cannot be recovered from is not told.
    ({"offset": 99, "epoch": "right"}, {"recoverable": True, "offset": 5, "positioned": True}),
    ({"offset": 2, "epoch": "another"}, {"recoverable": True, "offset": 5, "positioned": True}),
    ({"offset": 2, "epoch": "x" * 100}, {"recoverable": True, "offset": 5, "positioned": True}),
], ids=["right", "no_epoch", "zero", "top", "beyond", "other_epoch", "long_epoch"])
def test_subscribe_since_tells_the_given_offset(gush, api, since, told):
    for number in range(1, 6):
        epoch = api("Publish", channel="hist:a", data=b"%d" % number).epoch
    position = pb.StreamPosition(offset=since["offset"],
                                 epoch=since.get("epoch", "").replace("right", epoch))
    with Hear("uni_sse", gush, "u") as client:
        api("Subscribe", user="u", channel="hist:a", recover_since=position)
        push = client.push()
        assert push["subscribe"]["epoch"] == epoch
        assert told_position(push) == told
        api("Publish", channel="hist:a", data=b"6")  # what was missed is not delivered
        assert client.push()["pub"] == {"data": 6, "offset": 6}


def test_subscribe_since_what_was_trimmed(gush, api):
    for number in range(1, 26):  # ten are kept
        epoch = api("Publish", channel="hist:a", data=b"%d" % number).epoch
    for since, told in ((14, 25), (15, 15)):
        with Hear("uni_sse", gush, f"u{since}") as client:
            api("Subscribe", user=f"u{since}", channel="hist:a",
                recover_since=pb.StreamPosition(offset=since, epoch=epoch))
            assert client.push()["subscribe"]["offset"] == told


@pytest.mark.parametrize("options", [{}, {"force_recovery": False, "force_positioning": True}],
                         ids=["cache", "positions_only"])
def test_subscribe_since_in_other_modes(serve, options):
    server = serve({"channel": {"namespaces": [
        {"name": "hist", "history_size": 10, "history_ttl": "300s", "force_recovery": True,
         "force_recovery_mode": "cache"}]}})
    server.keeps_streams = True
    api = server.api()
    for number in range(1, 6):
        epoch = api("Publish", channel="hist:a", data=b"%d" % number).epoch
    with Hear("uni_sse", server, "u") as client:
        api("Subscribe", user="u", channel="hist:a", override=override(**options),
            recover_since=pb.StreamPosition(offset=2, epoch=epoch))
        assert client.push()["subscribe"]["offset"] == (5 if options else 2)
        api("Publish", channel="hist:a", data=b"6")
        assert client.push()["pub"] == {"data": 6, "offset": 6}


def test_subscribe_since_where_nothing_is_kept(gush, api):
    with Hear("uni_sse", gush, "u") as client:
        api("Subscribe", user="u", channel="a", recover_since=pb.StreamPosition(offset=7, epoch="x"))
        assert client.push() == {"channel": "a", "subscribe": {}}


def override(**options):
    return pb.SubscribeOptionOverride(
        **{name: pb.BoolValue(value=value) for name, value in options.items()})


@pytest.mark.parametrize("channel, options, told", [
    ("hist:a", {}, {"recoverable": True, "positioned": True}),
    ("hist:a", {"force_recovery": False}, {}),
    ("hist:a", {"force_recovery": False, "force_positioning": True}, {"positioned": True}),
    ("a", {"force_positioning": False}, {}),
], ids=["none", "no_recovery", "positions_only", "nothing"])
def test_subscribe_override_of_positions(gush, api, channel, options, told):
    gush.keeps_streams = True
    with Hear("uni_sse", gush, "u") as client:
        api("Subscribe", user="u", channel=channel, override=override(**options))
        push = client.push()
        if told:
            assert told_position(push) == told
        else:
            assert push["subscribe"] == {}


def test_subscribe_override_of_presence_and_joins(gush, api):
    with Hear("uni_sse", gush, "u", ["mark"]) as client, \
            Hear("uni_sse", gush, "w", ["who:a", "who:b", "who:c"]) as watcher:
        for _ in range(3):
            watcher.push()  # its own joins
        api("Subscribe", user="u", channel="who:a", override=override(presence=False))
        assert client.push()["subscribe"] == {}
        assert "join" in client.push()
        assert client.id not in api("Presence", channel="who:a").presence
        assert watcher.push()["channel"] == "who:a"
        api("Subscribe", user="u", channel="who:b", override=override(join_leave=False))
        assert client.push()["subscribe"] == {}
        quiet(client, api)
        wait_until(lambda: client.id in api("Presence", channel="who:b").presence, what="presence")
        api("Subscribe", user="u", channel="who:c", override=override(force_push_join_leave=False))
        assert client.push()["subscribe"] == {}
        quiet(client, api)
        assert watcher.push()["channel"] == "who:c"  # it joins, and is not told of it


def test_subscribe_shows_who_it_is(gush, api, kind):
    with Hear("uni_sse", gush, "w", ["who:a"]) as watcher:
        watcher.push()
        with Hear(kind, gush, "u", info={"name": "U"}) as client:
            api("Subscribe", user="u", channel="who:a", info=b'{"role":1}')
            assert client.push() == {"channel": "who:a", "subscribe": {}}
            info = {"user": "u", "client": client.id, "conn_info": {"name": "U"},
                    "chan_info": {"role": 1}}
            for one in (client, watcher):
                assert one.push() == {"channel": "who:a", "join": {"info": info}}

            def shown():
                return api("Presence", channel="who:a").presence.get(client.id)

            present = wait_until(shown, what="presence")
            assert (present.user, present.chan_info) == ("u", b'{"role":1}')
            assert json.loads(present.conn_info) == {"name": "U"}
            assert api("PresenceStats", channel="who:a").num_clients == 2
        assert watcher.push() == {"channel": "who:a", "leave": {"info": info}}
        wait_until(lambda: client.id not in api("Presence", channel="who:a").presence,
                   what="presence to end")


def test_subscribe_base64_wins(gush, api):
    with Hear("uni_sse", gush, "u") as client:
        api("Subscribe", user="u", channel="who:a", data=b"1", b64data="eyJiIjoyfQ==",
            info=b"1", b64info="WzNd")
        assert client.push() == {"channel": "who:a", "subscribe": {"data": {"b": 2}}}
        assert client.push()["join"]["info"]["chan_info"] == [3]


@pytest.mark.parametrize("fields, expected", [
    ({}, (107, "bad request")),
    ({"b64data": "!"}, (107, "bad request")),
    ({"channel": "unknown:1"}, (102, "unknown channel")),
    ({"channel": "unknown:1", "b64data": "!"}, (102, "unknown channel")),
    ({"channel": "$unknown:1"}, (102, "unknown channel")),
    ({"channel": "a", "b64data": "e30"}, (107, "bad request")),
    ({"channel": "a", "b64info": "!!!"}, (107, "bad request")),
], ids=["no_channel", "no_channel_no_base64", "namespace", "namespace_first", "private", "no_padding",
        "info"])
def test_subscribe_errors(gush, api, fields, expected):
    with Hear("uni_sse", gush, "u", ["mark"]) as client:
        assert error(api, "Subscribe", user="u", **fields) == expected
        quiet(client, api)


def test_subscribe_again_is_an_error(gush, api):
    with Hear("uni_sse", gush, "u", ["a"]) as one, Hear("uni_sse", gush, "u", ["mark"]) as two:
        assert error(api, "Subscribe", user="u", channel="a") == (100, "internal server error")
        assert two.push() == {"channel": "a", "subscribe": {}}  # the other one all the same
        api("Publish", channel="a", data=b"1")
        assert one.push()["pub"] == two.push()["pub"] == {"data": 1}
        quiet(two, api)


@pytest.mark.parametrize("name", ["x" * 300, "grüße", "a b", "closed:x", "$private"])
def test_subscribe_asks_nobody_for_permission(gush, api, name):
    with Hear("uni_sse", gush, "u") as client:
        api("Subscribe", user="u", channel=name)
        assert client.push() == {"channel": name, "subscribe": {}}


def test_an_empty_user_is_nobody_not_everybody(gush, api, kind):
    with Hear(kind, gush, "", ["mark"]) as anonymous, Hear(kind, gush, "u", ["mark"]) as user:
        api("Subscribe", channel="a")
        assert anonymous.push() == {"channel": "a", "subscribe": {}}
        quiet(user, api)
        assert anonymous.push()["channel"] == "mark"
        api("Unsubscribe", channel="a")
        assert anonymous.push() == {"channel": "a", "unsubscribe": UNSUBSCRIBE}
        api("Refresh")
        assert anonymous.push() == {"refresh": {}}
        api("Disconnect")
        assert anonymous.disconnect() == (3503, "force disconnect")
        quiet(user, api)


def narrowing(one, two):
    """Fields that mean |one| only, and fields that mean nobody."""
    yield {"client": one.id}, True
    yield {"session": one.connect["session"]}, True
    yield {"client": one.id, "session": one.connect["session"]}, True
    yield {"client": one.id, "session": two.connect["session"]}, False
    yield {"client": "nobody"}, False
    yield {"session": "none"}, False


def test_client_and_session_narrow_it_down(gush, api, kind):
    with Hear(kind, gush, "u", ["mark"]) as one, Hear(kind, gush, "u", ["mark"]) as two:
        for fields, meant in narrowing(one, two):
            for call, more, told in (
                    ("Subscribe", {"channel": "a"}, {"channel": "a", "subscribe": {}}),
                    ("Refresh", {}, {"refresh": {}}),
                    ("Unsubscribe", {"channel": "a"},
                     {"channel": "a", "unsubscribe": UNSUBSCRIBE})):
                api(call, user="u", **more, **fields)
                if meant:
                    assert one.push() == told
            api("Disconnect", user="u", **({"client": "x"} if meant else fields))
            quiet(one, api)
            assert two.push()["channel"] == "mark"
        api("Disconnect", user="v", client=one.id)  # of another user
        quiet(two, api)
        assert one.push()["channel"] == "mark"
        api("Disconnect", user="u", session=one.connect["session"])
        assert one.disconnect() == (3503, "force disconnect")
        quiet(two, api)


@pytest.mark.parametrize("method, fields", [
    ("Subscribe", {"channel": "a", "expire_at": 1}), ("Unsubscribe", {"channel": "a"}),
    ("Unsubscribe", {}), ("Disconnect", {}), ("Refresh", {}), ("Refresh", {"expire_at": 1}),
])
def test_nobody_connected_is_success(api, method, fields):
    api(method, user="nobody", **fields)


@pytest.mark.parametrize("past", [1, "now"])
def test_subscribe_until_the_past_is_an_error(gush, api, past):
    with Hear("uni_sse", gush, "u", ["mark"]) as client:
        assert error(api, "Subscribe", user="u", channel="a",
                     expire_at=int(time.time()) if past == "now" else past)[0] == 100
        quiet(client, api)
        assert "a" not in api("Channels").channels


@pytest.mark.parametrize("never", [0, -1, -2**63])
def test_subscribe_until_never(gush, api, never):
    with Hear("uni_sse", gush, "u") as client:
        api("Subscribe", user="u", channel="a", expire_at=never)
        assert client.push() == {"channel": "a", "subscribe": {}}


@pytest.mark.parametrize("far", [10**10, 10**13, 2**63 - 1])
def test_subscribe_until_the_far_future(gush, api, far):
    with Hear("uni_sse", gush, "u", ["mark"]) as client:
        api("Subscribe", user="u", channel="a", expire_at=far)
        assert client.push() == {"channel": "a", "subscribe": {}}
        quiet(client, api)


@ours_only  # it looks at expiry every 25 s only
def test_an_expired_subscription_ends_the_connection(serve, kind):
    server = serve({"client": {"expired_sub_close_delay": "1ms"}})
    api = server.api()
    with Hear(kind, server, "u") as client, Hear(kind, server, "w", ["mark"]) as other:
        api("Subscribe", user="u", channel="a", expire_at=soon(2))
        assert client.push() == {"channel": "a", "subscribe": {}}
        assert client.disconnect() == (3006, "subscription expired")
        quiet(other, api)


@ours_only  # the same
def test_a_subscription_that_was_left_does_not_expire(serve):
    server = serve({"client": {"expired_sub_close_delay": "1ms"}})
    api = server.api()
    with Hear("uni_sse", server, "u") as client:
        api("Subscribe", user="u", channel="a", expire_at=soon(2))
        api("Subscribe", user="u", channel="b", expire_at=soon(3))
        api("Unsubscribe", user="u", channel="a")
        assert [list(client.push())[1] for _ in range(3)] == ["subscribe", "subscribe",
                                                             "unsubscribe"]
        began = time.monotonic()
        assert client.disconnect() == (3006, "subscription expired")
        assert time.monotonic() - began > 1.0  # not of a's expiry


def test_over_the_channel_limit_the_connection_ends(serve, kind):
    server = serve({"client": {"channel_limit": 2}})
    api = server.api()
    with Hear(kind, server, "u", ["a", "b"]) as full, Hear(kind, server, "u", ["a"]) as free:
        api("Subscribe", user="u", channel="c")
        assert full.disconnect() == (3505, "channel limit")
        assert free.push() == {"channel": "c", "subscribe": {}}


@ours_only  # there the limit is looked at first, and the connection ends
def test_at_the_channel_limit_again_is_just_an_error(serve):
    server = serve({"client": {"channel_limit": 1}})
    api = server.api()
    with Hear("uni_sse", server, "u", ["mark"]) as client:
        assert error(api, "Subscribe", user="u", channel="mark")[0] == 100
        quiet(client, api)


@pytest.mark.parametrize("who", [
    {"label_filter": pb.FilterNode(key="k", cmp="eq", val="v")},
    {"label_filter": pb.FilterNode(op="nonsense", vals=["x"])},
    {"label_filter": pb.FilterNode(op="and", nodes=[pb.FilterNode(key="k")] * 5)},
    {"all_users": True},
], ids=["filter", "bad_filter", "tree", "all_users"])
def test_fields_of_the_pro_edition_are_ignored(gush, api, who):
    with Hear("uni_sse", gush, "u", ["mark"]) as user, Hear("uni_sse", gush) as anonymous:
        api("Subscribe", channel="a", **who)
        assert anonymous.push() == {"channel": "a", "subscribe": {}}
        api("Unsubscribe", channel="a", **who)
        assert anonymous.push() == {"channel": "a", "unsubscribe": UNSUBSCRIBE}
        api("Refresh", **who)
        assert anonymous.push() == {"refresh": {}}
        api("Disconnect", **who)
        assert anonymous.disconnect() == (3503, "force disconnect")
        quiet(user, api)


@pytest.mark.parametrize("payload", [b"\x00\xff", b"{"])
def test_a_payload_that_is_not_json_ends_only_who_speaks_json(gush, api, payload):
    with Hear("uni_sse", gush, "u") as json_client, Hear("uni_grpc", gush, "u") as grpc_client:
        assert error(api, "Subscribe", user="u", channel="a", data=payload)[0] == 100
        assert grpc_client.stream.push().subscribe.data == payload
        if not reference.BINARY:  # there it is subscribed, and never told so
            assert json_client.disconnect() == (3506, "inappropriate protocol")


# ---- unsubscribe

def test_unsubscribe(gush, api, kind):
    with Hear(kind, gush, "u", ["a", "mark"]) as client, Hear(kind, gush, "w", ["a"]) as other:
        api("Subscribe", user="u", channel="b")
        client.push()
        for channel in ("a", "b"):
            api("Unsubscribe", user="u", channel=channel)
            assert client.push() == {"channel": channel, "unsubscribe": UNSUBSCRIBE}
            api("Publish", channel=channel, data=b"1")
        quiet(client, api)
        assert other.push() == {"channel": "a", "pub": {"data": 1}}
        api("Subscribe", user="u", channel="a")
        assert client.push() == {"channel": "a", "subscribe": {}}
        api("Publish", channel="a", data=b"2")
        assert client.push()["pub"] == other.push()["pub"] == {"data": 2}


def test_unsubscribe_is_seen_by_the_others(gush, api):
    with Hear("uni_sse", gush, "w", ["who:a"]) as watcher, Hear("uni_sse", gush, "u") as client:
        watcher.push()
        api("Subscribe", user="u", channel="who:a")
        assert "subscribe" in client.push() and "join" in client.push()
        assert watcher.push()["join"]["info"]["client"] == client.id
        wait_until(lambda: client.id in api("Presence", channel="who:a").presence, what="presence")
        api("Unsubscribe", user="u", channel="who:a")
        assert watcher.push()["leave"]["info"]["client"] == client.id
        assert client.push() == {"channel": "who:a", "unsubscribe": UNSUBSCRIBE}
        assert list(api("Presence", channel="who:a").presence) == [watcher.id]


def test_unsubscribe_tells_also_who_is_not_subscribed(gush, api, kind):
    with Hear(kind, gush, "u", ["mark"]) as client:
        api("Unsubscribe", user="u", channel="nothing")
        assert client.push() == {"channel": "nothing", "unsubscribe": UNSUBSCRIBE}
        quiet(client, api)


def test_unsubscribe_without_a_channel_is_a_push_and_nothing_else(gush, api, kind):
    with Hear(kind, gush, "u", ["mark"]) as client:
        api("Unsubscribe", user="u")
        assert client.push() == {"unsubscribe": UNSUBSCRIBE}
        quiet(client, api)


def test_unsubscribe_errors(gush, api):
    with Hear("uni_sse", gush, "u", ["mark"]) as client:
        assert error(api, "Unsubscribe", user="u", channel="unknown:1") == (102, "unknown channel")
        quiet(client, api)


def test_what_was_published_before_is_heard_before(gush, api, kind):
    """A last word, then the end: the word is heard."""
    for number in range(20):
        with Hear(kind, gush, "u", ["a", "b"]) as client:
            api("Publish", channel="a", data=b"1")
            api("Unsubscribe", user="u", channel="a")
            api("Publish", channel="b", data=b"2")
            api("Publish", channel="a", data=b"3")
            if number % 2:
                api("Disconnect", user="u")
            else:
                api("Refresh", user="u", expired=True)
            assert client.push() == {"channel": "a", "pub": {"data": 1}}
            assert client.push() == {"channel": "a", "unsubscribe": UNSUBSCRIBE}
            assert client.push() == {"channel": "b", "pub": {"data": 2}}
            assert client.disconnect()[0] == (3503 if number % 2 else 3005)


# ---- disconnect

def test_disconnect(gush, api, kind):
    with Hear(kind, gush, "u") as one, Hear(kind, gush, "u") as two, \
            Hear(kind, gush, "v", ["mark"]) as other:
        api("Disconnect", user="u")
        for client in (one, two):
            assert client.disconnect() == (3503, "force disconnect")
        quiet(other, api)


@pytest.mark.parametrize("code, reason", [
    (5, "five"), (4000, ""), (4999, "grüße"), (0, "zero"), (0, ""), (2**32 - 1, "all"),
    (3503, "of my own"), (4000, "x" * 1000),
], ids=lambda value: str(value)[:9] or "none")
def test_disconnect_says_code_and_reason_as_given(gush, api, kind, code, reason):
    with Hear(kind, gush, "u") as client:
        api("Disconnect", user="u", disconnect=pb.Disconnect(code=code, reason=reason))
        assert client.disconnect() == (code, reason)


@pytest.mark.parametrize("code", [3000, 3008])
def test_disconnect_of_the_silent_kind(gush, api, kind, code):
    with Hear(kind, gush, "u") as client:
        api("Disconnect", user="u", disconnect=pb.Disconnect(code=code, reason="x"))
        client.ends()


def test_disconnect_spares_the_whitelist(gush, api, kind):
    clients = [Hear(kind, gush, "u", ["mark"]) for _ in range(6)]
    spared = {clients[number].id for number in (1, 4)}
    api("Disconnect", user="u", whitelist=["x", *spared, "", "zzz", *spared])
    for client in clients:
        if client.id not in spared:
            assert client.disconnect() == (3503, "force disconnect")
    quiet(clients[1], api)
    api("Disconnect", user="u", client=clients[1].id, whitelist=[clients[1].id])
    quiet(clients[1], api)
    for client in clients:
        client.__exit__()


# ---- refresh

def test_refresh(gush, api, kind):
    with Hear(kind, gush, "u", ["mark"], exp=soon(60)) as client:
        api("Refresh", user="u", expire_at=soon(300))
        refresh = client.push()["refresh"]
        assert refresh["expires"] is True and 297 <= refresh["ttl"] <= 300
        api("Refresh", user="u")
        assert client.push() == {"refresh": {}}
        quiet(client, api)


def test_refresh_of_who_does_not_expire(gush, api, kind):
    with Hear(kind, gush, "u") as client:
        api("Refresh", user="u", expire_at=soon(300))
        assert client.push()["refresh"]["expires"] is True


@pytest.mark.parametrize("fields", [
    {"expired": True}, {"expired": True, "expire_at": 2**40}, {"expire_at": 1},
    {"expire_at": "now"},
], ids=["expired", "both", "past", "now"])
def test_refresh_ends_the_expired(gush, api, kind, fields):
    if fields.get("expire_at") == "now":
        fields = {"expire_at": int(time.time())}
    with Hear(kind, gush, "u") as client, Hear(kind, gush, "v", ["mark"]) as other:
        api("Refresh", user="u", **fields)
        assert client.disconnect() == (3005, "connection expired")
        quiet(other, api)


# (The reference computes a wrong ttl for the smallest number.)
@pytest.mark.parametrize("expire_at", [-1, pytest.param(-2**63, marks=ours_only)])
def test_refresh_until_before_time_began_is_never(gush, api, expire_at):
    with Hear("uni_sse", gush, "u", ["mark"], exp=soon(60)) as client:
        api("Refresh", user="u", expire_at=expire_at)
        assert client.push() == {"refresh": {}}
        quiet(client, api)


@pytest.mark.parametrize("far", [10**10, 10**13, 2**63 - 1])
def test_refresh_promises_a_year_at_most(gush, api, far):
    with Hear("uni_sse", gush, "u", ["mark"]) as client:
        api("Refresh", user="u", expire_at=far)
        assert client.push() == {"refresh": {"expires": True, "ttl": 365 * 24 * 3600}}
        quiet(client, api)


def test_refresh_moves_the_expiry(serve, kind):
    server = serve({"client": {"expired_close_delay": "1ms"}})
    api = server.api()
    with Hear(kind, server, "u", exp=soon(2)) as longer, \
            Hear(kind, server, "v", exp=soon(2)) as never, \
            Hear(kind, server, "w", exp=soon(2)) as left, \
            Hear(kind, server, "x", exp=soon(300)) as shorter:
        api("Refresh", user="u", expire_at=soon(4))
        api("Refresh", user="v")
        api("Refresh", user="x", expire_at=soon(2))
        for client in (longer, never, shorter):
            assert "refresh" in client.push()
        assert left.disconnect() == (3005, "connection expired")
        assert shorter.disconnect() == (3005, "connection expired")
        api("Disconnect", user="v")
        assert never.disconnect() == (3503, "force disconnect")
        assert longer.disconnect() == (3005, "connection expired")


def conn_info(api, client, channel):
    api("Subscribe", user="u", channel=channel)
    assert client.push() == {"channel": channel, "subscribe": {}}
    return client.push()["join"]["info"].get("conn_info")


def test_refresh_replaces_the_info(gush, api, kind):
    with Hear(kind, gush, "u", info={"n": 1}) as client:
        assert conn_info(api, client, "who:a") == {"n": 1}
        api("Refresh", user="u", expire_at=soon(300), info=b'{"n":2}')
        assert "refresh" in client.push()
        assert conn_info(api, client, "who:b") == {"n": 2}
        api("Refresh", user="u", expire_at=soon(300))  # none given: the old one stays
        assert "refresh" in client.push()
        assert conn_info(api, client, "who:c") == {"n": 2}
        api("Refresh", user="u", info=b'{"n":3}')  # without an expiry it is not looked at
        assert client.push() == {"refresh": {}}
        assert conn_info(api, client, "who:d") == {"n": 2}


# ---- rpc

def test_rpc(api):
    assert error(api, "RPC") == (107, "bad request")
    assert error(api, "RPC", params=b"1") == (107, "bad request")
    assert error(api, "RPC", method="anything", params=b"{}") == (104, "not found")


# ---- batch

def batch(api, *commands, parallel=False):
    return list(api.reply("Batch", commands=[pb.Command(**command) for command in commands],
                          parallel=parallel).replies)


def test_batch(gush, api, kind):
    with Hear(kind, gush, "u") as client:
        replies = batch(
            api,
            {"subscribe": pb.SubscribeRequest(user="u", channel="a")},
            {"subscribe": pb.SubscribeRequest(user="u", channel="a")},
            {"publish": pb.PublishRequest(channel="a", data=b"1")},
            {"unsubscribe": pb.UnsubscribeRequest(user="u", channel="a")},
            {"publish": pb.PublishRequest(channel="a", data=b"2")},
            {"refresh": pb.RefreshRequest(user="u", expire_at=soon(300))},
            {"rpc": pb.RPCRequest()},
            {"rpc": pb.RPCRequest(method="x")},
            {"unsubscribe": pb.UnsubscribeRequest(user="u", channel="unknown:1")},
            {"disconnect": pb.DisconnectRequest(user="u")},
        )
        told = [reply.ListFields()[0][0].name for reply in replies]
        assert told == ["subscribe", "error", "publish", "unsubscribe", "publish", "refresh",
                        "error", "error", "error", "disconnect"]
        assert [reply.error.code for reply in replies] == [0, 100, 0, 0, 0, 0, 107, 104, 102, 0]
        assert client.push() == {"channel": "a", "subscribe": {}}
        assert client.push() == {"channel": "a", "pub": {"data": 1}}
        assert client.push() == {"channel": "a", "unsubscribe": UNSUBSCRIBE}
        assert client.push()["refresh"]["expires"] is True
        assert client.disconnect() == (3503, "force disconnect")


COMMANDS = (  # each with a result that is told apart by its place in the reply
    ("publish", pb.PublishRequest(channel="a", data=b"1")),
    ("broadcast", pb.BroadcastRequest(channels=["a"], data=b"1")),
    ("subscribe", pb.SubscribeRequest(user="u", channel="a")),
    ("unsubscribe", pb.UnsubscribeRequest(user="u", channel="a")),
    ("disconnect", pb.DisconnectRequest(user="u")),
    ("history", pb.HistoryRequest(channel="hist:a")),
    ("history_remove", pb.HistoryRemoveRequest(channel="hist:a")),
    ("presence", pb.PresenceRequest(channel="who:a")),
    ("presence_stats", pb.PresenceStatsRequest(channel="who:a")),
    ("info", pb.InfoRequest()),
    ("rpc", pb.RPCRequest(method="x")),
    ("refresh", pb.RefreshRequest(user="u")),
    ("channels", pb.ChannelsRequest()),
    ("map_stats", pb.MapStatsRequest(channel="a")),
)


def test_batch_runs_the_first_of_several(gush, api):
    gush.keeps_streams = True
    for first in range(len(COMMANDS) - 1):
        reply, = batch(api, dict(COMMANDS[first:]))
        name = COMMANDS[first][0]
        got = [descriptor.name for descriptor, _ in reply.ListFields()]
        assert got == ["error" if name == "rpc" else name]
        assert reply.error.code == (104 if name == "rpc" else 0)


def test_batch_does_not_know_everything(api):
    replies = batch(api, {}, {"connections": pb.ConnectionsRequest()},
                    {"block_user": pb.BlockUserRequest(user="u")},
                    {"connections": pb.ConnectionsRequest(), "rpc": pb.RPCRequest()})
    assert [reply.error.code for reply in replies] == [104, 104, 104, 107]
    assert replies[0].error.message == "not found"


def test_batch_side_by_side(gush, api):
    count = 1500
    with Hear("uni_grpc", gush, "u", ["mark"]) as client:
        replies = batch(api, *({"refresh": pb.RefreshRequest(user="u")} for _ in range(count)),
                        {"unsubscribe": pb.UnsubscribeRequest(user="u", channel="unknown:1")},
                        parallel=True)
        assert len(replies) == count + 1
        assert all(reply.HasField("refresh") for reply in replies[:-1])
        assert replies[-1].error.code == 102
        assert [client.push() for _ in range(count)] == [{"refresh": {}}] * count
        quiet(client, api)


# ---- statuses

def details(code, text, number):
    """google.rpc.Status with the error in it"""
    inner = field(1, code) + field(2, text)
    any_ = field(1, "type.googleapis.com/centrifugal.centrifugo.api.Error") + field(2, inner)
    return field(1, number) + field(2, text) + field(3, any_)


@pytest.mark.parametrize("method, fields, code, text, wanted", [
    ("Subscribe", {"channel": ""}, 107, "bad request", grpc.StatusCode.INVALID_ARGUMENT),
    ("Subscribe", {"channel": "a", "b64data": "!"}, 107, "bad request",
     grpc.StatusCode.INVALID_ARGUMENT),
    ("Subscribe", {"channel": "unknown:1"}, 102, "unknown channel", grpc.StatusCode.NOT_FOUND),
    ("Subscribe", {"user": "u", "channel": "mark"}, 100, "internal server error",
     grpc.StatusCode.INTERNAL),
    ("Unsubscribe", {"channel": "unknown:1"}, 102, "unknown channel", grpc.StatusCode.NOT_FOUND),
    ("RPC", {}, 107, "bad request", grpc.StatusCode.INVALID_ARGUMENT),
    ("RPC", {"method": "x"}, 104, "not found", grpc.StatusCode.NOT_FOUND),
    ("Presence", {"channel": "a"}, 108, "not available", grpc.StatusCode.INVALID_ARGUMENT),
    ("History", {"channel": "hist:a", "since": pb.StreamPosition(offset=1, epoch="other")}, 112,
     "unrecoverable position", grpc.StatusCode.OUT_OF_RANGE),
], ids=lambda value: value if isinstance(value, str) else "")
def test_errors_as_statuses(gush, method, fields, code, text, wanted):
    api = gush.api(mode="transport")
    with Hear("uni_sse", gush, "u", ["mark"]):
        with pytest.raises(grpc.RpcError) as caught:
            api(method, **fields)
    assert (caught.value.code(), caught.value.details()) == (wanted, text)
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["grpc-status-details-bin"] == details(code, text, wanted.value[0])
    assert gush.api()("Publish", channel="mark", data=b"1") is not None


def test_statuses_by_configuration(serve):
    server = serve({"grpc_api": {"error_mode": "transport"}})
    api = server.api()
    assert status(api, "RPC", method="x") == (grpc.StatusCode.NOT_FOUND, "not found")
    api("Refresh", user="nobody")
    assert batch(api, {"rpc": pb.RPCRequest(method="x")})[0].error.code == 104  # always inside


# ---- what is not here

@ours_only  # there they exist
@pytest.mark.parametrize("method, feature", [
    ("MapPublish", "map channels"), ("MapRemove", "map channels"), ("MapReadState", "map channels"),
    ("MapReadStream", "map channels"), ("MapStats", "map channels"), ("MapClear", "map channels"),
    ("SharedPollPublish", "shared poll channels"),
])
def test_missing_features_are_named(gush, api, method, feature):
    assert status(api, method) == (
        grpc.StatusCode.UNIMPLEMENTED,
        f"method {method} not implemented: this server has no {feature}")


@ours_only  # the same
def test_missing_features_in_a_batch(api):
    replies = batch(api, {"map_publish": pb.MapPublishRequest(channel="a", key="k")},
                    {"shared_poll_publish": pb.SharedPollPublishRequest(channel="a")},
                    {"map_clear": pb.MapClearRequest(), "map_stats": pb.MapStatsRequest()})
    assert [reply.error.code for reply in replies] == [104] * 3


@pytest.mark.parametrize("method", ["Connections", "BlockUser", "SendPushNotification",
                                    "DeviceRegister", "CancelPush"])
def test_methods_of_the_pro_edition(gush, api, method):
    assert status(api, method) == (
        grpc.StatusCode.UNIMPLEMENTED, f"method {method} not implemented")
    assert status(gush.api(key="wrong"), method)[0] == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("method", ["Subscribe", "Unsubscribe", "Disconnect", "Refresh", "RPC"])
def test_the_key_is_wanted(gush, method):
    assert status(gush.api(key=None), method) == (
        grpc.StatusCode.UNAUTHENTICATED, "unauthenticated")

"""Who may subscribe to what, how much of it, and what a connection must do to live."""
import time

import pytest

from consume import METHOD, Consume
from h2 import H2
from server import OPEN, PROTO
from sse import Sse
from tokens import token


def both(server, subs, text=""):
    """The disconnect code that both ways out answer to this connect request."""
    with Consume(server, list(subs), token=text, expect_connect=False) as rpc, \
            Sse(server.ports["http"], {"token": text, "subs": {name: {} for name in subs}},
                expect_connect=False) as web:
        answer = rpc.disconnect()
        assert web.disconnect() == answer
    return answer


def granted(server, subs, text=""):
    with Consume(server, list(subs), token=text) as rpc:
        return set(rpc.connect.subs)


# ---- permission

def test_unknown_namespace_in_the_request(gush):
    assert both(gush, ["unknown:1"]) == (3501, "bad request")
    assert both(gush, ["c", "unknown:1", "d"]) == (3501, "bad request")


def test_what_is_not_allowed_is_left_out(gush):
    assert granted(gush, ["closed:1", "c", "$private", "gr\u00fc\u00dfe", "x#1"]) == {"c", "x#1"}
    assert granted(gush, ["closed:1"]) == set()


def test_anonymous_subscribers(start):
    server = start({"channel": {"without_namespace": {"allow_subscribe_for_anonymous": False}}})
    assert granted(server, ["c"]) == set()
    assert granted(server, ["c"], token(sub="42")) == {"c"}


def test_user_limited_channels(start):
    server = start({"channel": {"namespaces": [
        {"name": "mine", "allow_user_limited_channels": True}]}})
    names = ["mine:a#42", "mine:b#41,42", "mine:c#41", "mine:d#", "mine:e"]
    assert granted(server, names, token(sub="42")) == {"mine:a#42", "mine:b#41,42"}
    assert granted(server, names) == set()


def test_insecure_clients_may_all(start):
    server = start({"client": {"insecure": True}})
    assert granted(server, ["closed:1", "c", "$private"]) == {"closed:1", "c"}


# ---- counts

def test_channel_limit(start):
    server = start({"client": {"channel_limit": 3}})
    assert granted(server, ["a", "b", "c"]) == {"a", "b", "c"}
    assert both(server, ["a", "b", "c", "d"]) == (3505, "channel limit")
    assert both(server, [], token(sub="42", channels=["a", "b", "c", "d"])) == \
        (3505, "channel limit")


def test_default_channel_limit_is_128(gush):
    names = [f"c{number}" for number in range(129)]
    assert len(granted(gush, names[:128])) == 128
    assert both(gush, names) == (3505, "channel limit")


def test_user_connection_limit(start):
    server = start({"client": {"user_connection_limit": 2}})
    text = token(sub="42")
    with Consume(server, ["c"], token=text) as one, Sse(server.ports["http"], {"token": text}):
        assert both(server, [], text) == (3504, "connection limit")
        with Consume(server, token=token(sub="43")), Consume(server), Consume(server):
            pass  # others, and anonymous ones, are not concerned
        server.publish("c", b"1")
        assert one.pub().data == b"1"
    server.wait_clients(0)
    with Consume(server, token=text), Consume(server, token=text):
        pass


def test_connection_limit(start):
    server = start({"client": {"connection_limit": 2}})
    with Sse(server.ports["http"]), Sse(server.ports["http"]):
        with Sse(server.ports["http"], expect_connect=False) as third:
            assert third.status == 503
            assert "access-control-allow-origin" not in third.headers
    server.wait_clients(0)
    with Sse(server.ports["http"]):
        pass


# ---- personal channels

def test_personal_channel(start):
    server = start({"client": {"subscribe_to_user_personal_channel": {"enabled": True}}})
    assert granted(server, [], token(sub="42")) == {"#42"}
    assert granted(server, []) == set()
    with Consume(server, token=token(sub="42")) as mine, Consume(server, token=token(sub="43")):
        server.publish("#42", b"1")
        assert (lambda push: (push.channel, push.pub.data))(mine.push()) == ("#42", b"1")


def test_personal_channel_in_a_namespace(start):
    server = start({
        "client": {"subscribe_to_user_personal_channel": {
            "enabled": True, "personal_channel_namespace": "me", "single_connection": True}},
        "channel": {"namespaces": [{"name": "me", "presence": True}]}})
    with Consume(server, token=token(sub="42")) as old:
        assert set(old.connect.subs) == {"me:#42"}
        with Consume(server, token=token(sub="42")) as new, Consume(server, token=token(sub="43")):
            assert old.disconnect() == (3504, "connection limit")
            server.publish("me:#42", b"1")
            assert new.pub().data == b"1"


# ---- time

def test_pings(start):
    server = start({"client": {"ping_interval": "1s", "pong_timeout": "500ms"}})
    with Sse(server.ports["http"]) as web:
        assert web.connect["ping"] == 1 and "pong" not in web.connect
        began = time.monotonic()
        assert [web.event(5) for _ in range(4)] == [b"{}"] * 4
        assert 3.2 <= time.monotonic() - began <= 6  # the first after half to one interval


def test_grpc_pings(start):
    server = start({"uni_grpc": {"ping_interval": "1s"}})
    with Consume(server) as rpc:
        assert rpc.connect.ping == 1
        assert [rpc.any_push(5).ByteSize() for _ in range(3)] == [0] * 3


def test_grpc_ping_interval_is_its_own(start):
    server = start({"client": {"ping_interval": "2s", "pong_timeout": "1s"}})
    with Consume(server) as rpc:
        assert rpc.connect.ping == 25


def test_call_without_a_request_is_ended(start):
    """Opens the stream and says nothing."""
    server = start({"client": {"stale_close_delay": "1s"}})
    with H2(server.ports["uni_grpc"]) as silent, Consume(server, ["c"]) as other:
        silent.open(METHOD)
        began = time.monotonic()
        assert silent.outcome(timeout_s=15) in ("trailers", "reset", "closed")
        assert 0.5 <= time.monotonic() - began
        server.publish("c", b"1")
        assert other.pub().data == b"1"


def test_names_of_namespaces_are_not_prefixes(start):
    server = start({"channel": {"namespaces": [dict(OPEN, name="ab"), dict(OPEN, name="abc")]}})
    assert granted(server, ["ab:1", "abc:1"]) == {"ab:1", "abc:1"}
    assert both(server, ["a:1"]) == (3501, "bad request")
    assert both(server, ["AB:1"]) == (3501, "bad request")


@pytest.mark.parametrize("name", [":x", ":", "a b", "*", "c" * 255])
def test_odd_channel_names(gush, name):
    request = {name: PROTO.uni.SubscribeRequest()}
    with Consume(gush, request) as rpc:
        assert set(rpc.connect.subs) == {name}
        gush.publish(name, b"1")
        assert rpc.push().channel == name

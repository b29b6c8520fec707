"""Coming back: what was missed is delivered, once, or the client is told that it cannot be."""
import pytest

from consume import Consume, position
from server import OPEN, wait_until
from sse import Sse

# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")

CHANNEL = "hist:1"


def filled(server, count, channel=CHANNEL, start=1):
    for number in range(start, start + count):
        result = server.publish(channel, b'{"n":%d}' % number)
    return result.epoch


def recover(server, offset, epoch, channel=CHANNEL):
    """The subscription's part of the connect push, from both ways out."""
    sub = {"recover": True, "offset": offset, "epoch": epoch}
    with Consume(server, {channel: position(offset, epoch)}) as rpc, \
            Sse(server.ports["http"], {"subs": {channel: sub}}) as web:
        result, same = rpc.connect.subs[channel], web.connect["subs"][channel]
    assert result.recovered == same.get("recovered", False)
    assert result.offset == same.get("offset", 0)
    assert result.epoch == same["epoch"]
    assert [pub.offset for pub in result.publications] == \
        [pub["offset"] for pub in same.get("publications", [])]
    return result


def missed(result):
    return [pub.offset for pub in result.publications]


def test_missed_publications_come_with_the_connect(gush):
    epoch = filled(gush, 5)
    result = recover(gush, 2, epoch)
    assert result.recovered and result.was_recovering and missed(result) == [3, 4, 5]
    assert [pub.data for pub in result.publications] == [b'{"n":3}', b'{"n":4}', b'{"n":5}']
    assert result.offset == 2 and result.epoch == epoch  # the offset of the request, echoed


def test_nothing_missed(gush):
    epoch = filled(gush, 5)
    result = recover(gush, 5, epoch)
    assert result.recovered and missed(result) == []


def test_from_the_beginning(gush):
    epoch = filled(gush, 5)
    result = recover(gush, 0, epoch)
    assert result.recovered and missed(result) == [1, 2, 3, 4, 5]


def test_without_epoch(gush):
    filled(gush, 3)
    result = recover(gush, 1, "")
    assert result.recovered and missed(result) == [2, 3]


def test_too_old(gush):
    epoch = filled(gush, 25)  # ten are kept: 16 to 25
    result = recover(gush, 14, epoch)
    assert result.was_recovering and not result.recovered and missed(result) == []
    assert result.offset == 25
    result = recover(gush, 15, epoch)
    assert result.recovered and missed(result) == list(range(16, 26))


def test_other_epoch(gush):
    epoch = filled(gush, 3)
    result = recover(gush, 1, "AAAAAAAA")
    assert result.was_recovering and not result.recovered and missed(result) == []
    assert (result.offset, result.epoch) == (3, epoch)


def test_beyond_the_top(gush):
    epoch = filled(gush, 3)
    result = recover(gush, 99, epoch)
    assert not result.recovered and missed(result) == [] and result.offset == 3


def test_after_history_was_removed(gush):
    epoch = filled(gush, 3)
    gush.api()("HistoryRemove", channel=CHANNEL)
    assert recover(gush, 3, epoch).recovered
    result = recover(gush, 2, epoch)
    assert not result.recovered and result.offset == 3


def test_after_history_expired(start):
    server = start({"channel": {"namespaces": [
        dict(OPEN, name="short", history_size=10, history_ttl="1s", force_recovery=True)]}})
    epoch = filled(server, 3, "short:1")
    api = server.api()
    wait_until(lambda: not api("History", channel="short:1", limit=-1).publications)
    assert recover(server, 3, epoch, "short:1").recovered
    assert not recover(server, 2, epoch, "short:1").recovered


def test_recovery_limit(start):
    server = start({"client": {"recovery_max_publication_limit": 5}})
    epoch = filled(server, 9)
    result = recover(server, 4, epoch)
    assert result.recovered and missed(result) == [5, 6, 7, 8, 9]
    result = recover(server, 3, epoch)
    assert not result.recovered and missed(result) == []


def test_without_recovery_in_the_namespace(start):
    server = start({"channel": {"namespaces": [
        dict(OPEN, name="short", history_size=10, history_ttl="300s")]}})
    epoch = filled(server, 3, "short:1")
    with Consume(server, {"short:1": position(1, epoch)}) as rpc:
        result = rpc.connect.subs["short:1"]
        assert not result.recoverable and not result.recovered and missed(result) == []


def test_cache_mode_gives_the_newest_only(start):
    server = start({"channel": {"namespaces": [
        dict(OPEN, name="short", history_size=10, history_ttl="300s", force_recovery=True,
             force_recovery_mode="cache")]}})
    epoch = filled(server, 5, "short:1")
    result = recover(server, 1, epoch, "short:1")
    assert result.recovered and missed(result) == [5]
    assert missed(recover(server, 5, epoch, "short:1")) == []
    result = recover(server, 1, "AAAAAAAA", "short:1")
    assert result.recovered and missed(result) == [5]


def test_many_channels_recover_together(gush):
    names = [f"hist:{number}" for number in range(50)]
    epochs = {name: filled(gush, number % 7 + 1, name) for number, name in enumerate(names)}
    with Consume(gush, {name: position(1, epochs[name]) for name in names}) as rpc:
        for number, name in enumerate(names):
            result = rpc.connect.subs[name]
            assert result.recovered, name
            assert missed(result) == list(range(2, number % 7 + 2)), name


def test_as_many_channels_as_allowed_recover_by_eventsource(gush):
    """EventSource can only GET: all positions of a client with channel_limit channels travel in
    one URL."""
    names = [f"hist:a-name-of-a-usual-length-{number}" for number in range(128)]
    subs = {name: {"recover": True, "offset": 1, "epoch": filled(gush, 2, name)} for name in names}
    with Sse(gush.ports["http"], {"subs": subs}) as web:
        for name in names:
            result = web.connect["subs"][name]
            assert result["recovered"] and len(result["publications"]) == 1, name


@pytest.mark.parametrize("transport", ["grpc", "sse"])
def test_no_gap_and_no_double_while_publishing_goes_on(gush, transport):
    """Cuts and comes back again and again in the middle of a flow."""
    api = gush.api()
    total, seen = 300, []
    gush.publish(CHANNEL, b"0")
    epoch = api("History", channel=CHANNEL).epoch
    calls, offset = [], 1

    def take(publications):
        nonlocal offset
        for number in publications:
            assert number == offset + 1, (number, offset)
            offset = number
            seen.append(number)

    while offset < total + 1:
        if len(calls) < total:
            calls += [api.future("Publish", channel=CHANNEL, data=b'{"n":1}') for _ in range(5)]
        if transport == "grpc":
            with Consume(gush, {CHANNEL: position(offset, epoch)}) as rpc:
                result = rpc.connect.subs[CHANNEL]
                assert result.recovered
                take(pub.offset for pub in result.publications)
                for _ in range(2):
                    if offset < min(len(calls), total) + 1:
                        take([rpc.pub().offset])
        else:
            sub = {"recover": True, "offset": offset, "epoch": epoch}
            with Sse(gush.ports["http"], {"subs": {CHANNEL: sub}}) as web:
                result = web.connect["subs"][CHANNEL]
                assert result["recovered"]
                take(pub["offset"] for pub in result.get("publications", []))
                for _ in range(2):
                    if offset < min(len(calls), total) + 1:
                        take([web.push()["pub"]["offset"]])
    assert seen == list(range(2, total + 2))
    assert all(call.result().error.code == 0 for call in calls)

"""Event ids of uni_sse: whoever comes back with the last one he saw goes on from there, or is told
that he cannot. The engine's own tests cut streams at every byte; test_browser_cut.py does so with a
browser."""
import json
import signal
import string
import time

import pytest

from push import Push
from sse import Sse, post_bytes, request_bytes
from server import wait_until

VERSIONS = ["1.0", "1.1", "2"]
ON = {"uni_http_stream": {"enabled": True}, "uni_grpc": {"on_http_port": True}}
SUBS = {"hist:a": {}, "hist:b": {}, "plain": {}}
ALPHABET = set(string.ascii_letters + string.digits + "-_.")


@pytest.fixture
def gush(start):
    server = start(ON)
    server.keeps_streams = True
    return server


def number(server, channel, count, first=1):
    for one in range(first, first + count):
        server.publish(channel, b"%d" % one)


def back(server, last_id, subs=None, version="1.1", transport="uni_sse", connect=None):
    """What the connect push says to who comes back: {channel: result}"""
    with Push(server.ports["http"], transport, version, connect or {"subs": subs or SUBS},
              headers=[f"Last-Event-ID: {last_id}"]) as stream:
        return stream.connect["subs"]


def missed(result):
    return [pub["data"] for pub in result.get("publications", [])]


def told(result):
    return result.get("was_recovering", False), result.get("recovered", False)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("channels", [["hist:a"], ["hist:a", "hist:b"]], ids=["one", "two"])
def test_every_id_is_a_place_to_go_on_from(gush, version, channels):
    subs = {channel: {} for channel in [*channels, "plain"]}
    seen = []  # (id, how much of each channel was heard up to there)
    with Push(gush.ports["http"], "uni_sse", version, {"subs": subs}, expect_connect=False) \
            as stream:
        hello = stream.message()
        assert set(json.loads(hello.data)["connect"]["subs"]) == set(subs)
        heard = dict.fromkeys(channels, 0)
        seen.append((hello.id, dict(heard)))
        for one in range(1, 5):
            for channel in [*channels, "plain"]:
                gush.publish(channel, b"%d" % one)
                message = stream.message()
                assert json.loads(message.data)["channel"] == channel
                if channel == "plain":
                    assert message.id is None
                    continue
                heard[channel] = one
                seen.append((message.id, dict(heard)))
    assert len({last_id for last_id, _ in seen}) == len(seen)
    for last_id, heard in seen:
        assert set(last_id) <= ALPHABET and len(last_id) < 100
        results = back(gush, last_id, subs, version)
        for channel in channels:
            assert told(results[channel]) == (True, True)
            assert missed(results[channel]) == list(range(heard[channel] + 1, 5))
        assert told(results["plain"]) == (False, False)


def test_post_and_the_connect_request_in_the_body(gush):
    with Sse(gush.ports["http"], {"subs": SUBS}) as stream:
        number(gush, "hist:a", 1)
        stream.push()
        last_id = stream.last_id
    number(gush, "hist:a", 2, first=2)
    with Push(gush.ports["http"], "uni_sse", "1.1", {"subs": SUBS}, method="POST",
              headers=[f"Last-Event-ID: {last_id}"]) as stream:
        assert missed(stream.connect["subs"]["hist:a"]) == [2, 3]


def test_the_id_is_newer_than_the_url(gush):
    """The browser asks for the same URL each time, with the positions of when the page was made."""
    number(gush, "hist:a", 3)
    with Sse(gush.ports["http"], {"subs": {"hist:a": {}}}) as stream:
        epoch = stream.connect["subs"]["hist:a"]["epoch"]
    url = {"subs": {"hist:a": {"recover": True, "offset": 1, "epoch": epoch}}}
    with Sse(gush.ports["http"], url) as stream:
        assert missed(stream.connect["subs"]["hist:a"]) == [2, 3]
        number(gush, "hist:a", 1, first=4)
        stream.push()
        last_id = stream.last_id
    number(gush, "hist:a", 1, first=5)
    assert missed(back(gush, last_id, connect=url)["hist:a"]) == [5]


def other(character):
    return "A" if character != "A" else "B"


def test_ids_that_are_not_ours(gush, start):
    with Sse(gush.ports["http"], {"subs": SUBS}) as stream:
        number(gush, "hist:a", 2)
        stream.push(), stream.push()
        good = stream.last_id
    stranger = start(ON)
    stranger.keeps_streams = True
    with Sse(stranger.ports["http"], {"subs": SUBS}) as stream:
        foreign = stream.last_id
    middle = len(good) // 2
    bad = [good[:-1], good[1:], good[:middle], good + "x", good + ".", good + "." + good,
           good[:middle] + other(good[middle]) + good[middle + 1:],
           other(good[0]) + good[1:], good[:-1] + other(good[-1]), foreign,
           "-", "0", "null", "%00", "x" * 3000, "." * 100, "\xe4\xf6"]
    for last_id in bad:
        results = back(gush, last_id)
        assert told(results["hist:a"]) == told(results["hist:b"]) == (True, False), last_id
        assert missed(results["hist:a"]) == [] and results["hist:a"]["offset"] == 2
        assert told(results["plain"]) == (False, False)
    assert told(back(gush, good)["hist:a"]) == (True, True)
    # And who was told goes on.
    with Push(gush.ports["http"], "uni_sse", "1.1", {"subs": SUBS},
              headers=["Last-Event-ID: junk"]) as stream:
        number(gush, "hist:a", 1, first=3)
        assert stream.push()["pub"] == {"data": 3, "offset": 3}


def test_without_an_id_nobody_is_recovering(gush):
    number(gush, "hist:a", 1)
    with Push(gush.ports["http"], "uni_sse", "1.1", {"subs": SUBS},
              headers=["Last-Event-ID;"]) as stream:  # the header, empty
        assert told(stream.connect["subs"]["hist:a"]) == (False, False)


def test_switched_off(start):
    server = start({"uni_sse": {"event_ids": False}})
    server.keeps_streams = True
    with Sse(server.ports["http"], {"subs": SUBS}) as stream:
        number(server, "hist:a", 1)
        stream.push()
        assert stream.last_id is None
    assert told(back(server, "junk")["hist:a"]) == (False, False)


def test_lines_have_no_ids(gush):
    assert told(back(gush, "junk", transport="uni_http_stream")["hist:a"]) == (False, False)


@pytest.mark.parametrize("secret", ["", "of all servers"], ids=["random-key", "same-key"])
def test_after_a_restart(start, secret):
    config = dict(ON, uni_sse={"event_id_secret": secret})
    first = start(config)
    with Sse(first.ports["http"], {"subs": SUBS}) as stream:
        number(first, "hist:a", 3)
        assert [stream.push()["pub"]["data"] for _ in range(3)] == [1, 2, 3]
        last_id = stream.last_id
    first.signal(signal.SIGKILL)
    first.process.wait(20)
    first.destroy()
    second = start(config)
    second.keeps_streams = True
    number(second, "hist:a", 3)  # the offset is the same, the stream is not
    results = back(second, last_id)
    assert told(results["hist:a"]) == told(results["hist:b"]) == (True, False)


def test_servers_with_one_secret_read_each_other(start):
    """Two servers of one history would need a broker; without one the id is read, and it is said
    that it is of another stream, not that it is none: a channel it does not have is not told."""
    config = dict(ON, uni_sse={"event_id_secret": "s"})
    one, two = start(config), start(config)
    one.keeps_streams = two.keeps_streams = True
    with Sse(one.ports["http"], {"subs": {"hist:a": {}}}) as stream:
        last_id = stream.last_id
    results = back(two, last_id)
    assert told(results["hist:a"]) == (True, False) and told(results["hist:b"]) == (False, False)
    results = back(two, "junk")
    assert told(results["hist:a"]) == told(results["hist:b"]) == (True, False)


def test_an_id_has_a_bound(gush):
    fitting = {f"hist:{n}": {} for n in range(60)}
    with Sse(gush.ports["http"], request=post_bytes(json.dumps({"subs": fitting}).encode())) \
            as stream:
        assert 1000 < len(stream.last_id) <= 2048
        last_id = stream.last_id
    number(gush, "hist:33", 2)
    assert missed(back(gush, last_id, {"hist:33": {}})["hist:33"]) == [1, 2]
    many = {f"hist:{n}": {} for n in range(100)}
    with Sse(gush.ports["http"], request=post_bytes(json.dumps({"subs": many}).encode())) \
            as stream:
        assert stream.last_id == "-"
        number(gush, "hist:33", 1, first=3)
        assert stream.push()["pub"]["data"] == 3 and stream.last_id == "-"
    assert all(told(result) == (True, False) for result in back(gush, "-", fitting).values())


def test_a_slow_reader_hears_where_he_is(start):
    """The queue fills while nothing is read: ids belong to what was sent, not to what was queued."""
    server = start({"channel": {"without_namespace": {"history_size": 1000,
                                                      "history_ttl": "300s",
                                                      "force_recovery": True}},
                    "client": {"queue_max_size": 64 << 20}})
    server.keeps_streams = True
    padding = "x" * 20000
    with Sse(server.ports["http"], request=request_bytes({"subs": {"a": {}, "b": {}}}),
             receive_buffer=4096) as slow:
        for one in range(150):
            server.publish("ab"[one % 2], json.dumps([one // 2 + 1, padding]).encode())
        heard = {"a": 0, "b": 0}
        for _ in range(70):
            push = slow.push()
            heard[push["channel"]] = push["pub"]["data"][0]
        last_id = slow.last_id
    assert 0 < sum(heard.values()) < 150
    results = back(server, last_id, {"a": {}, "b": {}})
    for channel in "ab":
        assert told(results[channel]) == (True, True)
        assert [data[0] for data in missed(results[channel])] == \
            list(range(heard[channel] + 1, 76))


def test_unsubscribed_meanwhile(gush):
    with Sse(gush.ports["http"], {"subs": SUBS}) as stream:
        number(gush, "hist:a", 1)
        stream.push()
        before = stream.last_id
        gush.api()("Unsubscribe", user="", channel="hist:a")
        assert "unsubscribe" in stream.push()
        assert len(stream.last_id) < len(before)
        last_id = stream.last_id
    number(gush, "hist:a", 1, first=2)
    number(gush, "hist:b", 1)
    results = back(gush, last_id)
    assert told(results["hist:a"]) == (False, False) and missed(results["hist:a"]) == []
    assert told(results["hist:b"]) == (True, True) and missed(results["hist:b"]) == [1]


def test_publishing_goes_on_while_streams_are_cut(start):
    """A hundred short visits, each with the id of the one before: everything once, in order."""
    server = start({"channel": {"without_namespace": {"history_size": 5000,
                                                      "history_ttl": "300s",
                                                      "force_recovery": True}}})
    server.keeps_streams = True
    heard, last_id, published = [], None, 0
    deadline = time.monotonic() + 60
    for visit in range(100):
        assert time.monotonic() < deadline
        headers = [f"Last-Event-ID: {last_id}"] if last_id else []
        with Sse(server.ports["http"], {"subs": {"a": {}}}, headers=headers) as stream:
            result = stream.connect["subs"]["a"]
            assert told(result) == (visit > 0, visit > 0)
            heard += missed(result)
            for _ in range(visit % 4):
                published += 1
                server.publish("a", b"%d" % published)
            for _ in range(visit % 3 if visit % 4 == 3 else 0):
                heard.append(stream.push()["pub"]["data"])
            last_id = stream.last_id
    wait_until(lambda: server.live()["clients"] == 0)
    heard += missed(back(server, last_id, {"a": {}})["a"])
    assert heard == list(range(1, published + 1)) and published == 150

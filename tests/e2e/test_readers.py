"""Many readers, slow readers, readers that vanish: nobody else may notice."""
import json
import threading
import time

import pytest

from consume import METHOD, Consume
from crowd import Crowd
from proxy import CutProxy
from server import OPEN, PROTO, sanitized, wait_until
from sse import Ended, Sse
from streams import Streams

MIB = 1 << 20


def payload(number, size=0):
    return b'{"seq":%d,"fill":"%s"}' % (number, b"x" * size)


def flood(server, channel, first, count, size=0, per_call=20):
    """Publishes as fast as it is answered; returns when all of it was accepted. Several in one
    batch, one batch after the other: calls under way at the same time have no order."""
    api = server.api()
    numbers = list(range(first, first + count))
    for at in range(0, count, per_call):
        commands = [PROTO.api.Command(publish=PROTO.api.PublishRequest(
            channel=channel, data=payload(number, size))) for number in numbers[at:at + per_call]]
        replies = api.reply("Batch", commands=commands).replies
        assert all(reply.HasField("publish") for reply in replies), replies
    api.grpc_channel.close()


class Listener:
    """Counts the publications of a stream in a thread."""

    def __init__(self, stream, take):
        self.received, self.wrong = 0, ""
        self.stream, self.take = stream, take
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        try:
            while True:
                data = self.take()
                if not data.startswith(b'{"seq":%d,' % (self.received + 1)):
                    self.wrong = f"{data[:40]} after {self.received}"
                    return
                self.received += 1
        except (Ended, TimeoutError, AssertionError, OSError, ValueError) as error:
            self.wrong = f"{error!r} after {self.received}"

    def expect(self, count, timeout_s=60):
        wait_until(lambda: self.received >= count or self.wrong, timeout_s,
                   f"{count} publications, {self.received} came")
        assert not self.wrong and self.received == count, (self.received, self.wrong)


def rpc_listener(rpc):
    return Listener(rpc, lambda: rpc.pub(60).data)


def web_listener(web):
    def take():
        data = web.raw_push(60)
        at = data.index(b'"data":') + 7
        return data[at:]
    return Listener(web, take)


def test_flood_into_a_large_channel(gush):
    """Two thousand readers; nothing lost, nothing twice, in order."""
    readers, publications = 2000, 200
    with Crowd(gush.ports["http"], "c", readers) as crowd, Consume(gush, ["c"]) as rpc:
        assert gush.live()["clients"] == readers + 1
        listener = rpc_listener(rpc)
        publisher = threading.Thread(target=flood, args=(gush, "c", 1, publications))
        publisher.start()
        wrong = crowd.expect(publications, 180)
        publisher.join()
        assert not wrong, wrong[:10]
        listener.expect(publications)
    gush.wait_clients(0, 30)


def test_flood_of_batches(gush):
    commands = [PROTO.api.Command(publish=PROTO.api.PublishRequest(channel="c", data=payload(n)))
                for n in range(1, 5001)]
    with Consume(gush, ["c"]) as rpc, Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        listeners = [rpc_listener(rpc), web_listener(web)]
        for at in range(0, 5000, 500):
            gush.api().reply("Batch", commands=commands[at:at + 500])
        for listener in listeners:
            listener.expect(5000)


@pytest.mark.parametrize("transport", ["sse", "grpc"])
def test_reader_that_stops(start, transport):
    """It is disconnected when its queue is full; the server's memory stays bounded, and the other
    readers of the channel hear everything."""
    server = start({"client": {"queue_max_size": 256 * 1024}})
    with Consume(server, ["c"]) as rpc, Sse(server.ports["http"], {"subs": {"c": {}}}) as web:
        listeners = [rpc_listener(rpc), web_listener(web)]
        if transport == "sse":
            stopped = [Sse(server.ports["http"], {"subs": {"c": {}}}, receive_buffer=4096)
                       for _ in range(5)]
        else:
            stopped = [Stopped(server, "c") for _ in range(5)]
        server.wait_clients(7)
        before, published = server.rss(), 0
        # Kernel buffers on both sides swallow some megabytes before the server feels anything.
        while server.live()["clients"] > 2:
            assert published < 4000, f"still {server.live()} after {published * 32 // 1024} MiB"
            # Half a queue at a time, so that who reads at all is never over the limit.
            flood(server, "c", published + 1, 4, 32 * 1024)
            published += 4
            for listener in listeners:
                listener.expect(published)
        grown = server.rss() - before
        for one in stopped:
            one.close()
        if not sanitized():
            assert grown < 32 * MIB, f"{grown / MIB:.1f} MiB"


class Stopped:
    """A Consume stream of which nothing is read behind the connect push."""

    def __init__(self, server, channel):
        self.channel = server.channel("uni_grpc")
        request = PROTO.uni.ConnectRequest(subs={channel: PROTO.uni.SubscribeRequest()})
        self.call = self.channel.unary_stream(
            METHOD, response_deserializer=PROTO.uni.Push.FromString)(request.SerializeToString())
        assert next(self.call).HasField("connect")

    def close(self):
        self.call.cancel()
        self.channel.close()


def test_reader_that_stops_under_a_trickle(start):
    """Too little to fill a queue, but too old: the age limit of the queue."""
    server = start({"client": {"queue_max_age": "1s"}})
    with Sse(server.ports["http"], {"subs": {"c": {}}}, receive_buffer=4096), \
            Consume(server, ["c"]) as rpc:
        flood_size = 8 * 1024
        published = 0
        # Enough to fill the kernel's buffers, then a little more every 0.1 s.
        while server.live()["clients"] == 2 and published < 3000:
            burst = 50 if published < 1500 else 2
            flood(server, "c", published + 1, burst, flood_size)
            published += burst
            time.sleep(0.02 if burst == 50 else 0.1)
        assert server.live()["clients"] == 1
        numbers = [rpc.pub().data for _ in range(published)]
        assert len(numbers) == published


def test_clients_that_vanish(gush):
    """RST instead of a goodbye, in the middle of a flow."""
    with Consume(gush, ["c"]) as rpc:
        listener = rpc_listener(rpc)
        published = 0
        for _ in range(10):
            streams = [Sse(gush.ports["http"], {"subs": {"c": {}}}) for _ in range(20)]
            flood(gush, "c", published + 1, 20, 1000)
            published += 20
            for stream in streams:
                stream.reset()
            flood(gush, "c", published + 1, 20, 1000)
            published += 20
        gush.wait_clients(1)
        listener.expect(published)


def test_grpc_clients_that_vanish(gush):
    with CutProxy(gush.ports["uni_grpc"]) as proxy, Consume(gush, ["c"]) as rpc:
        listener = rpc_listener(rpc)
        streams = [Consume(gush, ["c"], address=f"127.0.0.1:{proxy.port}") for _ in range(20)]
        flood(gush, "c", 1, 50, 1000)
        proxy.cut()
        flood(gush, "c", 51, 50, 1000)
        gush.wait_clients(1)
        listener.expect(100)
        for stream in streams:
            stream.close()


def test_half_closed_reader(gush):
    """Who only says that it will not send any more still wants to read, or is gone; it may not
    stay for ever without being either."""
    import socket
    with Sse(gush.ports["http"], {"subs": {"c": {}}}) as web:
        web.socket.shutdown(socket.SHUT_WR)
        gush.publish("c", b"1")
        try:
            assert web.push()["pub"]["data"] == 1
        except Ended:
            pass
    gush.wait_clients(0)


def test_many_connects_at_once(gush):
    """A burst of connects and disconnects leaves nothing behind."""
    def come_and_go():
        for _ in range(40):
            with Sse(gush.ports["http"], {"subs": {"who:1": {}}}):
                pass

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gush.wait_clients(0)
    assert len(gush.api()("Presence", channel="who:1").presence) == 0


# ---- gRPC readers that stop, by HTTP/2's own means

SMALL = 256 * 1024  # bytes of a queue
SLOW = "gush_client_slow_disconnects"
POLICIES = {"client": {"queue_max_size": SMALL},
            "prometheus": {"enabled": True},
            "channel": {"namespaces": [
                dict(OPEN, name="drop", queue_policy="drop_oldest"),
                dict(OPEN, name="last", queue_policy="latest"),
                dict(OPEN, name="hist", history_size=10, history_ttl="300s", force_recovery=True),
            ]}}


def metric(server, name, **labels):
    """The sum of the series of |name| that have these labels."""
    total = 0
    for line in server.http("GET", "/metrics")[2].decode().splitlines():
        if line.startswith(name + "{") and all(f'{key}="{value}"' in line
                                               for key, value in labels.items()):
            total += float(line.rsplit(" ", 1)[1])
    return total


def stopped_queue(server):
    """What the slowest connection has waiting, as /debug/slow tells."""
    slow = json.loads(server.http("GET", "/debug/slow")[2])
    return slow["slowest"][0] if slow["slowest"] else None


def test_closed_window_ends_by_policy(start):
    """The stream's queue fills, 3008 ends the stream and nothing else; its memory goes back."""
    server = start(POLICIES)
    with Consume(server, ["c"]) as rpc, Streams(server.ports["uni_grpc"], window=0) as streams:
        listener = rpc_listener(rpc)
        # 0 lets not even the connect push through: the stream is opened, and that is all.
        stopped = streams.consume_blindly("c")
        server.wait_clients(2)
        before, published = server.rss(), 0
        while server.live()["clients"] > 1:
            assert published < 200, server.http("GET", "/debug/slow")
            flood(server, "c", published + 1, 4, 16 * 1024)
            published += 4
            listener.expect(published)
        streams.read(lambda: stopped in streams.ends)
        assert streams.pushes[stopped] == []  # a status, no message
        again = streams.consume_blindly("c")  # the connection is as good as before
        server.wait_clients(2)
        streams.reset(again)
        server.wait_clients(1)
        assert metric(server, "centrifugo_client_num_server_disconnects", code="3008") == 1
        assert metric(server, SLOW, transport="uni_grpc", policy="disconnect",
                      channel_namespace="") == 1
        if not sanitized():
            assert server.rss() < before * 1.2
    line = next(line for line in server.log_lines() if line.get("message") == "slow client")
    assert line["channel"] == "c" and line["transport"] == "uni_grpc" and len(line["client"]) == 36
    assert line["queued_bytes"] > SMALL and line["queued_messages"] > 1 and "oldest_ms" in line


def filled_and_resumed(server, channel, policy):
    """Floods |channel| while a reader stands still for much longer than its queue; lets it go on.
    Returns what it got, and how many there were."""
    published = 0
    with Streams(server.ports["uni_grpc"], window=20000) as streams, \
            Consume(server, [channel]) as rpc:
        listener = rpc_listener(rpc)
        one = streams.consume(channel)
        streams.stop(one)
        while metric(server, "gush_client_dropped_publications", channel_namespace=policy) == 0 or \
                published < 100:
            flood(server, channel, published + 1, 10, 8 * 1024)
            published += 10
            listener.expect(published)
            assert published < 1000
        assert stopped_queue(server)["bytes"] < 2 * SMALL
        assert server.live()["clients"] == 2
        streams.go_on(one)
        streams.read(lambda: streams.numbers(one) and streams.numbers(one)[-1] == published)
        flood(server, channel, published + 1, 1)
        streams.read(lambda: streams.numbers(one)[-1] == published + 1)
        return streams.numbers(one), published + 1


@pytest.mark.parametrize("policy", ["drop", "last"])
def test_stopped_reader_resumes_by_policy(start, policy):
    server = start(POLICIES)
    numbers, published = filled_and_resumed(server, f"{policy}:1", policy)
    assert numbers == sorted(set(numbers)), "in order, nothing twice"
    assert numbers[0] == 1 and numbers[-2:] == [published - 1, published], "the newest is there"
    gap = max(b - a for a, b in zip(numbers, numbers[1:]))
    assert gap > 1 and len(numbers) < published
    # One gap for what was dropped at the front; of `latest` there may be one per full queue.
    if policy == "drop":
        kept = published - numbers[[b - a for a, b in zip(numbers, numbers[1:])].index(gap)]
        assert kept > SMALL * 0.5 / (8 * 1024)
    assert metric(server, SLOW) == 0


def test_paused_reader_below_the_limits_loses_nothing(start):
    server = start(POLICIES)
    with Streams(server.ports["uni_grpc"], window=1000) as streams:
        one = streams.consume("hist:1")
        streams.stop(one)
        server.note_channel("hist:1")
        for round_ in range(3):
            first = round_ * 30 + 1
            flood(server, "hist:1", first, 30, 4 * 1024)
            wait_until(lambda: (stopped_queue(server) or {}).get("bytes", 0) > 100_000)
            assert stopped_queue(server)["channel"] == "hist:1"
            streams.go_on(one)
            streams.read(lambda: len(streams.numbers(one)) == first + 29)
            streams.stop(one)
        assert streams.numbers(one) == list(range(1, 91))
        assert [push.pub.offset for push in streams.pushes[one]] == list(range(1, 91))


def test_one_stream_of_many_stops(start):
    """Its own window closes; the others of the same connection hear everything meanwhile."""
    server = start(POLICIES)
    with Streams(server.ports["uni_grpc"], window=16384) as streams:
        many = [streams.consume("c") for _ in range(20)]
        streams.stop(many[7])
        others = [stream for stream in many if stream != many[7]]
        published = 0
        while many[7] not in streams.ends:
            assert published < 200
            flood(server, "c", published + 1, 4, 16 * 1024)
            published += 4
            streams.read(lambda: all(len(streams.numbers(stream)) == published
                                     for stream in others))
        assert list(streams.ends) == [many[7]]
        assert all(streams.numbers(stream) == list(range(1, published + 1)) for stream in others)
        server.wait_clients(19)


def test_socket_that_is_not_read(start):
    """One hundred streams on a socket of which nothing is read: each costs its queue at most, and
    all of it goes back."""
    server = start(POLICIES)
    with Consume(server, ["c"]) as rpc:
        listener = rpc_listener(rpc)
        published, figures = 0, []  # twice: what the library keeps for good is there then
        for _ in range(2):
            before = server.rss()
            with Streams(server.ports["uni_grpc"], window=1 << 20) as streams:
                for _ in range(100):
                    streams.consume("c")
                slow = metric(server, SLOW) + 100
                while metric(server, SLOW) < slow:
                    assert published < 2000
                    flood(server, "c", published + 1, 4, 16 * 1024)
                    published += 4
                    listener.expect(published)
                # The library gives their writes back when the socket is read again, or closed.
                assert json.loads(server.http("GET", "/debug/slow")[2])["bytes"] < 100 * 2 * SMALL
                peak = server.rss()
            server.wait_clients(1)
            figures.append((before, peak, server.rss()))
        before, peak, after = figures[-1]
        print(f"resident MiB: {[tuple(round(n / MIB, 1) for n in one) for one in figures]}")
        if not sanitized():
            assert peak - before < 32 * MIB, figures  # publications are shared, not copied
            wait_until(lambda: server.rss() < before * 1.2, what="memory goes back")

"""Many readers, slow readers, readers that vanish: nobody else may notice."""
import threading
import time

import pytest

from consume import METHOD, Consume
from crowd import Crowd
from proxy import CutProxy
from server import PROTO, sanitized, wait_until
from sse import Ended, Sse

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

#!/usr/bin/env python3
"""Subscribes over the gRPC Consume stream and prints what comes.

Reconnects with growing, random pauses, and asks the server for what it missed: the position (epoch
and offset) of the last publication of each channel goes into the next connect request.
"""
import argparse
import asyncio
import os
import signal
import sys

import grpc

import gushproto
import wire

CONNECT_TIMEOUT_S = 10  # until the first push
PING_GRACE_S = 10       # nothing for the ping interval and this long: the connection is dead


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wire.add_arguments(parser, "127.0.0.1:11000")
    parser.add_argument("--channel", action="append", help="may be repeated (metrics:host)")
    parser.add_argument("--token", default=os.environ.get("GUSH_TOKEN", ""),
                        help="connection JWT; default: environment GUSH_TOKEN, else anonymous")
    parser.add_argument("--count", type=int, default=0,
                        help="end after so many publications; 0 = go on")
    options = parser.parse_args()
    options.channel = options.channel or ["metrics:host"]
    return options


def say(line, **where):
    print(line, flush=True, **where)


class Enough(Exception):
    """As many publications as wanted."""


class Refused(Exception):
    """The server does not want us, and it will not change its mind."""


class Lost(Exception):
    """The connection is over; another one may work."""


class Subscriber:
    def __init__(self, options):
        self.options = options
        self.proto = gushproto.load()
        self.positions = {}  # channel: [epoch, offset], where the server keeps history
        self.received = 0
        self.attempt = 0

    # -- pushes

    def on_publication(self, channel, publication):
        if channel in self.positions:
            self.positions[channel][1] = publication.offset
        say(f"{channel} #{publication.offset} {publication.data.decode('utf-8', 'replace')}")
        self.received += 1
        if self.received == self.options.count:
            raise Enough

    def on_subscribed(self, channel, result):
        known = self.positions.pop(channel, None)
        recovered = "-" if known is None else "yes" if result.recovered else "no"
        say(f"subscribed {channel} recovered={recovered} offset={result.offset}")
        if recovered == "no":
            say(f"lost {channel}")
        if result.recoverable:
            # What was recovered comes now, one by one: the position moves with it.
            self.positions[channel] = [result.epoch,
                                       known[1] if result.recovered else result.offset]
        for publication in result.publications:
            self.on_publication(channel, publication)

    def on_connect(self, connect):
        say(f"connected {connect.client}")
        self.attempt = 0
        for channel in self.options.channel:
            if channel not in connect.subs:
                raise Refused(f"refused {channel}")
            self.on_subscribed(channel, connect.subs[channel])

    def on_disconnect(self, disconnect):
        line = f"disconnected {disconnect.code} {disconnect.reason}"
        if 3500 <= disconnect.code <= 3999 or 4500 <= disconnect.code <= 4999:
            raise Refused(line)
        say(line, file=sys.stderr)
        raise Lost(line)

    # -- connection

    def request(self):
        def position(channel):
            if channel not in self.positions:
                return self.proto.uni.SubscribeRequest()
            epoch, offset = self.positions[channel]
            return self.proto.uni.SubscribeRequest(recover=True, epoch=epoch, offset=offset)
        return self.proto.uni.ConnectRequest(
            token=self.options.token, name="python-example",
            subs={channel: position(channel) for channel in self.options.channel})

    async def consume(self):
        """One connection, until it is over."""
        async with wire.channel(self.options, grpc.aio) as channel:
            call = self.proto.uni_rpc.CentrifugoUniStreamStub(channel).Consume(self.request())
            patience_s = CONNECT_TIMEOUT_S
            while True:
                push = await asyncio.wait_for(call.read(), patience_s)
                if push is grpc.aio.EOF:
                    raise Lost("the stream ended")
                if push.HasField("connect"):
                    ping_s = push.connect.ping  # 0: no pings, only gRPC's keepalive can tell
                    patience_s = ping_s + PING_GRACE_S if ping_s else None
                    self.on_connect(push.connect)
                elif push.HasField("pub"):
                    self.on_publication(push.channel, push.pub)
                elif push.HasField("disconnect"):
                    self.on_disconnect(push.disconnect)
                # An empty push is a ping; it has done its work by coming.

    async def run(self):
        while True:
            try:
                await self.consume()
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name}: {error.details()}"
            except asyncio.TimeoutError:
                reason = "the server is silent"
            except Lost as lost:
                reason = str(lost)
            pause_s = wire.backoff_s(self.attempt)
            self.attempt += 1
            say(f"reconnecting in {pause_s * 1000:.0f} ms: {reason}", file=sys.stderr)
            await asyncio.sleep(pause_s)


async def main():
    running = asyncio.ensure_future(Subscriber(arguments()).run())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    try:
        await running
    except (asyncio.CancelledError, Enough):
        return 0
    except Refused as refused:
        say(refused, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

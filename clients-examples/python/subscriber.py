#!/usr/bin/env python3
"""Subscribes over the gRPC Consume stream and prints every push.

Reconnects with growing pauses, and asks the server for what it missed: the position (epoch and
offset) of the last publication goes into the next connect request.
"""
import argparse
import json
import os
import random
import shutil
import signal
import sys
import threading
import time

import grpc

import gushproto

RETRY_FIRST_S, RETRY_MAX_S = 0.2, 10.0
CONNECT_TIMEOUT_S = 10  # until the first push
PING_SLACK_S = 10       # nothing for the ping interval and this long: the connection is dead


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uni", default="127.0.0.1:11000", help="gRPC stream port (%(default)s)")
    parser.add_argument("--channel", default="metrics:host", help="(%(default)s)")
    parser.add_argument("--token", default=os.environ.get("GUSH_TOKEN", ""),
                        help="connection JWT; default: environment GUSH_TOKEN, else anonymous")
    parser.add_argument("--count", type=int, default=0,
                        help="stop after so many publications; 0 = go on")
    parser.add_argument("--full", action="store_true", help="do not cut lines to the terminal")
    return parser.parse_args()


def terminal(code):
    """Whether a disconnect with |code| means: do not come back."""
    return 3500 <= code <= 3999 or 4500 <= code <= 4999


class Subscriber:
    def __init__(self, options):
        self.options = options
        self.proto = gushproto.load()
        self.epoch, self.offset, self.known = "", 0, False  # our position in the channel
        self.received = 0
        self.stop = threading.Event()
        self.call = None
        self.deadline = 0.0  # the watchdog ends the call when it passes
        self.failure = ""

    # -- output

    def say(self, text):
        print(f"-- {text}", flush=True)

    def show(self, publication, note=""):
        text = publication.data.decode("utf-8", "replace")
        try:
            sent_ms = json.loads(text)["t"]
            latency = f" {time.time() * 1000 - sent_ms:6.1f} ms"
        except (ValueError, TypeError, KeyError):
            latency = ""
        line = f"{self.options.channel} #{publication.offset}{latency}{note} {text}"
        if not self.options.full and sys.stdout.isatty():
            line = line[:shutil.get_terminal_size().columns - 1]
        print(line, flush=True)

    # -- pushes

    def on_publication(self, publication, note=""):
        if self.known and publication.offset != self.offset + 1:
            self.say(f"expected #{self.offset + 1}, got #{publication.offset}")
        self.offset = publication.offset  # 0 in a channel without history
        self.show(publication, note)
        self.received += 1
        if self.received == self.options.count:
            self.stop.set()

    def on_connect(self, connect):
        self.ping_s = connect.ping
        result = connect.subs.get(self.options.channel)
        if result is None:
            self.failure = f"the server does not let us subscribe to {self.options.channel}"
            self.stop.set()
            return
        self.say(f"connected, client {connect.client}")
        if result.recovered:
            self.say(f"recovered {len(result.publications)} missed since #{self.offset}")
            for publication in result.publications:
                self.on_publication(publication, " (recovered)")
        else:
            if result.was_recovering:
                self.say(f"could not recover from #{self.offset}: the history is gone; "
                         f"going on from #{result.offset}")
            self.offset = result.offset
        self.epoch, self.known = result.epoch, result.recoverable

    def on_push(self, push):
        if push.HasField("connect"):
            self.on_connect(push.connect)
        elif push.HasField("pub"):
            self.on_publication(push.pub)
        elif push.HasField("disconnect"):
            reason = f"{push.disconnect.code} {push.disconnect.reason}"
            self.say(f"disconnected: {reason}")
            if terminal(push.disconnect.code):
                self.failure = f"the server sent us away: {reason}"
                self.stop.set()
        elif push.ByteSize() > 0:  # an empty push is a ping
            self.say(str(push).replace("\n", " "))

    # -- connection

    def request(self):
        position = self.proto.uni.SubscribeRequest()
        if self.known:
            position = self.proto.uni.SubscribeRequest(
                recover=True, epoch=self.epoch, offset=self.offset)
        return self.proto.uni.ConnectRequest(
            token=self.options.token, name="python-example",
            subs={self.options.channel: position})

    def watch(self):
        while not self.stop.wait(0.5):
            if self.call and time.monotonic() > self.deadline:
                self.say("the server is silent")
                self.call.cancel()
        if self.call:
            self.call.cancel()

    def consume(self):
        """One connection. Returns whether it got as far as the connect push."""
        connected = False
        self.ping_s = CONNECT_TIMEOUT_S
        self.deadline = time.monotonic() + CONNECT_TIMEOUT_S
        with grpc.insecure_channel(self.options.uni) as channel:
            stub = self.proto.uni_rpc.CentrifugoUniStreamStub(channel)
            self.call = stub.Consume(self.request())
            try:
                for push in self.call:
                    connected = True
                    self.on_push(push)
                    self.deadline = time.monotonic() + self.ping_s + PING_SLACK_S
                    if self.stop.is_set():
                        break
            except grpc.RpcError as error:
                if not self.stop.is_set():
                    self.say(f"{error.code().name}: {error.details()}")
            finally:
                self.call.cancel()
                self.call = None
        return connected

    def run(self):
        threading.Thread(target=self.watch, daemon=True).start()
        pause = RETRY_FIRST_S
        while not self.stop.is_set():
            if self.consume():
                pause = RETRY_FIRST_S
            if not self.stop.is_set():
                self.stop.wait(random.uniform(pause / 2, pause))
                pause = min(2 * pause, RETRY_MAX_S)
        if self.failure:
            raise SystemExit(f"subscriber: {self.failure}")


def main():
    subscriber = Subscriber(arguments())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: subscriber.stop.set())
    subscriber.run()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Publishes this machine's live metrics through the gRPC API, five times a second.

The payload is {"t", "cpu", "mem", "net", "n"}; see hostmetrics.py. "n" counts the publications of
this run without a gap: after a failed call the same number is tried again with a new sample, under
the same idempotency key, so that a call whose answer got lost is not published twice.
"""
import argparse
import json
import os
import signal
import sys
import threading
import uuid

import grpc

import gushproto
import hostmetrics

CALL_TIMEOUT_S = 5
RETRY_FIRST_S, RETRY_MAX_S = 0.2, 5.0


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--api", default="127.0.0.1:10000", help="gRPC API (%(default)s)")
    parser.add_argument("--key", default=os.environ.get("GUSH_API_KEY", ""),
                        help="API key; default: environment GUSH_API_KEY")
    parser.add_argument("--channel", default="metrics:host", help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=5.0, help="per second (%(default)s)")
    parser.add_argument("--count", type=int, default=0, help="stop after so many; 0 = go on")
    chosen = parser.parse_args()
    if not 0 < chosen.rate <= 1000:
        parser.error("--rate must be above 0 and at most 1000")
    return chosen


class Feeder:
    def __init__(self, options):
        self.options = options
        self.proto = gushproto.load()
        self.run = uuid.uuid4().hex
        self.sampler = hostmetrics.Sampler()
        self.stop = threading.Event()
        self.channel = grpc.insecure_channel(options.api)
        self.stub = self.proto.api_rpc.CentrifugoApiStub(self.channel)
        self.metadata = [("authorization", f"apikey {options.key}")] if options.key else []

    def publish(self, n):
        """One attempt. Returns "" or what went wrong."""
        payload = dict(self.sampler.sample(), n=n)
        request = self.proto.api.PublishRequest(
            channel=self.options.channel,
            data=json.dumps(payload, separators=(",", ":")).encode(),
            idempotency_key=f"{self.run}-{n}")
        try:
            reply = self.stub.Publish(request, metadata=self.metadata, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        if reply.HasField("error"):
            return f"error {reply.error.code}: {reply.error.message}"
        return ""

    def feed(self):
        n, retry_s, failing = 1, RETRY_FIRST_S, ""
        self.stop.wait(1 / self.options.rate)  # the first sample needs an interval to look back on
        while not self.stop.is_set():
            failure = self.publish(n)
            if failure:
                if failure != failing:
                    print(f"feeder: {failure}; trying again", file=sys.stderr, flush=True)
                failing = failure
                self.stop.wait(retry_s)
                retry_s = min(2 * retry_s, RETRY_MAX_S)
                continue
            if failing:
                print("feeder: publishing again", file=sys.stderr, flush=True)
            retry_s, failing = RETRY_FIRST_S, ""
            if n == self.options.count:
                break
            n += 1
            self.stop.wait(1 / self.options.rate)
        self.channel.close()


def main():
    feeder = Feeder(arguments())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: feeder.stop.set())
    feeder.feed()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Publishes its arguments, or the lines of stdin, through the gRPC API, each exactly once."""
import argparse
import os
import sys
import time
import uuid

import grpc

import gushproto
import wire


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    wire.add_arguments(parser, "127.0.0.1:10000")
    parser.add_argument("--channel")
    parser.add_argument("--key", default=os.environ.get("GUSH_API_KEY", ""),
                        help="API key; default: environment GUSH_API_KEY")
    parser.add_argument("--gzip", action="store_true", help="compress requests")
    parser.add_argument("--deadline-ms", type=int, default=30_000, metavar="N",
                        help="for one publication with all of its retries (%(default)s)")
    parser.add_argument("--idempotency-prefix", default=uuid.uuid4().hex, metavar="P",
                        help="the n-th publication has the idempotency key P-n; default: random")
    parser.add_argument("--health", action="store_true", help="only ask how the server is")
    parser.add_argument("data", nargs="*", metavar="DATA")
    options = parser.parse_args()
    if not options.health and not options.channel:
        parser.error("--channel is missing")
    return options


class Publisher:
    def __init__(self, options, channel):
        self.options = options
        self.proto = gushproto.load()
        self.stub = self.proto.api_rpc.CentrifugoApiStub(channel)
        self.metadata = [("authorization", f"apikey {options.key}")] if options.key else []
        self.published = 0

    def call(self, request):
        """The answer to |request|. What is sent again carries the same idempotency key."""
        deadline = time.monotonic() + self.options.deadline_ms / 1000
        attempt = 0
        while True:
            try:
                # Without a connection the first attempt fails, and we can say so; the next ones
                # wait for one.
                return self.stub.Publish(request, metadata=self.metadata,
                                         timeout=deadline - time.monotonic(),
                                         wait_for_ready=attempt > 0)
            except grpc.RpcError as error:
                pause_s = wire.backoff_s(attempt)
                late = time.monotonic() + pause_s >= deadline
                if error.code() is not grpc.StatusCode.UNAVAILABLE or late:
                    raise
                print(f"retrying in {pause_s * 1000:.0f} ms: {error.details()}", file=sys.stderr,
                      flush=True)
            attempt += 1
            time.sleep(pause_s)

    def publish(self, data):
        """Whether it worked; says what came of it."""
        self.published += 1
        reply = self.call(self.proto.api.PublishRequest(
            channel=self.options.channel, data=data,
            idempotency_key=f"{self.options.idempotency_prefix}-{self.published}"))
        if reply.HasField("error"):
            print(f"error {reply.error.code} {reply.error.message}", file=sys.stderr)
            return False
        print(f"{self.options.channel} #{reply.result.offset}", flush=True)
        return True


def serving(options, channel):
    proto = gushproto.load()
    answer = proto.health_rpc.HealthStub(channel).Check(
        proto.health.HealthCheckRequest(), timeout=options.deadline_ms / 1000)
    name = proto.health.HealthCheckResponse.ServingStatus.Name(answer.status)
    print(name)
    return name == "SERVING"


def main():
    options = arguments()
    compression = grpc.Compression.Gzip if options.gzip else grpc.Compression.NoCompression
    lines = (line.rstrip(b"\n") for line in sys.stdin.buffer)
    try:
        with wire.channel(options, compression=compression) as channel:
            if options.health:
                return 0 if serving(options, channel) else 1
            publisher = Publisher(options, channel)
            data = (os.fsencode(word) for word in options.data) if options.data else lines
            return 0 if all(publisher.publish(one) for one in data) else 1
    except grpc.RpcError as error:
        print(f"error {error.code().name} {error.details()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

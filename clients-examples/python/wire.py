"""What the programs share: arguments of the connection, gRPC channels, pauses between attempts."""
import pathlib
import random

import grpc

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.2, 10.0

MESSAGE_MAX_BYTES = 64 << 20  # the connect push carries all that was missed

OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_MAX_BYTES),
    ("grpc.keepalive_time_ms", 30_000),  # finds out that the peer is gone
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    ("grpc.use_local_subchannel_pool", 1),  # a new channel is a new connection
]


def add_arguments(parser, address):
    parser.add_argument("--address", default=address, help="HOST:PORT (%(default)s)")
    parser.add_argument("--tls-ca", metavar="FILE", help="who signed the server; turns TLS on")
    parser.add_argument("--tls-cert", metavar="FILE", help="our certificate, for mutual TLS")
    parser.add_argument("--tls-key", metavar="FILE", help="its key")


def channel(options, grpc_package=grpc, **more):
    """A channel of |grpc_package|: grpc, or grpc.aio with the same functions."""
    if not options.tls_ca:
        return grpc_package.insecure_channel(options.address, options=OPTIONS, **more)

    def content(path):
        return pathlib.Path(path).read_bytes() if path else None
    credentials = grpc.ssl_channel_credentials(
        content(options.tls_ca), content(options.tls_key), content(options.tls_cert))
    return grpc_package.secure_channel(options.address, credentials, options=OPTIONS, **more)


def backoff_s(attempt):
    """Exponential with full jitter: clients that fell together do not come back together."""
    return random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(attempt, 30)))

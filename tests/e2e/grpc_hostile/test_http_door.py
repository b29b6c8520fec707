"""Attacks on gRPC behind the HTTP port: what is gRPC about them. Floods of HTTP/2 are
tests/e2e/h2_hostile's. As in test_hostile.py, but nothing here is too much for anybody."""
import pytest

from hostile import FULL, Attack, besiege
from server import sanitized

FACTOR = 20 if FULL else 1
DOORS = ("http",)

# name, units before the attack may end, connections, listeners
PATIENT = [
    ("request_without_end", 1_000, 10, ["uni_grpc", "grpc_api"]),
    ("half_closed", 400, 200, ["uni_grpc"]),
    ("gzip_bomb", 20, 10, ["grpc_api", "uni_grpc"]),
]
ATTACKS = [
    ("message_of_4_gib", 500, 10, ["grpc_api"]),
    ("message_byte_by_byte", 20_000, 4, ["grpc_api"]),
    ("window_trickle", 20_000, 4, ["uni_grpc"]),
    ("window_flip", 5_000, 4, ["uni_grpc"]),
    ("streams_beyond", 5_000, 4, ["uni_grpc"]),
    ("rapid_reset_asked", 10_000, 4, ["uni_grpc"]),
    ("empty_data_flood", 50_000, 10, ["uni_grpc"]),
]


def listed(table, factor):
    return [pytest.param(Attack(name, listener, connections, enough * factor),
                         id=f"{name}-{listener}")
            for name, enough, connections, listeners in table for listener in listeners]


@pytest.mark.parametrize("attack", listed(PATIENT, 1) + listed(ATTACKS, FACTOR))
def test_attack(gush, attack):
    besiege(gush, attack, judge_memory=not sanitized())

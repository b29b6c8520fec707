"""Attacks on the gRPC listeners. During each of them a client that was there before and clients that
come are answered; afterwards the server lives, everything that the attackers caused is gone, and its
memory is back. All of it twice: behind C core, and on the HTTP port.

The volumes are small enough for every run; GUSH_HOSTILE_FULL=1 takes the large ones. What the
packaged gRPC library does not stand (docs/hostile-networks.md) is skipped behind that one, unless
GUSH_HOSTILE_ALL=1.
"""
import pytest

from hostile import ALL, FULL, Attack, besiege
from server import BASE_CONFIG, merged, packaged_core, sanitized

FACTOR = 20 if FULL else 1
# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")
# Attacks that hold what they have, or wait for an answer: more of the same takes longer, that is all.
PATIENT = {"preface_only", "preface_slowly", "headers_without_end", "request_without_end",
           "half_closed", "gzip_bomb"}
WARNING = "this gRPC library is for trusted networks: see docs/hostile-networks.md"

# name, units before the attack may end, connections, listeners
ATTACKS = [
    ("settings_flood_deaf", 50_000, 10, ["uni_grpc"]),
    ("priority_flood", 50_000, 10, ["uni_grpc"]),
    ("hpack_amplification", 200, 10, ["uni_grpc", "grpc_api"]),
    ("window_zero", 5_000, 10, ["uni_grpc"]),
    ("window_overflow", 1_000, 10, ["uni_grpc"]),
    ("window_flip", 5_000, 4, ["uni_grpc"]),
    ("preface_only", 500, 500, ["uni_grpc", "grpc_api"]),
    ("preface_slowly", 2_000, 500, ["uni_grpc"]),
    ("headers_without_end", 500, 500, ["uni_grpc"]),
    ("request_without_end", 1_000, 10, ["uni_grpc", "grpc_api"]),
    ("half_closed", 400, 200, ["uni_grpc"]),
    ("gzip_bomb", 20, 10, ["grpc_api", "uni_grpc"]),
    ("garbage", 500, 20, ["uni_grpc", "grpc_api"]),
    ("garbage_frames", 100, 20, ["uni_grpc"]),
    ("invalid_hpack", 100, 20, ["uni_grpc"]),
    ("oversize_frames", 500, 20, ["uni_grpc"]),
    ("http1", 100, 20, ["uni_grpc"]),
    ("connect_storm", 1_000, 20, ["uni_grpc"]),
    ("connect_storm_mute", 1_000, 20, ["uni_grpc", "grpc_api"]),
]
# The same, and what the packaged library does then.
STARVES = "one thread of the library serves nobody else as long as more comes in"
GROWS = "the library takes gigabytes"
TOO_MUCH_FOR_THE_PACKAGED = [
    ("rapid_reset", 20_000, 1, ["uni_grpc", "grpc_api"], GROWS),
    ("rapid_reset_asked", 10_000, 4, ["uni_grpc"], GROWS),
    ("streams_beyond", 5_000, 4, ["uni_grpc"], GROWS),
    ("message_of_4_gib", 500, 10, ["grpc_api"], GROWS),
    ("continuation_flood", 2_000, 20, ["uni_grpc"], GROWS),
    ("metadata_many", 1_000, 10, ["uni_grpc"], GROWS),
    ("hpack_table_churn", 500, 10, ["uni_grpc"], GROWS),
    ("ping_flood", 50_000, 10, ["uni_grpc"], STARVES),
    ("ping_flood_deaf", 50_000, 10, ["uni_grpc"], STARVES),
    ("continuation_empty", 20_000, 20, ["uni_grpc"], STARVES),
    ("continuation_one_field", 2_000, 20, ["uni_grpc"], STARVES),
    ("settings_flood", 50_000, 10, ["uni_grpc"], STARVES),
    ("settings_large", 500, 10, ["uni_grpc"], STARVES),
    ("unknown_frame_flood", 50_000, 10, ["uni_grpc"], STARVES),
    ("empty_data_flood", 50_000, 10, ["uni_grpc"], STARVES),
    ("window_trickle", 20_000, 4, ["uni_grpc"], STARVES),
    ("message_byte_by_byte", 20_000, 4, ["grpc_api"], STARVES),
]


def listed(table):
    return [pytest.param(Attack(name, listener, connections,
                                enough if name in PATIENT else enough * FACTOR), *why,
                         id=f"{name}-{listener}")
            for name, enough, connections, listeners, *why in table for listener in listeners]


@pytest.mark.parametrize("attack", listed(ATTACKS))
def test_attack(gush, attack):
    besiege(gush, attack, judge_memory=not sanitized())


@pytest.mark.parametrize("attack, why", listed(TOO_MUCH_FOR_THE_PACKAGED))
def test_attack_that_is_too_much_for_the_packaged(start, door, attack, why):
    if door == "core" and packaged_core() and not ALL:
        pytest.skip(f"the packaged gRPC library: {why}")
    besiege(start(), attack, judge_memory=not sanitized())


def warned(server):
    return {line["listener"] for line in server.log_lines() if line["message"] == WARNING}


def test_says_where_strangers_are_too_much(start, door):
    """At start, for each listener of the library that others than this machine can reach."""
    open_to_all = merged(BASE_CONFIG, {"uni_grpc": {"address": "0.0.0.0"}})
    expected = {"uni_grpc"} if door == "core" and packaged_core() else set()
    assert warned(start(base=open_to_all)) == expected


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "localhost"])
def test_says_nothing_of_loopback(start, address):
    assert warned(start({"uni_grpc": {"address": address}})) == set()

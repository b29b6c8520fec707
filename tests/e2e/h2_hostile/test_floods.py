"""Floods of HTTP/2 on the HTTP port: the attackers and the judgement of grpc_hostile, with the gRPC
services behind that port. During each attack a client that was there before and clients that come are
answered; afterwards everything that the attackers caused is gone, and the memory is back.

What is about gRPC itself is in grpc_hostile/test_http_door.py. GUSH_HOSTILE_FULL=1 takes large
volumes."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "grpc_hostile"))

from hostile import FULL, Attack, besiege  # noqa: E402
from server import sanitized  # noqa: E402

FACTOR = 20 if FULL else 1
DOORS = ("http",)

# name, units before the attack may end, connections
FLOODS = [
    ("rapid_reset", 20_000, 4),
    ("continuation_flood", 2_000, 20),
    ("continuation_empty", 20_000, 20),
    ("continuation_one_field", 2_000, 20),
    ("settings_flood", 50_000, 10),
    ("settings_flood_deaf", 50_000, 10),
    ("settings_large", 500, 10),
    ("ping_flood", 50_000, 10),
    ("ping_flood_deaf", 50_000, 10),
    ("priority_flood", 50_000, 10),
    ("unknown_frame_flood", 50_000, 10),
    ("metadata_many", 1_000, 10),
    ("hpack_amplification", 200, 10),
    ("hpack_table_churn", 500, 10),
    ("window_zero", 5_000, 10),
    ("window_overflow", 1_000, 10),
    ("garbage", 500, 20),
    ("garbage_frames", 100, 20),
    ("invalid_hpack", 100, 20),
    ("oversize_frames", 500, 20),
    ("http1", 100, 20),
    ("connect_storm", 1_000, 20),
    ("connect_storm_mute", 1_000, 20),
]
# These hold what they have: more of the same takes longer, that is all.
PATIENT = [
    ("idle_sockets", 400, 400),
    ("preface_only", 500, 500),
    ("preface_slowly", 2_000, 500),
    ("headers_without_end", 500, 500),
]


def listed(table, factor):
    return [pytest.param(Attack(name, "uni_grpc", connections, enough * factor), id=name)
            for name, enough, connections in table]


@pytest.mark.parametrize("attack", listed(PATIENT, 1) + listed(FLOODS, FACTOR))
def test_attack(gush, attack):
    besiege(gush, attack, judge_memory=not sanitized())

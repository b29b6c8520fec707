"""Attacks on what HTTP/2 serves besides gRPC: event streams, bodies, pages. During each of them a client
that was there before and clients that come are answered on the same port; afterwards everything that the
attackers caused is gone, and the memory is back.

Floods of frames, and what is about gRPC, are grpc_hostile's, whose machinery this uses.
GUSH_HOSTILE_FULL=1 takes large volumes."""
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "grpc_hostile"))

import hostile  # noqa: E402
from hostile import FULL, Attack, besiege  # noqa: E402
from server import merged, sanitized  # noqa: E402

FACTOR = 20 if FULL else 1
DOORS = ("http",)
CONFIG = {"http_api": {"insecure": True, "external": True}, "demo": {"enabled": True}}

# name, units before the attack may end, connections
ATTACKS = [
    ("events_window_trickle", 20_000, 4),
    ("events_reset", 20_000, 4),
    ("events_made_you_reset", 20_000, 4),
    ("posts_byte_by_byte", 20_000, 10),
    ("posts_too_large", 2_000, 4),
    ("padding_flood", 20_000, 10),
    ("answers_unread", 2_000, 4),
    ("metadata_many", 1_000, 10),
]
PATIENT = [
    ("events_half_closed", 400, 4),
    ("posts_unfinished", 10_000, 4),
]


@pytest.fixture(autouse=True)
def own_attackers(monkeypatch):
    monkeypatch.setattr(hostile, "HERE", HERE)


def listed(table, factor):
    return [pytest.param(Attack(name, "uni_grpc", connections, enough * factor), id=name)
            for name, enough, connections in table]


@pytest.mark.parametrize("attack", listed(PATIENT, 1) + listed(ATTACKS, FACTOR))
def test_attack(start, attack):
    besiege(start(CONFIG), attack, judge_memory=not sanitized())


def flood(healthy):
    """2 MB for each subscriber of the attackers' channel."""
    for _ in range(200):
        healthy.api("Publish", channel="flood", data=b'"' + b"x" * 10_000 + b'"')


@pytest.mark.parametrize("name", ["events_window_closed", "events_socket_closed"])
def test_events_that_nobody_takes(start, name):
    server = start(merged(CONFIG, {"client": {"queue_max_size": 100_000, "queue_max_age": "2s"}}))
    server.note_channel("flood")
    besiege(server, Attack(name, "uni_grpc", 10, 1_000), judge_memory=not sanitized(), during=flood)

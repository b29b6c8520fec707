"""Sockets as a weapon: more than there are descriptors, thousands that say nothing, readers that take
nothing."""
import os
import resource

from hostile import FULL, Attack, Attackers, Healthy, Memory, besiege, note
from server import sanitized, wait_until

# The gRPC services behind C core, and on the HTTP port.
DOORS = ("core", "http")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def test_more_connections_than_descriptors(start):
    """120 against about 70, several times over, then all closed: the next one is served."""
    server = start()
    with Healthy(server) as healthy:
        healthy.rounds(4)
        memory = Memory(server)
        used = descriptors(server)
        hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (used + 70, hard))
        for listener in ("uni_grpc", "grpc_api", "http"):
            for name in ("preface_only", "idle_sockets"):
                with Attackers(server, Attack(name, listener, 120, 120)) as attackers:
                    wait_until(attackers.enough, 30, "120 connections were tried")
                    healthy.rounds(10, newcomers=False)
                    attackers.stop()
                healthy.newcomer()
        assert server.http("GET", "/health")[0] == 200
        if not sanitized():
            memory.check_back()
        note(attack="emfile", core="", verdict="stands", mib_before=memory.before >> 20,
             mib_peak=memory.peak() >> 20, mib_after=server.rss() >> 20,
             slowest_ms=round(healthy.slowest_s * 1000))
    wait_until(lambda: descriptors(server) <= used, what="descriptors are given back")


def test_idle_connections(gush):
    """Connections without a preface, more than the server has descriptors if this machine has so
    many: the oldest of them make way, so the healthy client's newcomers come in."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    each = min(10_000 if FULL else 1_000, most - 200)
    besiege(gush, Attack("idle_sockets", "uni_grpc", each, each, processes=2),
            judge_memory=not sanitized())


def flood(healthy):
    """2 MB for each subscriber of the attackers' channel."""
    for _ in range(200):
        healthy.api("Publish", channel="flood", data=b'"' + b"x" * 10_000 + b'"')


def besieged_by_readers(start, name):
    # Their queues are bounded at 100 KB each, and who does not read is ended by age.
    server = start({"client": {"queue_max_size": 100_000, "queue_max_age": "2s"}})
    server.note_channel("flood")
    besiege(server, Attack(name, "uni_grpc", 10, 1_000), judge_memory=not sanitized(),
            during=flood)


def test_windows_that_never_open(start):
    """1,000 streams without a byte of window, and publications for all of them."""
    besieged_by_readers(start, "window_closed")


def test_sockets_that_are_never_read(start):
    """1,000 streams with open windows, behind sockets that nobody reads."""
    besieged_by_readers(start, "socket_closed")

"""What every hostile test needs: attackers in processes of their own, a client who must not notice
them, and a look at the server's memory.

    report = besiege(server, Attack("ping_flood", "uni_grpc", connections=20, enough=100_000))

returns after a healthy client was answered throughout, the server lived on, and its memory came
back. GUSH_HOSTILE_REPORT=FILE appends a line of JSON for each siege.
"""
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import grpc

from consume import Consume
from server import API_KEY, packaged_core, wait_until

FULL = bool(os.environ.get("GUSH_HOSTILE_FULL"))  # large volumes
ALL = bool(os.environ.get("GUSH_HOSTILE_ALL"))    # also what the packaged library does not stand
HERE = pathlib.Path(__file__).resolve().parent
MIB = 1 << 20
ROUNDS = 20        # of the healthy client, at least, during an attack
NEWCOMER_EVERY = 4  # rounds
ATTACK_LIMIT_S = 300 if FULL else 45
CALM_LIMIT_S = 15
LOG_LIMIT = 1 << 18  # bytes that strangers can make the server write, in these volumes
CHANNEL = "healthy"


@dataclasses.dataclass
class Attack:
    name: str
    listener: str = "uni_grpc"
    connections: int = 1      # of each process
    enough: int = 1           # units of each process before the attack may end
    processes: int = 1

    def __str__(self):
        return f"{self.name}-{self.listener}"


class Attackers:
    """Every process has an address of its own in 127.0.0.0/8, none of them the healthy client's."""

    def __init__(self, server, attack):
        self.processes = [subprocess.Popen(
            [sys.executable, "-B", HERE / "attackers.py", attack.name,
             str(server.ports[attack.listener]), "--listener", attack.listener,
             "--address", f"127.0.0.{10 + at}", "--connections", str(attack.connections),
             "--enough", str(attack.enough), "--key", API_KEY],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for at in range(attack.processes)]
        for process in self.processes:
            os.set_blocking(process.stdout.fileno(), False)
        self.said = [b""] * attack.processes

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def enough(self):
        for at, process in enumerate(self.processes):
            assert process.poll() is None, "an attacker gave up"
            self.said[at] += process.stdout.read() or b""
        return all(b"enough" in said for said in self.said)

    def stop(self):
        """Ends the attack: every socket is closed. Returns what was done, summed up."""
        for process in self.processes:
            process.stdin.close()
        total = {}
        for at, process in enumerate(self.processes):
            assert process.wait(60) == 0
            os.set_blocking(process.stdout.fileno(), True)
            self.said[at] += process.stdout.read()
            for name, count in json.loads(self.said[at].splitlines()[-1]).items():
                total[name] = total.get(name, 0) + count
        return total


class Healthy:
    """A subscriber and a publisher whose connections are there before the attack; |newcomers| open
    new ones. Each publication must reach the subscriber, in order."""

    def __init__(self, server):
        self.server = server
        self.api = server.api()
        self.stream = Consume(server, [CHANNEL])
        self.sent = 0
        self.slowest_s = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def publish(self, api):
        self.sent += 1
        data = b"%d" % self.sent
        api("Publish", channel=CHANNEL, data=data)
        return data

    def round(self):
        began = time.monotonic()
        data = self.publish(self.api)
        assert self.stream.pub(20).data == data
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def newcomer(self):
        began = time.monotonic()
        api = self.server.api()
        with Consume(self.server, [CHANNEL]) as stream:
            data = self.publish(api)
            assert stream.pub(20).data == data
        api.grpc_channel.close()
        assert self.stream.pub(20).data == data
        self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def rounds(self, rounds_n, until=lambda: True, newcomers=True):
        """At least |rounds_n|, and until |until|."""
        deadline = time.monotonic() + ATTACK_LIMIT_S
        done = 0
        while done < rounds_n or not until():
            assert time.monotonic() < deadline, "the attack does not get anywhere"
            self.round()
            if newcomers and done % NEWCOMER_EVERY == 0:
                self.newcomer()
            done += 1
        return done


class Memory:
    """Resident memory of the server: before, at its highest, and after."""

    SLACK = 16 * MIB  # what malloc keeps of what was freed, at rest

    def __init__(self, server):
        self.server = server
        self.before = server.rss()
        pathlib.Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # forget the peak

    def peak(self):
        for line in pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def allowed(self):
        return self.before * 12 // 10 + self.SLACK

    def check_back(self):
        try:
            wait_until(lambda: self.server.rss() <= self.allowed(), CALM_LIMIT_S)
        except AssertionError:
            raise AssertionError(f"{self.server.rss() // MIB} MiB are left of "
                                 f"{self.peak() // MIB} MiB, {self.before // MIB} MiB were there "
                                 "before") from None


def note(**fields):
    path = os.environ.get("GUSH_HOSTILE_REPORT")
    if path:
        with open(path, "a") as file:
            file.write(json.dumps(fields) + "\n")


def fight(server, attack, healthy, newcomers, during, result):
    """The attack itself. Whatever happens, it has ended when this returns."""
    began = time.monotonic()
    with Attackers(server, attack) as attackers:
        if during:
            wait_until(attackers.enough, ATTACK_LIMIT_S, "the attack is under way")
            during(healthy)
        result["rounds"] = healthy.rounds(ROUNDS, attackers.enough, newcomers)
        result.update(attackers.stop())
    result["seconds"] = round(time.monotonic() - began, 1)


def besiege(server, attack, judge_memory=True, newcomers=True, during=None):
    """|during|(healthy) runs once the attack is under way."""
    result = {"attack": str(attack), "core": "packaged" if packaged_core() else "newer"}
    failure = None
    with Healthy(server) as healthy:
        healthy.rounds(4)
        healthy.slowest_s = 0.0
        memory = Memory(server)
        try:
            fight(server, attack, healthy, newcomers, during, result)
            healthy.rounds(4)
        except (AssertionError, OSError, grpc.RpcError) as error:
            failure = f"no answer: {type(error).__name__} {error}".splitlines()[0]
        result["slowest_ms"] = round(healthy.slowest_s * 1000)
    if server.process.poll() is not None:
        failure = f"gush ended with {server.process.returncode}"
    else:
        try:
            with Healthy(server) as late:
                late.rounds(1)
            if judge_memory:
                memory.check_back()
        except (AssertionError, OSError, grpc.RpcError) as error:
            failure = (failure or "") + f"; afterwards: {error}".splitlines()[0]
        result.update(mib_before=memory.before // MIB, mib_peak=memory.peak() // MIB,
                      mib_after=server.rss() // MIB)
    result["log_bytes"] = server.log_path.stat().st_size
    if failure is None and result["log_bytes"] > LOG_LIMIT:
        failure = "the log is full of it"
    note(**result, verdict=failure or "stands")
    assert failure is None, result | {"failure": failure}
    return result

"""The programs of clients-examples, against the demo configuration."""
import json
import re
import signal
import subprocess

import pytest

from consume import Consume
from server import REPOSITORY, environment, wait_until

EXAMPLES = REPOSITORY / "clients-examples" / "python"
KEY = "demo"


@pytest.fixture
def demo(start):
    base = json.loads((REPOSITORY / "deploy" / "demo" / "gush.json").read_text())
    base["debug"] = {"enabled": True, "handler_prefix": "/debug"}
    server = start(base=base, env={"GUSH_GRPC_API_KEY": KEY})
    server.keeps_streams = True
    return server


class Program:
    def __init__(self, directory, name, *arguments, env=None):
        self.path = directory / f"{name}.out"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen(
                ["/usr/bin/python3", EXAMPLES / f"{name}.py", *arguments], stdout=out, stderr=out,
                stdin=subprocess.DEVNULL, env=environment(env))

    def said(self):
        return self.path.read_text()

    def wait_for(self, pattern, timeout_s=20):
        return wait_until(lambda: re.search(pattern, self.said(), re.MULTILINE), timeout_s,
                          f"{pattern} in {self.said()}")

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        assert self.process.wait(10) == 0, self.said()


def feeder(server, directory, *arguments):
    return Program(directory, "feeder", "--api", f"127.0.0.1:{server.ports['grpc_api']}",
                   *arguments, env={"GUSH_API_KEY": KEY})


def subscriber(server, directory, *arguments):
    return Program(directory, "subscriber", "--address",
                   f"127.0.0.1:{server.ports['uni_grpc']}", *arguments)


def test_feeder_publishes_live_metrics(demo, tmp_path):
    with Consume(demo, ["metrics:host"]) as rpc:
        program = feeder(demo, tmp_path, "--rate", "20")
        numbers = []
        for _ in range(10):
            sample = json.loads(rpc.pub().data)
            assert set(sample) == {"t", "cpu", "mem", "net", "n"}
            assert len(sample["cpu"]) >= 1 and all(0 <= cpu <= 100 for cpu in sample["cpu"])
            assert 0 < sample["mem"]["used"] <= sample["mem"]["total"]
            assert sample["net"]["rx"] >= 0 and sample["net"]["tx"] >= 0
            numbers.append(sample["n"])
        assert numbers == list(range(1, 11))
        program.end()


def test_feeder_with_a_wrong_key_says_so(demo, tmp_path):
    program = Program(tmp_path, "feeder", "--api", f"127.0.0.1:{demo.ports['grpc_api']}",
                      env={"GUSH_API_KEY": "wrong"})
    program.wait_for("UNAUTHENTICATED")
    program.end(signal.SIGTERM)


def test_subscriber_prints_what_comes(demo, tmp_path):
    program = subscriber(demo, tmp_path)
    program.wait_for("^connected ")
    feed = feeder(demo, tmp_path, "--rate", "20", "--count", "5")
    program.wait_for(r'^metrics:host #5 .*"n":5\}$')
    assert feed.process.wait(10) == 0
    program.end()


def test_subscriber_recovers_after_a_cut(demo, tmp_path):
    from proxy import CutProxy
    with CutProxy(demo.ports["uni_grpc"]) as proxy:
        program = Program(tmp_path, "subscriber", "--address", f"127.0.0.1:{proxy.port}")
        program.wait_for("^connected ")
        feed = feeder(demo, tmp_path, "--rate", "20")
        program.wait_for("^metrics:host #5 ")
        proxy.cut()
        program.wait_for("^reconnecting in ")
        top = demo.api(key=KEY)("History", channel="metrics:host").offset
        wait_until(lambda: demo.api(key=KEY)("History", channel="metrics:host").offset >= top + 5)
        proxy.mend()
        back = program.wait_for(r"^subscribed metrics:host recovered=yes offset=(\d+)")
        assert int(back.group(1)) <= top
        program.wait_for(f"^metrics:host #{top + 20} ")
        offsets = [int(offset) for offset in re.findall(r"^metrics:host #(\d+) ", program.said(),
                                                        re.MULTILINE)]
        assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
        program.end()
        feed.end()


def test_subscriber_gives_up_when_sent_away(demo, tmp_path):
    program = subscriber(demo, tmp_path, "--token", "nonsense")
    assert program.process.wait(20) == 1
    assert "3500 invalid token" in program.said()
    program = subscriber(demo, tmp_path, "--channel", "unknown:1")
    assert program.process.wait(20) == 1
    assert "3501 bad request" in program.said()

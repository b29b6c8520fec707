"""deploy/quickstart.sh, on a machine that has the packages: it runs, says so, and cleans up."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import urllib.request

from server import REPOSITORY, wait_until

SCRIPT = REPOSITORY / "deploy" / "quickstart.sh"
BUILD_TIMEOUT_S = 900
FREE_PORTS = {"GUSH_HTTP_SERVER_PORT": "0", "GUSH_GRPC_API_PORT": "0", "GUSH_UNI_GRPC_PORT": "0"}


class Quickstart:
    """The script in a process group of its own, as a terminal would run it."""

    def __init__(self, directory, *arguments, env=FREE_PORTS):
        self.path = directory / "quickstart.out"
        with open(self.path, "w") as out:
            self.process = subprocess.Popen(
                [SCRIPT, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                env=dict(os.environ, **env), start_new_session=True)
        self.session = self.process.pid

    def said(self):
        return self.path.read_text()

    def wait_for(self, pattern, timeout_s):
        def look():
            found = re.search(pattern, self.said(), re.MULTILINE)
            assert found or self.process.poll() is None, self.said()
            return found
        return wait_until(look, timeout_s, pattern)

    def end(self, timeout_s=60):
        status = self.process.wait(timeout_s)
        assert status == 0, (status, self.said())


def pids_with_environment(marker):
    """Processes that inherited |marker| from the script: its children, wherever they moved."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_quickstart_shows_data_and_ends_at_ctrl_c(tmp_path):
    marker = f"QUICKSTART_TEST={tmp_path}"
    env = dict(FREE_PORTS, QUICKSTART_TEST=str(tmp_path))
    quickstart = Quickstart(tmp_path, env=env)
    address = quickstart.wait_for(r"^ +Page +(http://\S+)$", BUILD_TIMEOUT_S).group(1)
    with urllib.request.urlopen(address, timeout=10) as page:
        assert page.status == 200 and b"gush" in page.read().lower()
    quickstart.wait_for(r'^metrics:host #\d+ .*"n":5\}', 30)
    assert len(pids_with_environment(marker)) >= 4  # the script, gush, feeder, subscriber
    os.killpg(quickstart.session, signal.SIGINT)  # what Ctrl-C does
    quickstart.end()
    assert "stopped" in quickstart.said()
    assert pids_with_environment(marker) == []


def test_quickstart_again_is_quick_and_ends_by_itself(tmp_path):
    marker = f"QUICKSTART_TEST={tmp_path}"
    quickstart = Quickstart(tmp_path, "--no-subscriber", "--seconds", "3",
                            env=dict(FREE_PORTS, QUICKSTART_TEST=str(tmp_path)))
    quickstart.end(120)
    assert "#1 " not in quickstart.said()
    assert pids_with_environment(marker) == []


def test_quickstart_leaves_nothing_when_killed(tmp_path):
    marker = f"QUICKSTART_TEST={tmp_path}"
    quickstart = Quickstart(tmp_path, env=dict(FREE_PORTS, QUICKSTART_TEST=str(tmp_path)))
    quickstart.wait_for(r"^metrics:host #\d+ ", BUILD_TIMEOUT_S)
    quickstart.process.kill()
    quickstart.process.wait()
    wait_until(lambda: pids_with_environment(marker) == [], 20, "no process is left")


def test_quickstart_with_a_taken_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        quickstart = Quickstart(tmp_path, env=dict(FREE_PORTS, GUSH_GRPC_API_PORT=str(port)))
        assert quickstart.process.wait(60) == 1
    said = quickstart.said()
    assert f"Port {port} on 127.0.0.1 is taken" in said and "GUSH_GRPC_API_PORT=" in said


def test_quickstart_with_nonsense(tmp_path):
    for arguments in (["--nonsense"], ["--seconds", "soon"], ["--seconds"]):
        quickstart = Quickstart(tmp_path, *arguments)
        assert quickstart.process.wait(20) == 2
    quickstart = Quickstart(tmp_path, env=dict(FREE_PORTS, GUSH_HTTP_SERVER_PORT="web"))
    assert quickstart.process.wait(20) == 1
    assert "GUSH_HTTP_SERVER_PORT=web" in quickstart.said()

"""The official Python client of the server API, from the Python Package Index."""
import fcntl
import subprocess
import sys

import pytest

from hear import Hear
from server import API_KEY, REPOSITORY

WANTED = "cent==5.2.0"
FOLDER = REPOSITORY / "build" / "clients" / "cent"
CALLS = REPOSITORY / "tests" / "support" / "cent_calls.py"
INSTALL_S = 300
CALLS_S = 60


@pytest.fixture(scope="module")
def python():
    """A Python that has it; made once, skipped where that is not possible."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    interpreter, mark = FOLDER / "venv" / "bin" / "python3", FOLDER / WANTED
    with open(FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists():
            for step in ([sys.executable, "-m", "venv", "--clear", FOLDER / "venv"],
                         [interpreter, "-m", "pip", "install", "--quiet", "--retries", "1",
                          "--disable-pip-version-check", WANTED]):
                done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_S)
                if done.returncode != 0:
                    last = (done.stderr + done.stdout).strip().splitlines()[-1:]
                    pytest.skip(f"{WANTED}: {' '.join(last)}")
            mark.touch()
    return interpreter


def test_every_method(start, python):
    gush = start({"http_api": {"key": API_KEY}})
    gush.keeps_streams = True
    with Hear("uni_sse", gush, user="u", subs=["who:room"]) as client:
        done = subprocess.run([python, CALLS, f"http://127.0.0.1:{gush.ports['http']}/api", API_KEY],
                              capture_output=True, text=True, timeout=CALLS_S)
        assert (done.returncode, done.stdout) == (0, "all done\n"), done.stderr[-4000:]
        heard = [client.push() for _ in range(4)]
        kinds = {next(kind for kind in push if kind != "channel") for push in heard}
        assert kinds <= {"join", "subscribe", "unsubscribe", "refresh"}, heard

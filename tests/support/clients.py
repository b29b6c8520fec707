"""The programs of clients-examples/: built once, then run as a user would.

    program = clients.subscriber("go", directory, "--address", "127.0.0.1:1", "--channel", "c")
    program.wait_for(r"^subscribed c ")       in stdout
    program.publications("c")                 [(offset, data), ...]

clients-examples/README.md is the contract. A language joins by one entry in LANGUAGES.
"""
import fcntl
import functools
import os
import re
import signal
import subprocess
import time

import pytest

from server import REPOSITORY, wait_until

EXAMPLES = REPOSITORY / "clients-examples"
BUILDS = REPOSITORY / "build" / "clients"
TOOLCHAIN_MISSING = 77
TIMEOUT_S = 40  # a Java program that starts on a busy machine

# name: how long a cold build may take, downloads included
LANGUAGES = {
    "python": 120,
    "go": 600,
    "node": 300,
    "c": 300,
    "java": 600,
    "rust": 900,
}


_in_use = []  # lock files of what was built, open until this process ends


def _locked(lock):
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@functools.lru_cache(maxsize=None)
def _built(language):
    """(folder, "") or (None, why not)"""
    out = BUILDS / language
    out.mkdir(parents=True, exist_ok=True)
    log = BUILDS / f"{language}.log"
    began = time.monotonic()
    # Two test runs at once share the folder: one that wants to build waits for those that use it.
    lock = open(BUILDS / f"{language}.lock", "w")
    _in_use.append(lock)
    wait_until(lambda: _locked(lock), LANGUAGES[language], f"{lock.name} is free")
    with open(log, "w+") as said:
        done = subprocess.run([EXAMPLES / language / "build.sh", out], stdin=subprocess.DEVNULL,
                              stdout=said, stderr=said, timeout=LANGUAGES[language])
        said.seek(0)
        text = said.read().strip()
    fcntl.flock(lock, fcntl.LOCK_SH)
    if done.returncode == TOOLCHAIN_MISSING:
        return None, f"{language}: {text.splitlines()[-1] if text else 'no toolchain'}"
    assert done.returncode == 0, f"{language}/build.sh: {done.returncode}\n{text[-6000:]}"
    print(f"{language}: built in {time.monotonic() - began:.1f} s")
    return out, ""


def folder(language):
    """Where the built programs are; skips the test where the toolchain is missing."""
    out, why = _built(language)
    if out is None:
        pytest.skip(why)
    return out


class Program:
    """One run. stdout and stderr are kept apart, in files."""

    def __init__(self, command, directory, *arguments, stdin=subprocess.DEVNULL, env=None):
        number = len(list(directory.glob("program-*.out")))
        self.out_path = directory / f"program-{number}.out"
        self.err_path = directory / f"program-{number}.err"
        with open(self.out_path, "w") as out, open(self.err_path, "w") as err:
            self.process = subprocess.Popen([command, *arguments], stdin=stdin, stdout=out,
                                            stderr=err, env=dict(os.environ, **(env or {})))

    def out(self):
        return self.out_path.read_text(errors="replace")

    def err(self):
        return self.err_path.read_text(errors="replace")

    def said(self):
        return f"--- stdout\n{self.out()[-3000:]}\n--- stderr\n{self.err()[-3000:]}"

    def _wait(self, read, pattern, timeout_s):
        def look():
            found = re.search(pattern, read(), re.MULTILINE)
            assert found or self.process.poll() is None or re.search(pattern, read(), re.M), \
                f"ended with {self.process.returncode} without {pattern}\n{self.said()}"
            return found
        try:
            return wait_until(look, timeout_s, pattern)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None

    def wait_for(self, pattern, timeout_s=TIMEOUT_S):
        """The match of |pattern| in stdout, as soon as there is one."""
        return self._wait(self.out, pattern, timeout_s)

    def wait_for_err(self, pattern, timeout_s=TIMEOUT_S):
        return self._wait(self.err, pattern, timeout_s)

    def publications(self, channel):
        """What a subscriber printed: [(offset, data), ...]"""
        return [(int(offset), data) for offset, data in
                re.findall(rf"^{re.escape(channel)} #(\d+) (.*)$", self.out(), re.MULTILINE)]

    def offsets(self, channel):
        """What a publisher printed."""
        return [int(offset) for offset in
                re.findall(rf"^{re.escape(channel)} #(\d+)$", self.out(), re.MULTILINE)]

    def status(self, timeout_s=TIMEOUT_S):
        """The exit status, when it ends by itself."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {timeout_s} s\n{self.said()}") from None

    def end(self, number=signal.SIGTERM):
        """Ends it, if it is not over: a signal must be enough."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.status()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def subscriber(language, directory, *arguments, **how):
    return Program(folder(language) / "subscriber", directory, *arguments, **how)


def publisher(language, directory, *arguments, **how):
    return Program(folder(language) / "publisher", directory, *arguments, **how)

"""Fixtures of the end-to-end tests: the real binary, one server per test.

    gush            a running server with server.BASE_CONFIG
    start(config)   the same, with changes to the configuration; as many as wanted

A module with  DOORS = ("core", "http")  runs its tests twice: the gRPC services behind C core on
ports of their own, and on the HTTP port.

A server is stopped after its test and judged: nothing left in /debug/live, exit code 0, no word
from a sanitizer. GUSH_TEST_BINARY names another binary than build/dev/gush.
"""
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import server  # noqa: E402  (found by the line above)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    setattr(item, f"report_{call.when}", outcome.get_result())


def pytest_sessionstart(session):
    # Whoever starts the tests in the background has SIGINT ignored, and so would every child: a
    # shell cannot even trap what it was started to ignore.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not server.BINARY.exists():
        raise pytest.UsageError(f"{server.BINARY} does not exist: build it, or set GUSH_TEST_BINARY")


def pytest_generate_tests(metafunc):
    if "door" in metafunc.fixturenames and hasattr(metafunc.module, "DOORS"):
        metafunc.parametrize("door", metafunc.module.DOORS, indirect=True)


@pytest.fixture
def door(request):
    """What gRPC comes through: "core" or "http"."""
    return getattr(request, "param", "core")


@pytest.fixture
def start(request, door):
    servers = []

    def start_one(config=None, **how):
        one = server.Server(config, **{"door": door, **how})
        servers.append(one)
        return one.start()

    yield start_one
    report = getattr(request.node, "report_call", None)
    passed = report is not None and report.passed
    for one in servers:
        if one.process is None or (passed and one.directory.exists()):
            one.stop()
        elif one.directory.exists():
            print(f"--- log of the server\n{one.log()[-8000:]}")
            one.destroy()


@pytest.fixture
def gush(start):
    return start()

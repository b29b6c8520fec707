"""h2spec, the conformance suite for HTTP/2, in clear text and over TLS. Built from its Go module, whose
versions h2spec/go.mod pins; skipped where there is no Go, or no proxy to have the module from."""
import functools
import os
import pathlib
import re
import shutil
import subprocess
import xml.etree.ElementTree

import pytest

import certs
from server import REPOSITORY, merged

MODULE = pathlib.Path(__file__).parent / "h2spec"
BUILT = REPOSITORY / "build" / "h2spec"
CONFIG = {"grpc_api": {"enabled": False}, "uni_grpc": {"enabled": False}}
# A port that speaks both versions in clear text takes these bytes for HTTP/1.1, and answers them so.
ALLOWED_IN_CLEAR_TEXT = {"Sends invalid connection preface"}


@functools.lru_cache(maxsize=None)
def built():
    """(path, "") or (None, why not)"""
    if shutil.which("go") is None:
        return None, "no go here"
    out = BUILT / str(os.getpid())
    done = subprocess.run(["go", "build", "-mod=readonly", "-o", out,
                           "github.com/summerwind/h2spec/cmd/h2spec"], cwd=MODULE, timeout=300,
                          capture_output=True, text=True)
    if done.returncode == 0:
        return out, ""
    unreachable = re.search(r"dial tcp|no such host|403 Forbidden|i/o timeout|proxyconnect|"
                            r"module lookup disabled|requires go >=", done.stderr)
    assert unreachable, done.stderr
    return None, f"h2spec cannot be built here: {done.stderr.strip().splitlines()[-1]}"


@pytest.fixture(scope="module")
def h2spec():
    path, why = built()
    if path is None:
        pytest.skip(why)
    yield path
    path.unlink()


def failures(h2spec, tmp_path, *arguments):
    report = tmp_path / "report.xml"
    done = subprocess.run([h2spec, "-h", "127.0.0.1", "-o", "5", "-j", report,
                           *map(str, arguments)], timeout=120, capture_output=True, text=True)
    cases = xml.etree.ElementTree.parse(report).findall(".//testcase")
    assert len(cases) >= 145, done.stdout
    failed = {case.get("classname") for case in cases
              if case.find("failure") is not None or case.find("error") is not None}
    return failed, done.stdout[-3000:]


def test_clear_text(start, tmp_path, h2spec):
    server = start(merged(CONFIG, {"http_server": {"h2c_internal": True, "internal_port": "0"}}))
    failed, said = failures(h2spec, tmp_path, "-p", server.ports["http_internal"], "-P", "/health")
    assert failed <= ALLOWED_IN_CLEAR_TEXT, said


@pytest.mark.skipif(not certs.HAVE_OPENSSL, reason="no openssl command here")
def test_tls(start, tmp_path, h2spec):
    cert, key = certs.Authority(tmp_path, "ours").issue("server", names=["127.0.0.1"])
    server = start(merged(CONFIG, {"http_server": {
        "internal_unix_socket": str(tmp_path / "internal"),
        "tls": {"enabled": True, "cert_pem": cert.read_text(), "key_pem": key.read_text()}}}))
    failed, said = failures(h2spec, tmp_path, "-p", server.ports["http"], "-t", "-k",
                            "-P", "/connection/nowhere")
    assert not failed, said

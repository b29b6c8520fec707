"""The corpus in http1_corpus/ against the real server, and against Node's parser as the judge.

Every form is refused with the connection closed, or is exactly the requests that it says; and
nothing passes here that a strict peer would refuse, or would read differently.
"""
import base64
import concurrent.futures
import json
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

CORPUS = pathlib.Path(__file__).resolve().parent / "http1_corpus"
KEY = "key-of-the-tests"
BODY = '{"channel":"x","data":1}'
MACROS = {
    "@P": f"POST /api/publish HTTP/1.1\r\nHost: a\r\nX-API-Key: {KEY}\r\n",
    "@G": "GET /health HTTP/1.1\r\nHost: a\r\n",
    "@B": BODY,
    "@C": f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n",
}
CANARY = b"GET /canary HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
ESCAPE = re.compile(r"\\(x[0-9a-f]{2}|.)|@x(\d+)|@[PGBC]")
LETTERS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
PATIENCE_S = 20


def unescape(match):
    escape, times = match.groups()
    if times:
        return "x" * int(times)
    if escape is None:
        return MACROS[match.group()]
    return chr(int(escape[1:], 16)) if escape[0] == "x" else LETTERS[escape]


class Case:
    def __init__(self, name, outcome):
        self.name = name
        self.excused = outcome.endswith("!")
        self.outcome = [int(status) for status in outcome.rstrip("!").split() if status != "-"]
        self.bytes = b""

    @property
    def refused(self):
        """The canary got no answer."""
        return self.outcome[-1:] != [404]


def read_corpus():
    cases = []
    for path in sorted(CORPUS.glob("*.txt")):
        for line in path.read_text().split("\n"):
            if line.startswith("= "):
                name, outcome = line[2:].rsplit(" : ", 1)
                cases.append(Case(f"{path.stem}/{name}", outcome))
            elif not line.startswith("#"):
                cases[-1].bytes += ESCAPE.sub(unescape, line).encode("latin-1")
    return cases


CASES = read_corpus()


def statuses(answer, names_head):
    """Of all answers in |answer|, each of which must be whole."""
    found = []
    while answer:
        head, separator, answer = answer.partition(b"\r\n\r\n")
        assert separator, head
        status = int(re.match(rb"HTTP/1\.[01] (\d{3}) [^\r\n]*\r\n", head + b"\r\n").group(1))
        if status == 100:
            continue
        length = int(re.search(rb"\r\nContent-Length: (\d+)", head).group(1))
        if not (names_head and not found):
            assert len(answer) >= length, (head, answer)
            answer = answer[length:]
        found.append(status)
    return found


def converse(port, data):
    """All that the server says to |data| until it closes."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
        answer = b""
        try:
            sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it said may still be there
        while True:
            try:
                more = sock.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return answer
            answer += more


@pytest.fixture
def gush(start):
    return start({"http_api": {"key": KEY}, "http_server": {"max_header_size": 16384}})


def outcomes(gush, pieces):
    def one(case):
        if pieces:
            return statuses(trickle(gush.ports["http"], case.bytes + CANARY), names_head(case))
        return statuses(converse(gush.ports["http"], case.bytes + CANARY), names_head(case))

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        return list(pool.map(one, CASES))


def names_head(case):
    return case.bytes.startswith(b"HEAD")


def trickle(port, data):
    """The same, with a packet for each byte around every line end, blank and colon."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            for piece in re.findall(rb"[^\r\n :]{1,400}|[\r\n :]", data):
                sock.sendall(piece)
            while more := sock.recv(65536):
                answer += more
        except (BrokenPipeError, ConnectionResetError):
            sock.setblocking(False)
            try:
                answer += sock.recv(65536)
            except OSError:
                pass
        return answer


def test_the_corpus_is_sound():
    assert len(CASES) > 200 and len({case.name for case in CASES}) == len(CASES)
    assert sum(not case.refused for case in CASES) > 30
    for case in CASES:
        assert case.bytes, case.name


def test_each_form_has_its_outcome(gush):
    wrong = [f"{case.name}: {found}, expected {case.outcome}"
             for case, found in zip(CASES, outcomes(gush, False)) if found != case.outcome]
    assert not wrong, "\n".join(wrong)
    assert gush.http("GET", "/health")[0] == 200


def test_however_the_bytes_are_cut(gush):
    """A refusal may be cut off by what the client still sends; never is anything else said."""
    wrong = [f"{case.name}: {found}, expected {case.outcome}"
             for case, found in zip(CASES, outcomes(gush, True))
             if found != case.outcome and not (case.refused and found == case.outcome[:len(found)])]
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node")
def test_nothing_passes_that_a_strict_peer_refuses():
    said = subprocess.run(
        ["node", CORPUS / "judge.js"], timeout=60, check=True, stdout=subprocess.PIPE, text=True,
        input=json.dumps([base64.b64encode(case.bytes + CANARY).decode() for case in CASES])).stdout
    judged = json.loads(said)
    assert len(judged) == len(CASES)
    wrong = []
    for case, found in zip(CASES, judged):
        if not case.refused and not case.excused and found != case.outcome:
            wrong.append(f"{case.name}: {case.outcome} here, {found} there")
    assert not wrong, "\n".join(wrong)
    # the judge does judge: it refuses most of what is refused here
    assert sum(case.refused and 404 not in found for case, found in zip(CASES, judged)) > 100

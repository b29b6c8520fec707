"""clients-examples/, every language against the real server; the contract is in its README.md.

A language whose toolchain is missing is skipped, with the reason. The programs are built once, under
build/clients/.
"""
import concurrent.futures
import contextlib
import json
import random
import re
import signal
import socket
import threading

import grpc
import pytest

import clients
import tokens
from certs import HAVE_OPENSSL, Authority
from consume import Consume
from proxy import CutProxy
from server import API_KEY, OPEN, PROTO, wait_until

STREAM = "hist:clients"
PLAIN = "plain"
CONFIG = {
    "client": {"recovery_max_publication_limit": 1000},
    "channel": {
        "without_namespace": dict(OPEN),
        "namespaces": [
            dict(OPEN, name="hist", history_size=1000, history_ttl="300s", force_recovery=True),
            {"name": "closed"},
        ],
    },
}
KEYED = ("--key", API_KEY)

every_language = pytest.mark.parametrize("language", sorted(clients.LANGUAGES))


@pytest.fixture
def gush(start):
    return start(CONFIG)


@pytest.fixture
def running():
    """Ends the programs of a test, whatever became of it."""
    with contextlib.ExitStack() as stack:
        def note(program):
            stack.callback(program.kill)
            return program
        yield note


def address(port):
    return f"127.0.0.1:{port}"


def listening(language, directory, port, *arguments, channel=STREAM):
    """A subscriber that has got as far as its subscription."""
    program = clients.subscriber(language, directory, "--address", address(port),
                                 "--channel", channel, *arguments)
    program.wait_for(f"^subscribed {channel} recovered=- offset=0$")
    return program


def publishing(language, directory, server, *arguments, port=None, key=KEYED, **how):
    server.keeps_streams = True
    return clients.publisher(language, directory, "--address",
                             address(port or server.ports["grpc_api"]), *key, *arguments, **how)


def subscribed(text):
    """What came of each subscription to STREAM."""
    return re.findall(rf"^subscribed {STREAM} recovered=(\S+)", text, re.MULTILINE)


def published(server):
    return server.api()("History", channel=STREAM, limit=-1).publications


# ---- a hundred, in order

@every_language
def test_subscriber_prints_what_is_published(language, gush, running, tmp_path):
    program = running(listening(language, tmp_path, gush.ports["uni_grpc"], "--count", "100"))
    for n in range(1, 101):
        gush.publish(STREAM, b'{"n":%d,"text":"\xc3\xa4"}' % n)
    assert program.status() == 0, program.said()
    assert program.publications(STREAM) == [(n, f'{{"n":{n},"text":"ä"}}') for n in range(1, 101)]
    assert re.match(r"connected [0-9a-f-]{36}\nsubscribed ", program.out()), program.said()


@every_language
def test_publisher_publishes_lines(language, gush, running, tmp_path):
    lines = tmp_path / "lines"
    lines.write_bytes(b"".join(b'{"n":%d}\n' % n for n in range(1, 101)))
    with Consume(gush, [STREAM]) as rpc, open(lines, "rb") as stdin:
        program = running(publishing(language, tmp_path, gush, "--channel", STREAM, stdin=stdin))
        pubs = [rpc.pub() for _ in range(100)]
    assert [(pub.offset, pub.data) for pub in pubs] == \
        [(n, b'{"n":%d}' % n) for n in range(1, 101)]
    assert program.status() == 0, program.said()
    assert program.out() == "".join(f"{STREAM} #{n}\n" for n in range(1, 101))


@every_language
def test_channels_without_history_and_two_at_once(language, gush, running, tmp_path):
    program = running(clients.subscriber(
        language, tmp_path, "--address", address(gush.ports["uni_grpc"]), "--channel", PLAIN,
        "--channel", STREAM, "--count", "2", env={"GUSH_TOKEN": tokens.token(sub="u")}))
    program.wait_for(f"^subscribed {PLAIN} recovered=- offset=0$")
    program.wait_for(f"^subscribed {STREAM} recovered=- offset=0$")
    publisher = publishing(language, tmp_path, gush, "--channel", PLAIN, "one", key=(),
                           env={"GUSH_API_KEY": API_KEY})
    assert publisher.status() == 0, publisher.said()
    assert publisher.offsets(PLAIN) == [0]
    program.wait_for(f"^{PLAIN} #0 one$")
    gush.publish(STREAM, b"two")
    assert program.status() == 0, program.said()
    assert program.publications(STREAM) == [(1, "two")]


# ---- the wire is cut

@every_language
def test_cut_at_random_nothing_is_lost_or_doubled(language, gush, running, tmp_path):
    total, cuts = 500, 4
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    cut_at = sorted(chance.sample(range(20, total - 60, 30), cuts))
    with CutProxy(gush.ports["uni_grpc"]) as proxy:
        program = running(listening(language, tmp_path, proxy.port))
        for n in range(1, total + 1):
            gush.publish(STREAM, b"%d" % n)
            if cut_at and n == cut_at[0]:
                proxy.cut()
                mend_at = n + chance.randrange(1, 30)
                cut_at.pop(0)
                gush.wait_clients(0)
            elif proxy.is_cut and n == mend_at:
                proxy.mend()
                # So that the next cut meets a connection that has recovered.
                wait_until(lambda: len(subscribed(program.out())) == 1 + cuts - len(cut_at),
                           clients.TIMEOUT_S, "recovery")
        program.wait_for(f"^{STREAM} #{total} ")
        program.end()
    assert program.publications(STREAM) == [(n, str(n)) for n in range(1, total + 1)]
    assert subscribed(program.out()) == ["-"] + cuts * ["yes"]
    assert len(re.findall(r"^reconnecting in \d+ ms: \S", program.err(), re.MULTILINE)) >= cuts


class Tap:
    """A socket of a proxy that asks before it sends."""

    def __init__(self, sock, may_send):
        self.sock, self.may_send = sock, may_send

    def sendall(self, data):
        if self.may_send(data):
            self.sock.sendall(data)

    def __getattr__(self, name):
        return getattr(self.sock, name)


class AnswerThief(CutProxy):
    """Once a request with |marker| has passed, nothing comes back on its connection."""

    def __init__(self, target_port, marker):
        self.marker = marker
        self.stealing = threading.Event()
        super().__init__(target_port)

    def pump(self, near, far):
        mine = threading.Event()
        tail = b""

        def to_server(data):
            nonlocal tail
            if self.marker in tail + data:
                mine.set()
                self.stealing.set()
            tail = data[-len(self.marker):]
            return True

        super().pump(Tap(near, lambda _: not mine.is_set()), Tap(far, to_server))


@every_language
def test_retry_of_a_publication_whose_answer_was_lost(language, gush, running, tmp_path):
    with AnswerThief(gush.ports["grpc_api"], b"the second") as proxy:
        program = running(publishing(language, tmp_path, gush, "--channel", STREAM,
                                     "the first", "the second", "the third", port=proxy.port))
        assert proxy.stealing.wait(clients.TIMEOUT_S), program.said()
        wait_until(lambda: len(published(gush)) == 2)  # it is done, and the client does not know
        assert program.offsets(STREAM) == [1]
        proxy.cut()
        program.wait_for_err(r"^retrying in \d+ ms: ")
        proxy.marker = b"never again"
        proxy.mend()
        assert program.status() == 0, program.said()
    assert program.offsets(STREAM) == [1, 2, 3]
    assert [pub.data for pub in published(gush)] == [b"the first", b"the second", b"the third"]


@every_language
def test_publisher_waits_for_the_server(language, gush, running, tmp_path):
    with CutProxy(gush.ports["grpc_api"]) as proxy:
        proxy.cut()
        program = running(publishing(language, tmp_path, gush, "--channel", STREAM, "x",
                                     port=proxy.port))
        program.wait_for_err(r"^retrying in \d+ ms: ")
        proxy.mend()
        assert program.status() == 0, program.said()
    assert program.offsets(STREAM) == [1]


@every_language
def test_the_same_prefix_publishes_nothing_twice(language, gush, tmp_path):
    for _ in range(2):
        program = publishing(language, tmp_path, gush, "--channel", STREAM,
                             "--idempotency-prefix", "run-1", "a", "b")
        assert program.status() == 0, program.said()
        assert program.offsets(STREAM) == [1, 2]
    assert len(published(gush)) == 2


# ---- the server goes

def restarted(server, start, proxy):
    """Another server behind |proxy|: without the history of |server|."""
    another = start(server.config)
    another.keeps_streams = True
    proxy.target_port = another.ports["uni_grpc"]
    return another


def goes_on_without_history(program, server):
    program.wait_for(f"^subscribed {STREAM} recovered=no offset=0$\nlost {STREAM}$")
    server.publish(STREAM, b"new")
    program.wait_for(f"^{STREAM} #1 new$")
    program.end()
    assert program.publications(STREAM) == [(1, "old"), (1, "new")]


@every_language
def test_much_was_missed(language, gush, running, tmp_path):
    """More than the 4 MiB that gRPC libraries take by default."""
    with CutProxy(gush.ports["uni_grpc"]) as proxy:
        program = running(listening(language, tmp_path, proxy.port))
        proxy.cut()
        gush.wait_clients(0)
        for n in range(100):
            gush.publish(STREAM, b"%d" % n + 60_000 * b"x")
        proxy.mend()
        program.wait_for(f"^{STREAM} #100 99x")
        program.end()
    assert [offset for offset, _ in program.publications(STREAM)] == list(range(1, 101))


@every_language
def test_killed_server_history_is_lost_and_said(language, gush, start, running, tmp_path):
    with CutProxy(gush.ports["uni_grpc"]) as proxy:
        program = running(listening(language, tmp_path, proxy.port))
        gush.publish(STREAM, b"old")
        program.wait_for(f"^{STREAM} #1 old$")
        gush.destroy()  # SIGKILL
        program.wait_for_err("^reconnecting in ")
        goes_on_without_history(program, restarted(gush, start, proxy))


@every_language
def test_shutdown_of_the_server(language, gush, start, running, tmp_path):
    with CutProxy(gush.ports["uni_grpc"]) as proxy:
        program = running(listening(language, tmp_path, proxy.port))
        gush.publish(STREAM, b"old")
        program.wait_for(f"^{STREAM} #1 old$")
        gush.signal(signal.SIGTERM)
        program.wait_for_err("^disconnected 3001 shutdown$\nreconnecting in ")
        gush.check_exit()
        gush.destroy()
        goes_on_without_history(program, restarted(gush, start, proxy))


# ---- what is refused

@every_language
def test_bad_token_is_the_end(language, gush, tmp_path):
    program = clients.subscriber(language, tmp_path, "--address", address(gush.ports["uni_grpc"]),
                                 "--channel", PLAIN, "--token", "nonsense")
    assert program.status() == 1, program.said()
    assert program.out() == "" and "disconnected 3500 invalid token\n" in program.err()
    assert "reconnecting" not in program.err()


@every_language
def test_channel_that_is_not_granted(language, gush, tmp_path):
    program = clients.subscriber(language, tmp_path, "--address", address(gush.ports["uni_grpc"]),
                                 "--channel", "closed:1")
    assert program.status() == 1, program.said()
    assert "refused closed:1\n" in program.err()


@every_language
def test_wrong_api_key(language, gush, tmp_path):
    program = publishing(language, tmp_path, gush, "--channel", PLAIN, "x", key=("--key", "wrong"))
    assert program.status() == 1, program.said()
    assert re.search("^error unauthenticated ", program.err(), re.MULTILINE | re.IGNORECASE)
    assert program.out() == ""


@every_language
def test_api_error_is_reported(language, gush, tmp_path):
    program = publishing(language, tmp_path, gush, "--channel", "unknown:1", "x", "y")
    assert program.status() == 1, program.said()
    assert program.err() == "error 102 unknown channel\n" and program.out() == ""


@every_language
def test_arguments_that_make_no_sense(language, tmp_path):
    for run in (clients.subscriber, clients.publisher):
        program = run(language, tmp_path, "--nonsense")
        assert program.status() == 2, program.said()
        assert program.err() != ""


# ---- what gRPC can do

@every_language
def test_deadline(language, gush, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = publishing(language, tmp_path, gush, "--channel", PLAIN, "--deadline-ms", "500",
                             "x", port=silent.getsockname()[1])
        assert program.status() == 1, program.said()
    assert re.search("^error deadline_?exceeded ", program.err(), re.MULTILINE | re.IGNORECASE), \
        program.said()


class CountingProxy(CutProxy):
    """Counts what goes to the server."""

    def __init__(self, target_port):
        self.to_server = 0
        super().__init__(target_port)

    def pump(self, near, far):
        def count(data):
            self.to_server += len(data)
            return True

        super().pump(near, Tap(far, count))


@every_language
def test_gzip(language, gush, tmp_path):
    data = json.dumps({"text": "again and again " * 2000})
    sizes = {}
    for flag in ("--gzip", None):
        with CountingProxy(gush.ports["grpc_api"]) as proxy:
            program = publishing(language, tmp_path, gush, "--channel", STREAM,
                                 *([flag] if flag else []), data, port=proxy.port)
            assert program.status() == 0, program.said()
        sizes[flag] = proxy.to_server
    assert sizes[None] > len(data) > 10 * sizes["--gzip"], sizes
    assert [pub.data.decode() for pub in published(gush)] == [data, data]


@every_language
def test_health(language, gush, tmp_path):
    program = publishing(language, tmp_path, gush, "--health", key=())
    assert (program.status(), program.out()) == (0, "SERVING\n"), program.said()


class Leaving(PROTO.health_rpc.HealthServicer):
    """What a server says of itself while it drains."""

    def Check(self, request, context):
        return PROTO.health.HealthCheckResponse(status="NOT_SERVING")


@every_language
def test_health_of_a_server_that_leaves(language, running, tmp_path):
    leaving = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    PROTO.health_rpc.add_HealthServicer_to_server(Leaving(), leaving)
    port = leaving.add_insecure_port("127.0.0.1:0")
    leaving.start()
    try:
        program = running(clients.publisher(language, tmp_path, "--address", address(port),
                                            "--health"))
        assert (program.status(), program.out()) == (1, "NOT_SERVING\n"), program.said()
    finally:
        leaving.stop(None).wait()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """{name: path} of a CA, a server's pair for 127.0.0.1, and a client's pair."""
    if not HAVE_OPENSSL:
        pytest.skip("the openssl tool is not installed")
    ours = Authority(tmp_path_factory.mktemp("tls"), "ours")
    paths = {"ca.pem": ours.pem}
    for name, names in (("server", ["localhost", "127.0.0.1"]), ("client", ["someone"])):
        paths[f"{name}.pem"], paths[f"{name}.key"] = ours.issue(name, names=names)
    return {name: str(path) for name, path in paths.items()}


def over_tls(start, authority, mutual):
    tls = {"enabled": True, "cert_pem": authority["server.pem"], "key_pem": authority["server.key"]}
    if mutual:
        tls["client_ca_pem"] = authority["ca.pem"]
    return start(dict(CONFIG, grpc_api={"tls": tls}, uni_grpc={"tls": tls}))


@every_language
@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mtls"])
def test_tls(language, mutual, start, authority, running, tmp_path):
    clients.folder(language)
    server = over_tls(start, authority, mutual)
    server.keeps_streams = True
    trust = ["--tls-ca", authority["ca.pem"]]
    show = ["--tls-cert", authority["client.pem"], "--tls-key", authority["client.key"]]
    arguments = trust + show if mutual else trust
    program = running(listening(language, tmp_path, server.ports["uni_grpc"], "--count", "1",
                                *arguments))
    publisher = publishing(language, tmp_path, server, "--channel", STREAM, *arguments, "secret")
    assert publisher.status() == 0, publisher.said()
    assert program.status() == 0, program.said()
    assert program.publications(STREAM) == [(1, "secret")]
    # Without the authority, or without a certificate of one's own, nothing goes.
    less = trust if mutual else []
    program = publishing(language, tmp_path, server, "--channel", STREAM, "--deadline-ms", "500",
                         *less, "x")
    assert program.status() == 1, program.said()
    assert program.out() == ""


# ---- silence

def test_silence_is_noticed(start, running, tmp_path):
    """A connection that is neither used nor closed, as behind a dead router: all languages at once,
    because it takes the ping interval and ten seconds to be sure."""
    server = start(dict(CONFIG, uni_grpc={"ping_interval": "1s"}))
    server.keeps_streams = True
    built = []
    for language in sorted(clients.LANGUAGES):
        with contextlib.suppress(pytest.skip.Exception):
            clients.folder(language)
            built.append(language)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as mute, \
            SilentProxy(server.ports["uni_grpc"]) as proxy:
        listeners = [running(listening(language, tmp_path, proxy.port)) for language in built]
        strangers = [running(clients.subscriber(
            language, tmp_path, "--address", address(mute.getsockname()[1]), "--channel", PLAIN))
            for language in built]
        proxy.silence()
        for program in listeners + strangers:
            program.wait_for_err("^reconnecting in ")
        for program in listeners:
            program.wait_for(f"^subscribed {STREAM} recovered=yes ")
            program.end()


class SilentProxy(CutProxy):
    """Connections from before silence() stay open, and carry nothing to the client any more."""

    def __init__(self, target_port):
        self.muted = threading.Event()  # a new one for those that come later
        super().__init__(target_port)

    def silence(self):
        self.muted.set()
        self.muted = threading.Event()

    def pump(self, near, far):
        muted = self.muted
        super().pump(Tap(near, lambda _: not muted.is_set()), far)

"""The real gush binary, started for a test and judged when it ends.

    server = Server({"client": {"channel_limit": 3}})   merged over BASE_CONFIG
    server.start()
    server.publish("plain", b'{"a":1}')
    server.stop()        fails unless nothing is left, exit code 0, and no sanitizer spoke

Each server has its own directory, environment and free ports.
"""
import copy
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import grpc

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "clients-examples" / "python"))

import gushproto  # noqa: E402  (found by the line above)

PROTO = gushproto.load()
BINARY = pathlib.Path(os.environ.get("GUSH_TEST_BINARY", REPOSITORY / "build" / "dev" / "gush"))
SECRET = "a secret for tests"
API_KEY = "key-of-the-tests"
START_TIMEOUT_S = 20
STOP_TIMEOUT_S = 20
CALL_TIMEOUT_S = 20
REST_TIMEOUT_S = 10

GRPC = ("grpc_api", "uni_grpc")
LISTENERS = ("http", "grpc_api", "uni_grpc")
# A stream keeps its channel, history and their bytes for its retention time; nothing else stays.
KEPT_BY_STREAMS = {"channels", "publications", "bytes"}
SANITIZER_SPEAKS = re.compile(r"(ERROR|WARNING): \w*Sanitizer|runtime error:|LeakSanitizer|"
                              r"assertion|Assertion")

OPEN = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}

BASE_CONFIG = {
    "http_server": {"address": "127.0.0.1"},
    "client": {
        "allow_anonymous_connect_without_token": True,
        "token": {"hmac_secret_key": SECRET},
    },
    "channel": {
        "without_namespace": dict(OPEN),
        "namespaces": [
            dict(OPEN, name="hist", history_size=10, history_ttl="300s", force_recovery=True),
            dict(OPEN, name="who", presence=True, join_leave=True, force_push_join_leave=True),
            dict(OPEN, name="json", publication_data_format="json"),
            dict(OPEN, name="any", publication_data_format="binary"),
            {"name": "closed"},
        ],
    },
    "grpc_api": {"enabled": True, "address": "127.0.0.1", "key": API_KEY},
    "uni_grpc": {"enabled": True, "address": "127.0.0.1"},
    "uni_sse": {"enabled": True},
    "health": {"enabled": True},
    "debug": {"enabled": True, "handler_prefix": "/debug"},
}


def through_http(config):
    """|config| with its gRPC services on the HTTP port instead of ports of their own."""
    return merged(config, {name: {"enabled": False, "on_http_port": True}
                           for name in GRPC if config.get(name, {}).get("enabled")})


def merged(base, changes):
    result = copy.deepcopy(base)
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def wait_until(condition, timeout_s=REST_TIMEOUT_S, what="condition"):
    """Returns the first true value of condition()."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)


def sanitized():
    """Whether the binary carries a sanitizer: slower, and its memory figures mean little."""
    with open(BINARY, "rb") as file:
        content = file.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def packaged_core():
    """Whether the binary is linked with the gRPC library that Debian packages."""
    return b"libgrpc.so." in BINARY.read_bytes()


def environment(extra=None):
    env = {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    support = REPOSITORY / "tests" / "support"
    env["ASAN_OPTIONS"] = "detect_leaks=1:quarantine_size_mb=8:malloc_context_size=12"
    env["UBSAN_OPTIONS"] = "print_stacktrace=1"
    env["TSAN_OPTIONS"] = "halt_on_error=0:exitcode=66:history_size=4"
    for name, option in (("lsan.supp", "LSAN_OPTIONS"), ("tsan.supp", "TSAN_OPTIONS")):
        if (support / name).exists():
            env[option] = (env.get(option, "") + f":suppressions={support / name}").lstrip(":")
    env.update(extra or {})
    return env


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Server:
    def __init__(self, config=None, env=None, base=None, wants=None, door="core"):
        self.door = door  # what gRPC comes through: "core" or "http"
        self.config = merged(BASE_CONFIG if base is None else base, config or {})
        if door == "http":
            self.config = through_http(self.config)
        self.env = dict({"GUSH_HTTP_SERVER_PORT": "0", "GUSH_GRPC_API_PORT": "0",
                         "GUSH_UNI_GRPC_PORT": "0"}, **(env or {}))
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gush-test-"))
        self.log_path = self.directory / "stderr"
        self.config_path = self.directory / "config.json"
        self.process = None
        self.wants = wants or {name for name in LISTENERS
                               if name == "http" or self.config.get(name, {}).get("enabled")}
        if wants is None and self.config.get("http_server", {}).get("internal_port"):
            self.wants.add("http_internal")
        self.ports = {}  # by listener: the first one's
        self.keeps_streams = False
        self._channels = []

    # -- life

    def start(self):
        self.config_path.write_text(json.dumps(self.config, indent=1))
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "-c", self.config_path], cwd=self.directory, env=environment(self.env),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def listening():
            if self.process.poll() is not None:
                raise AssertionError(f"gush ended at start:\n{self.log()}")
            lines = self.listening()
            self.ports = {line["listener"]: line["port"] for line in reversed(lines)
                          if "port" in line}
            self.ports = {**self.grpc_on_http(), **self.ports}
            return self.wants <= {line["listener"] for line in lines}

        wait_until(listening, START_TIMEOUT_S, f"listeners {self.wants}")
        return self

    def listening(self):
        """What the log says of each listener; "path" instead of "port" for a unix socket."""
        return [line for line in self.log_lines() if line.get("message") == "listening"]

    def grpc_on_http(self):
        """Where gRPC is served on HTTP ports."""
        http = self.ports.get("http")
        internal = self.ports.get("http_internal", http)
        if self.config.get("http_api", {}).get("external"):
            internal = http
        return {name: port for name, port in (("grpc_api", internal), ("uni_grpc", http))
                if self.config.get(name, {}).get("on_http_port")}

    def stop(self, number=signal.SIGTERM):
        """Ends the server and judges it."""
        for channel in self._channels:
            channel.close()
        try:
            assert self.process.poll() is None, \
                f"gush died with {self.process.returncode}:\n{self.log()}"
            self.check_at_rest()
            self.signal(number)
            self.check_exit()
        finally:
            self.destroy()

    def signal(self, number):
        self.process.send_signal(number)

    def check_exit(self):
        status = self.process.wait(STOP_TIMEOUT_S)
        log = self.log()
        assert not SANITIZER_SPEAKS.search(log), log
        assert status == 0, f"exit status {status}\n{log}"

    def destroy(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- looking inside

    def log(self):
        return self.log_path.read_text(errors="replace")

    def log_lines(self):
        lines = []
        for line in self.log().splitlines():
            try:
                decoded = json.loads(line)
            except ValueError:
                continue
            if isinstance(decoded, dict):
                lines.append(decoded)
        return lines

    def http(self, method, path, body=None, headers=None, port=None):
        """(status, headers, body)"""
        return self.answer(
            http.client.HTTPConnection("127.0.0.1", port or self.ports["http"], timeout=10),
            method, path, body, headers)

    def internal(self, method, path, body=None, headers=None):
        """The same where the operator's endpoints are."""
        section = self.config["http_server"]
        if "http_internal" not in self.ports and section.get("internal_unix_socket"):
            connection = UnixConnection(section["internal_unix_socket"])
            return self.answer(connection, method, path, body, headers)
        port = self.ports.get("http_internal", self.ports.get("http"))
        return self.http(method, path, body, headers, port)

    @staticmethod
    def answer(connection, method, path, body=None, headers=None):
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def live(self):
        status, _, body = self.internal("GET", "/debug/live")
        assert status == 200, body
        return json.loads(body)

    def wait_clients(self, count, timeout_s=REST_TIMEOUT_S):
        wait_until(lambda: self.live()["clients"] == count, timeout_s, f"{count} clients")

    def check_at_rest(self):
        """Nothing of what the clients caused is left."""
        allowed = KEPT_BY_STREAMS if self.keeps_streams else set()

        def left():
            return {name: count for name, count in self.live().items()
                    if count != 0 and name not in allowed}
        try:
            wait_until(lambda: not left())
        except AssertionError:
            raise AssertionError(f"live objects at rest: {left()}") from None

    def rss(self):
        """Resident bytes"""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    # -- gRPC

    def note_channel(self, channel):
        if channel.startswith("hist") or channel.startswith("short"):
            self.keeps_streams = True

    def channel(self, listener, options=()):
        channel = grpc.insecure_channel(
            f"127.0.0.1:{self.ports[listener]}",
            options=[("grpc.use_local_subchannel_pool", 1), *options])
        self._channels.append(channel)
        return channel

    def api(self, key=API_KEY, mode=None, options=()):
        return Api(self.channel("grpc_api", options), self, key, mode)

    def publish(self, channel, data, **fields):
        """Publishes, or raises ApiError; returns the result."""
        if not hasattr(self, "_api"):
            self._api = self.api()
        return self._api("Publish", channel=channel, data=data, **fields)


class ApiError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Api:
    """api("Publish", channel="c", data=b"1") returns the result, or raises ApiError."""

    def __init__(self, channel, server, key, mode):
        self.grpc_channel = channel
        self.server = server
        self.stub = PROTO.api_rpc.CentrifugoApiStub(channel)
        self.metadata = []
        if key is not None:
            self.metadata.append(("authorization", f"apikey {key}"))
        if mode is not None:
            self.metadata.append(("x-centrifugo-error-mode", mode))

    def request(self, method, fields):
        for channel in [fields.get("channel", ""), *fields.get("channels", [])]:
            self.server.note_channel(channel)
        return getattr(PROTO.api, f"{method}Request")(**fields)

    def future(self, method, /, **fields):
        return getattr(self.stub, method).future(
            self.request(method, fields), metadata=self.metadata, timeout=CALL_TIMEOUT_S)

    def reply(self, method, /, **fields):
        return getattr(self.stub, method)(
            self.request(method, fields), metadata=self.metadata, timeout=CALL_TIMEOUT_S)

    def __call__(self, method, /, **fields):
        reply = self.reply(method, **fields)
        if reply.HasField("error"):
            raise ApiError(reply.error.code, reply.error.message)
        return reply.result

    def raw(self, method, request, service="centrifugal.centrifugo.api.CentrifugoApi"):
        """Bytes in, bytes out, whatever they are."""
        call = self.grpc_channel.unary_unary(f"/{service}/{method}")
        return call(request, metadata=self.metadata, timeout=CALL_TIMEOUT_S)

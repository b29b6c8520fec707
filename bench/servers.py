"""The servers that are measured, each started on free ports of 127.0.0.1.

    with start("gush") as server:
        load(server, ["--sse", "1000"])

gush        build/release/gush, or $GUSH
centrifugo  $CENTRIFUGO, a binary of Centrifugo 6
floor       gush_load's own: one send() for each delivery

The load client is gush_load beside the gush binary, or $LOAD. $PRIO goes in front of servers
and client alike, for instance PRIO='chrt -f 10' on a machine that is not quiet; $PIN=1 gives the
server core 0 and the client core 1.
"""
import contextlib
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time

BENCH = pathlib.Path(__file__).resolve().parent
REPOSITORY = BENCH.parent
GUSH = pathlib.Path(os.environ.get("GUSH", REPOSITORY / "build/release/gush"))
LOAD = pathlib.Path(os.environ.get("LOAD", GUSH.parent / "gush_load"))
PORTS = {"http": "HTTP_SERVER", "api": "GRPC_API", "uni": "UNI_GRPC"}
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 60


def free_ports(count):
    """Ports that nobody uses now; all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def prefix(core):
    pin = ["taskset", "-c", str(core)] if os.environ.get("PIN") else []
    return os.environ.get("PRIO", "").split() + pin


class Server:
    def __init__(self, kind, config=None, env=None):
        """|config|: instead of bench/gush.json, as a dictionary."""
        self.kind, self.ports = kind, dict.fromkeys(PORTS, 0)
        for binary in (self.command("")[0], LOAD):
            if not os.access(binary, os.X_OK):
                raise SystemExit(f"{binary} is missing: build the release preset, or see servers.py")
        self.ports = dict(zip(PORTS, free_ports(len(PORTS))))
        self.directory = tempfile.TemporaryDirectory(prefix="gush-bench-")
        self.log_path = pathlib.Path(self.directory.name) / "log"
        path = BENCH / "gush.json"
        if config is not None:
            path = pathlib.Path(self.directory.name) / "config.json"
            path.write_text(json.dumps(config, indent=1))
        # Both servers read variables of this name.
        environment = dict(os.environ, CENTRIFUGO_USAGE_STATS_DISABLED="true", **(env or {}))
        for name, key in PORTS.items():
            environment[f"CENTRIFUGO_{key}_PORT"] = str(self.ports[name])
        command = prefix(0) + self.command(path)
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=self.directory.name)
        self.wait_ready()

    def command(self, config):
        if self.kind == "floor":
            return [str(LOAD), "floor", str(self.ports["http"])]
        if self.kind == "centrifugo":
            return [os.environ.get("CENTRIFUGO", "centrifugo ($CENTRIFUGO)"), "-c", str(config)]
        return [str(GUSH), "-c", str(config)]

    def wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        for name in ["http"] if self.kind == "floor" else PORTS:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", self.ports[name]), 1).close()
                    break
                except OSError:
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        raise SystemExit(f"{self.kind} did not start:\n{self.log()}") from None
                    time.sleep(0.02)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def load_command(self, arguments):
        """The load client with what it must know of this server."""
        command = prefix(1) + [str(LOAD), "--http", str(self.ports["http"]),
                               "--api", str(self.ports["api"]), "--uni", str(self.ports["uni"]),
                               "--pid", str(self.process.pid), "--label", self.kind]
        return command + (["--floor"] if self.kind == "floor" else []) + list(arguments)

    def stop(self):
        """The exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


@contextlib.contextmanager
def start(kind, config=None, env=None):
    server = Server(kind, config, env)
    try:
        yield server
    finally:
        server.stop()
        server.directory.cleanup()


def load(server, arguments):
    """(figures of one run, whether nothing was lost)"""
    run = subprocess.run(server.load_command(["--json", *arguments]), stdout=subprocess.PIPE,
                         text=True)
    if run.returncode not in (0, 3):
        raise SystemExit(f"gush_load ended with {run.returncode}\n{server.log()[-2000:]}")
    return json.loads(run.stdout), run.returncode == 0

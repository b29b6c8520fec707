"""The reference server in the place of ours: the same tests, to see whether they say the truth.

    GUSH_TEST_REFERENCE=/path/to/centrifugo pytest tests/e2e/test_api_clients.py
"""
import json
import os
import signal
import socket
import subprocess

from server import START_TIMEOUT_S, STOP_TIMEOUT_S, Server, environment, merged, wait_until

BINARY = os.environ.get("GUSH_TEST_REFERENCE")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Reference(Server):
    """Starts and ends; nothing of ours is judged."""

    def start(self):
        http, internal, api, uni = free_ports(4)
        self.ports = {"http": http, "grpc_api": api, "uni_grpc": uni}
        config = merged(self.config, {
            "http_server": {"port": http, "internal_address": "127.0.0.1",
                            "internal_port": str(internal)},
            "grpc_api": {"port": api}, "uni_grpc": {"port": uni},
            "log": {"level": "error"}, "usage_stats": {"disabled": True},
        })
        self.config_path.write_text(json.dumps(config, indent=1))
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "-c", self.config_path], cwd=self.directory, env=environment(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def listening():
            assert self.process.poll() is None, self.log()
            return all(listens(port) for port in self.ports.values())

        wait_until(listening, START_TIMEOUT_S, "listeners of the reference")
        return self

    def stop(self, number=signal.SIGTERM):
        for channel in self._channels:
            channel.close()
        self.process.send_signal(number)
        self.process.wait(STOP_TIMEOUT_S)
        self.destroy()

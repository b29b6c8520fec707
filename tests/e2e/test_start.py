"""Starting, refusing to start, and ending."""
import json
import signal
import socket
import subprocess

import pytest

from consume import Consume
from server import BASE_CONFIG, BINARY, environment, merged, wait_until
from sse import Sse


def run(*arguments, env=None, cwd=None):
    """(exit code, stdout, stderr) of a gush that is expected to end by itself"""
    done = subprocess.run([BINARY, *arguments], cwd=cwd, env=environment(env), timeout=20,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def refused(directory, text, env=None):
    """What gush says about this configuration file."""
    path = directory / "config.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=1))
    code, out, err = run("-c", str(path), env=env)
    assert code == 1, (code, out, err)
    said = out + err
    assert "Sanitizer" not in said and "runtime error" not in said, said
    return said


# ---- configuration

@pytest.mark.parametrize("text, line", [
    ("{\n \"client\": {\n  \"insecure\": tru\n }\n}\n", 3),
    ("{\n // comment\n}\n", 2),
    ("{\n \"log\": {},\n}\n", 3),
    ("{\n\n\n", None),
    ("", None),
    ("[]", None),
], ids=["literal", "comment", "comma", "unfinished", "empty", "list"])
def test_file_that_does_not_parse(tmp_path, text, line):
    said = refused(tmp_path, text)
    assert "config.json" in said
    if line is not None:
        assert f"{line}" in said.replace("config.json", ""), said


@pytest.mark.parametrize("config, words", [
    ({"client": {"ping_interval": "5"}}, ["client.ping_interval", "5", "25s"]),
    ({"client": {"ping_interval": "1 day"}}, ["client.ping_interval", "1 day"]),
    ({"client": {"insecure": "yes"}}, ["client.insecure", "yes", "true", "false"]),
    ({"client": {"channel_limit": "many"}}, ["client.channel_limit", "many"]),
    ({"http_server": {"port": 70000}}, ["http_server.port", "70000", "65535"]),
    ({"grpc_api": {"error_mode": "loud"}}, ["grpc_api.error_mode", "loud", "transport"]),
    ({"channel": {"namespaces": [{"name": "a"}]}}, ["a", "^[-a-zA-Z0-9_.]{2,}$"]),
    ({"channel": {"namespaces": [{"name": "aa"}, {"name": "aa"}]}}, ["aa"]),
    ({"channel": {"namespaces": [{"name": "aa", "history_size": 5}]}},
     ["aa", "both history size and history ttl required for history"]),
    ({"channel": {"namespaces": [{"name": "aa", "force_recovery": True}]}},
     ["aa", "both history size and history ttl required for recovery"]),
    ({"channel": {"namespaces": [{"name": "aa", "history_size": 5, "history_ttl": "1500ms"}]}},
     ["history_ttl", "1.5s"]),
    ({"channel": {"without_namespace": {"force_recovery_mode": "magic"}}}, ["magic", "cache"]),
    ({"channel": {"without_namespace": {"publication_data_format": "xml"}}}, ["xml", "json"]),
    ({"client": {"ping_interval": "5s", "pong_timeout": "6s"}}, ["ping_interval"]),
    ({"client": {"token": {"user_id_claim": "a b"}}}, ["a b", "^[a-zA-Z_]+$"]),
], ids=lambda value: str(value)[:60] if isinstance(value, dict) else "")
def test_wrong_values(tmp_path, config, words):
    said = refused(tmp_path, config)
    for word in words:
        assert word in said or json.dumps(word)[1:-1] in said, (word, said)


def test_wrong_value_is_named_with_file_and_line(tmp_path):
    said = refused(tmp_path, '{\n "client": {\n\n  "ping_interval": "soon"\n }\n}\n')
    for word in ("config.json", "4", "client.ping_interval", "soon"):
        assert word in said.replace("\\\"", "\""), (word, said)


def test_wrong_values_in_the_environment(tmp_path):
    for name, value in (("GUSH_CLIENT_INSECURE", "yes"), ("GUSH_HTTP_SERVER_PORT", "http"),
                        ("CENTRIFUGO_CLIENT_PING_INTERVAL", "25")):
        said = refused(tmp_path, {}, env={name: value})
        assert name in said and value in said, said


def test_unknown_keys_are_told_and_ignored(start):
    server = start({"client": {"insecur": True}, "chanel": {}}, env={"GUSH_CLIENT_INSECUR": "true"})
    warnings = [line for line in server.log_lines() if line["level"] == "warn"]
    # The key may be followed by a guess at what was meant.
    keys = {line.get("key", "").split(" ")[0] for line in warnings}
    assert {"client.insecur", "chanel"} <= keys
    assert "GUSH_CLIENT_INSECUR" in {line.get("var") for line in warnings}


def test_environment_overrides_the_file(start):
    server = start({"client": {"channel_limit": 5}},
                   env={"GUSH_CLIENT_CHANNEL_LIMIT": "1", "CENTRIFUGO_CLIENT_CHANNEL_LIMIT": "3"})
    with Consume(server, ["a", "b"], expect_connect=False) as rpc:
        assert rpc.disconnect() == (3505, "channel limit")
    server = start(env={"CENTRIFUGO_CHANNEL_NAMESPACES_CLOSED_PRESENCE": "true"})
    assert dict(server.api()("Presence", channel="closed:1").presence) == {}


def test_missing_file_means_defaults(tmp_path):
    env = {"GUSH_HTTP_SERVER_PORT": "0", "GUSH_HTTP_SERVER_ADDRESS": "127.0.0.1"}
    process = subprocess.Popen([BINARY], cwd=tmp_path, env=environment(env),
                               stderr=subprocess.PIPE, text=True)
    said = ""
    for line in process.stderr:
        said += line
        if "listening" in line:
            break
    process.terminate()
    said += process.stderr.read()
    assert process.wait(20) == 0, said
    assert "config file not found" in said


def test_named_missing_directory_is_no_config(tmp_path):
    code, out, err = run("-c", str(tmp_path))
    assert code == 1 and str(tmp_path) in out + err


# ---- command line

def test_version():
    code, out, _ = run("version")
    assert code == 0 and out.startswith("Gush v")


def test_help():
    code, out, err = run("--help")
    assert code == 0
    for word in ("--config", "--http_server.port", "--grpc_api.enabled", "--uni_grpc.port"):
        assert word in out + err, word


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["-c"], ["--uni_grpc.port=x"]])
def test_wrong_command_lines(arguments, tmp_path):
    code, out, err = run(*arguments, cwd=tmp_path)
    assert code == 1 and err and "Sanitizer" not in err


# ---- ports

@pytest.mark.parametrize("listener", ["http_server", "grpc_api", "uni_grpc"])
def test_port_in_use(tmp_path, listener):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = merged(BASE_CONFIG, {"http_server": {"port": 0}, "grpc_api": {"port": 0},
                                      "uni_grpc": {"port": 0}})
        config[listener]["port"] = port
        said = refused(tmp_path, config)
        assert str(port) in said and "in use" in said.lower(), said


@pytest.mark.parametrize("name", ["http", "grpc_api", "uni_grpc"])
def test_port_of_another_gush(start, tmp_path, name):
    """SO_REUSEPORT must not let two servers share a port by accident."""
    first = start()
    listener = "http_server" if name == "http" else name
    config = merged(BASE_CONFIG, {"http_server": {"port": 0}, "grpc_api": {"port": 0},
                                  "uni_grpc": {"port": 0}})
    config[listener]["port"] = first.ports[name]
    said = refused(tmp_path, config)
    assert str(first.ports[name]) in said, said


def test_port_is_free_again_at_once(start):
    first = start()
    with Consume(first, ["c"]), Sse(first.ports["http"]):
        ports = dict(first.ports)
        first.signal(signal.SIGTERM)
        first.check_exit()
    first.destroy()
    second = start(env={"GUSH_HTTP_SERVER_PORT": str(ports["http"]),
                        "GUSH_GRPC_API_PORT": str(ports["grpc_api"]),
                        "GUSH_UNI_GRPC_PORT": str(ports["uni_grpc"])})
    assert second.ports == ports


# ---- ending

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_shutdown_is_told_to_everybody(start, number):
    server = start()
    streams = [Consume(server, ["c", "hist:1"]) for _ in range(20)]
    webs = [Sse(server.ports["http"], {"subs": {"c": {}}}) for _ in range(20)]
    server.publish("c", b"1")
    server.signal(number)
    for rpc in streams:
        assert rpc.disconnect() == (3001, "shutdown")
    for web in webs:
        assert web.disconnect() == (3001, "shutdown")
    server.check_exit()
    for stream in streams + webs:
        stream.close()
    server.destroy()


def test_shutdown_with_readers_that_do_not_read(start):
    """Who does not take the goodbye cannot hold the server up."""
    server = start({"shutdown": {"timeout": "5s"}})
    web = Sse(server.ports["http"], {"subs": {"c": {}}}, receive_buffer=4096)
    for _ in range(20):
        server.publish("c", b'"' + b"x" * 40_000 + b'"')
    server.signal(signal.SIGTERM)
    status = server.process.wait(15)
    assert status in (0, 1), server.log()
    assert "Sanitizer" not in server.log()
    web.close()
    server.destroy()


def test_shutdown_under_load(start):
    """Calls under way at the end are answered, or fail; nothing hangs and nothing leaks."""
    server = start()
    rpc = Consume(server, ["c"])
    api = server.api()
    calls = [api.future("Publish", channel="c", data=b"1") for _ in range(200)]
    server.signal(signal.SIGTERM)
    answered = sum(1 for call in calls if call.exception() is None)
    assert rpc.disconnect() == (3001, "shutdown")
    assert 0 <= answered <= 200
    server.check_exit()
    rpc.close()
    server.destroy()


def test_two_signals_are_one(start):
    server = start()
    server.signal(signal.SIGTERM)
    try:
        server.signal(signal.SIGTERM)
    except ProcessLookupError:
        pass
    server.check_exit()
    server.destroy()


def test_pid_file(start, tmp_path):
    path = tmp_path / "gush.pid"
    server = start({"pid_file": str(path)})
    assert int(path.read_text()) == server.process.pid
    server.signal(signal.SIGTERM)
    server.check_exit()
    server.destroy()
    assert not path.exists()


def test_log_file(tmp_path):
    path = tmp_path / "gush.log"
    path.write_text("before\n")
    config = merged(BASE_CONFIG, {"log": {"file": str(path)}, "http_server": {"port": 0},
                                  "grpc_api": {"enabled": False}, "uni_grpc": {"enabled": False}})
    config_path = tmp_path / "config.json"
    config_path.write_text(json.dumps(config))
    process = subprocess.Popen([BINARY, "-c", config_path], env=environment(), cwd=tmp_path)
    try:
        wait_until(lambda: "listening" in path.read_text())
    finally:
        process.terminate()
    assert process.wait(20) == 0
    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    for line in lines[1:]:
        entry = json.loads(line)
        assert entry["level"] and entry["time"].endswith("Z") and entry["message"]

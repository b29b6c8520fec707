"""The commands beside the server. Their output and their exit status are what scripts rely on."""
import base64
import json
import os
import re
import stat
import subprocess
import time
import tomllib

import jwt
import pytest

from consume import Consume
from server import (BASE_CONFIG, BINARY, REPOSITORY, SANITIZER_SPEAKS, SECRET, environment,
                    merged)
from tokens import handmade, soon, token

COMMANDS = ["genconfig", "checkconfig", "defaultconfig", "gentoken", "gensubtoken", "checktoken"]
KEY = {"client": {"token": {"hmac_secret_key": SECRET}}}


class Cli:
    """gush in a directory of its own: cli("gentoken", "-q") returns (exit status, stdout)."""

    def __init__(self, directory):
        self.directory = directory
        self.stderr = ""

    def write(self, content, name="config.json"):
        path = self.directory / name
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        return path

    def read(self, name="config.json"):
        return (self.directory / name).read_text()

    def names(self):
        return sorted(path.name for path in self.directory.iterdir())

    def __call__(self, *arguments, env=None, stdout=subprocess.PIPE):
        done = subprocess.run([BINARY, *arguments], cwd=self.directory, env=environment(env),
                              stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
                              timeout=20)
        self.stderr = done.stderr.decode()
        assert not SANITIZER_SPEAKS.search(self.stderr), self.stderr
        out = (done.stdout or b"").decode(errors="surrogateescape")
        return done.returncode, out

    def good(self, *arguments, **how):
        """stdout of a command that succeeds"""
        status, out = self(*arguments, **how)
        assert status == 0, (arguments, out, self.stderr)
        return out

    def bad(self, *arguments, **how):
        """The one line on stdout of a command that fails; stderr stays empty."""
        status, out = self(*arguments, **how)
        assert status == 1, (arguments, status, out, self.stderr)
        assert self.stderr == "" and out.endswith("\n") and out.count("\n") == 1, (out, self.stderr)
        return out[:-1]


@pytest.fixture
def cli(tmp_path):
    return Cli(tmp_path)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


# ---- command lines

@pytest.mark.parametrize("command", COMMANDS)
def test_options_that_do_not_exist(cli, command):
    operand = ["x"] if command == "checktoken" else []
    for wrong in ("--nonsense", "-x", "--strictt"):
        assert cli.bad(command, wrong, *operand).startswith(f"error: {wrong}: no such option")
    assert "needs a value" in cli.bad(command, *operand, "-c")
    assert "needs a value" in cli.bad(command, *operand, "--config")
    assert cli.bad(command, *operand, "more").startswith("error: more: ")
    assert cli.names() == []


def test_options_of_other_commands(cli):
    for arguments in (["genconfig", "-s"], ["gentoken", "-s", "ch"], ["gentoken", "--channel=ch"],
                      ["checkconfig", "-d"], ["checktoken", "-q", "x"]):
        assert "no such option" in cli.bad(*arguments)
    assert cli.names() == []


def test_help_lists_the_commands(cli):
    said = cli.good("--help")
    for command in COMMANDS:
        assert re.search(rf"^  gush {command} ", said, re.MULTILINE), command
        for help_option in ("--help", "-h"):
            assert cli.good(command, help_option).startswith(f"gush {command} ")
    assert "--ttl SECONDS" in cli.good("gentoken", "--help")
    assert "--ttl" not in cli.good("checktoken", "--help")
    assert cli.names() == []


@pytest.mark.parametrize("arguments", [["gentoken", "-q"], ["defaultconfig", "-d"]],
                         ids=lambda arguments: arguments[0])
def test_output_that_cannot_be_written_is_a_failure(cli, arguments):
    cli.write(KEY)
    with open("/dev/full", "wb") as full:
        status, _ = cli(*arguments, stdout=full)
    assert status == 1 and "stdout" in cli.stderr


# ---- genconfig

def test_genconfig_never_overwrites(cli):
    (cli.directory / "dangling.json").symlink_to("nothing.json")
    cli.write("precious", "config.json")
    for name in ("config.json", "dangling.json"):
        assert cli.bad("genconfig", "-c", name) == \
            f"error: output config file already exists: {name}"
    assert cli.bad("genconfig") == "error: output config file already exists: config.json"
    assert cli.read() == "precious"
    assert cli.names() == ["config.json", "dangling.json"]


@pytest.mark.parametrize("name", ["config.ini", "config", "config.JSON", "config.json.bak",
                                  "a.json/config", ".", ""])
def test_genconfig_extensions(cli, name):
    assert cli.bad("genconfig", "-c", name) == \
        "error: output config file must have one of supported extensions: json, toml, yaml, yml"
    assert cli.names() == []


def test_genconfig_where_nothing_can_be_written(cli):
    assert cli.bad("genconfig", "-c", "missing/config.json") == \
        "error: missing/config.json: No such file or directory"


READERS = {"json": json.loads, "toml": tomllib.loads,
           "yaml": lambda text: pytest.importorskip("yaml").safe_load(text)}


@pytest.mark.parametrize("extension", ["json", "toml", "yaml", "yml"])
def test_genconfig(cli, extension):
    seen = set()
    for name in (f"one.{extension}", f"two.{extension}"):
        assert cli.good("genconfig", "--config", name) == "" and cli.stderr == ""
        assert mode(cli.directory / name) == 0o600
        config = READERS[extension.replace("yml", "yaml")](cli.read(name))
        secrets = {
            "key": config["client"]["token"].pop("hmac_secret_key"),
            "password": config["admin"].pop("password"),
            "secret": config["admin"].pop("secret"),
            "api": config["http_api"].pop("key"),
        }
        assert config == {"client": {"token": {}, "allowed_origins": []},
                          "admin": {"enabled": False}, "http_api": {}}
        for kind, text in secrets.items():
            assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
            decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            assert len(decoded) == (16 if kind == "password" else 64)
        seen.update(secrets.values())
    assert len(seen) == 8  # each of them fresh


def test_genconfig_is_a_configuration(cli):
    cli.good("genconfig")
    assert cli.good("checkconfig", "--strict") == ""
    assert cli.good("checktoken", cli.good("gentoken", "-q", "-u", "u")).startswith("valid token")


# ---- checkconfig

def test_checkconfig_without_a_file(cli):
    assert cli.bad("checkconfig").startswith("config file not found")
    assert cli.bad("checkconfig", "-c", "other.json") == "config file not found: other.json"


def test_checkconfig_of_another_type(cli):
    cli.write("client:", "config.yaml")
    assert cli.bad("checkconfig", "-c", "config.yaml").startswith("error getting config: ")
    cli.write("", "config.ini")
    assert "Unsupported Config Type \"ini\"" in cli.bad("checkconfig", "-c", "config.ini")


@pytest.mark.parametrize("config, words", [
    ('{\n "client": {\n', ["config.json:3"]),
    ({"client": {"ping_interval": "5"}}, ["config.json:3", "client.ping_interval", '"5"']),
    ({"client": {"insecure": "yes"}}, ["client.insecure", '"yes"']),
    ({"client": 5}, ["client", "object"]),
], ids=["syntax", "duration", "bool", "section"])
def test_checkconfig_of_what_cannot_be_read(cli, config, words):
    cli.write(config)
    said = cli.bad("checkconfig")
    assert said.startswith("error getting config: ")
    for word in words:
        assert word in said, (word, said)


@pytest.mark.parametrize("config, text", [
    ({"channel": {"without_namespace": {"history_size": 1}}},
     "in channel.without_namespace: both history size and history ttl required for history"),
    ({"channel": {"namespaces": [{"name": "a"}]}}, "namespace a: invalid namespace name"),
    ({"channel": {"namespaces": [{"name": "aa"}] * 2}}, "namespace name must be unique: aa"),
    ({"channel": {"without_namespace": {"force_recovery_mode": "x"}}},
     'in channel.without_namespace: unknown recovery mode: "x"'),
    ({"channel": {"without_namespace": {"history_ttl": "1.5s"}}},
     "in channel.without_namespace: in history_ttl: malformed duration 1.5s, "
     "sub-second precision is not supported for this key"),
    ({"broker": {"type": "x"}}, "unknown broker: x"),
    ({"client": {"token": {"user_id_claim": "a b"}}},
     "invalid token custom user ID claim: a b, must match ^[a-zA-Z_]+$ regular expression"),
], ids=lambda value: value[:40] if isinstance(value, str) else "")
def test_checkconfig_of_broken_rules(cli, config, text):
    cli.write(config)
    assert cli.bad("checkconfig").startswith(f"error validating config: {text}")


def test_checkconfig_applies_the_environment(cli):
    cli.write({})
    said = cli.bad("checkconfig", env={"GUSH_CLIENT_INSECURE": "maybe"})
    assert said.startswith("error getting config: GUSH_CLIENT_INSECURE")
    cli.write({"client": {"insecure": "maybe"}})
    assert "client.insecure" in cli.bad("checkconfig", env={"GUSH_CLIENT_INSECURE": "true"})


def test_checkconfig_strict(cli):
    cli.write({"client": {"nonsense": 1}, "bad": {"b": 1}, "channel": {
        "namespaces": [{"name": "aa", "worse": 1}]}})
    assert cli.good("checkconfig") == ""
    said = cli.bad("checkconfig", "-s")
    assert said == "unknown keys in config: client.nonsense, bad, channel.namespaces.[0].worse"
    assert said == cli.bad("checkconfig", "--strict", "-c", "config.json")


def test_checkconfig_strict_prints_no_control_characters(cli):
    cli.write({"\u001b[31mred\u009b\u007fé": 1})
    assert cli.bad("checkconfig", "-s") == r"unknown keys in config: \x1b[31mred\xc2" "\udc9b" \
        r"\x7fé"


def test_checkconfig_strict_is_about_the_file_only(cli):
    cli.write({"usage_stats": {"disabled": True}, "admin": {"password": "x"}})
    assert cli.good("checkconfig", "-s", env={"GUSH_NO_SUCH_KEY": "1"}) == ""


def test_checkconfig_of_good_files_is_silent(cli):
    cli.write(merged(BASE_CONFIG, {"client": {"insecure": True}}))
    assert cli.good("checkconfig", "-s") == "" and cli.stderr == ""


# ---- defaultconfig

def test_defaultconfig_never_overwrites(cli):
    cli.write("precious")
    assert cli.bad("defaultconfig") == "error: target file already exists"
    assert cli.read() == "precious"


@pytest.mark.parametrize("name", ["full.yaml", "full", "full.JSON"])
def test_defaultconfig_writes_json_only(cli, name):
    assert cli.bad("defaultconfig", "-c", name) == "error: target file must have the extension json"
    assert cli.names() == []


def test_defaultconfig_with_a_bad_base(cli):
    assert cli.bad("defaultconfig", "-b", "base.json").startswith("config file not found")
    cli.write("{", "base.json")
    assert cli.bad("defaultconfig", "-b", "base.json").startswith("error getting config: ")
    cli.write({"channel": {"without_namespace": {"history_size": 1}}}, "base.json")
    assert cli.bad("defaultconfig", "-b", "base.json").startswith("error validating config: ")
    assert cli.bad("defaultconfig", "-d", "-b", "base.json").startswith("error validating config: ")
    assert cli.names() == ["base.json"]


def leaves(value, path=""):
    if not isinstance(value, dict):
        return {path: value}
    found = {}
    for key, below in value.items():
        found.update(leaves(below, f"{path}.{key}".lstrip(".")))
    return found


def test_defaultconfig(cli):
    assert cli.good("defaultconfig", "-c", "full.json") == "" and cli.stderr == ""
    assert mode(cli.directory / "full.json") == 0o600
    text = cli.read("full.json")
    assert text.startswith('{\n  "http_server": {\n    "address": "",\n    "port": 8000,\n')
    config = json.loads(text)
    assert list(config)[:5] == ["http_server", "log", "engine", "broker", "presence_manager"]
    values = leaves(config)
    assert values["client.ping_interval"] == "25s"
    assert values["channel.history_meta_ttl"] == "720h0m0s"
    assert values["channel.namespaces"] is None and values["client.allowed_origins"] is None
    assert values["channel.without_namespace.history_size"] == 0
    assert values["uni_sse.handler_prefix"] == "/connection/uni_sse"
    assert values["websocket.write_timeout"] == "1s"
    assert cli.good("checkconfig", "-s", "-c", "full.json") == ""


def test_defaultconfig_has_every_documented_key(cli):
    page = (REPOSITORY / "docs" / "configuration.md").read_text()
    keys = re.findall(r"^\| `([a-z_.0-9]+\.[a-z_.0-9]+|pid_file)`", page, re.MULTILINE)
    assert len(keys) > 60
    values = leaves(json.loads(cli.good("defaultconfig", "--dry-run")))
    assert [key for key in keys if key not in values] == []


def test_defaultconfig_over_a_base(cli):
    base = {"client.PING_interval": "60s", "client": {"token": {"hmac_secret_key": "k"}},
            "admin": {"password": "p"}, "unknown": 1, "http_server": {"port": "9000"},
            "channel": {"namespaces": [{"name": "aa", "history_size": 5, "history_ttl": "300s"}]}}
    cli.write(base)
    cli.good("defaultconfig", "-b", "config.json", "-c", "full.json")
    config = json.loads(cli.read("full.json"))
    assert config["client"]["ping_interval"] == "1m0s"
    assert config["client"]["pong_timeout"] == "8s"
    assert config["client"]["token"]["hmac_secret_key"] == "k"
    assert config["admin"]["password"] == "p"
    assert config["http_server"]["port"] == 9000
    assert "unknown" not in config
    (namespace,) = config["channel"]["namespaces"]
    assert namespace["name"] == "aa" and namespace["history_ttl"] == "5m0s"
    assert namespace["presence"] is False
    # The dump of a dump is the same.
    assert cli.good("defaultconfig", "-d", "-b", "full.json") == cli.read("full.json")


def test_defaultconfig_dry_run(cli):
    cli.write("precious")
    assert json.loads(cli.good("defaultconfig", "-d"))["http_server"]["port"] == 8000
    assert cli.read() == "precious" and cli.names() == ["config.json"]


def test_defaultconfig_leaves_the_environment_out(cli):
    out = cli.good("defaultconfig", "-d", env={"GUSH_CLIENT_TOKEN_HMAC_SECRET_KEY": "hush"})
    assert "hush" not in out


def test_a_server_on_a_whole_file(cli, start):
    """Nothing in it is unknown to the server, or of note, and it means the same."""
    cli.write(BASE_CONFIG)
    whole = json.loads(cli.good("defaultconfig", "-d", "-b", "config.json"))
    server = start(base=whole)
    with Consume(server, ["hist:1"], token=token(sub="u")) as rpc:
        server.publish("hist:1", b'{"a":1}')
        assert rpc.pub().data == b'{"a":1}'
    warnings = [line for line in server.log_lines() if line["level"] == "warn"]
    assert {line["message"] for line in warnings} <= {"DEBUG mode enabled"}


# ---- gentoken, gensubtoken

@pytest.mark.parametrize("command", [["gentoken"], ["gensubtoken", "-s", "ch"]],
                         ids=lambda command: command[0])
class TestMaking:
    def test_without_a_key(self, cli, command):
        assert cli.bad(*command) == "error: client.token.hmac_secret_key is not set: " \
                                    "config file not found: config.json"
        cli.write({})
        assert cli.bad(*command, "-q") == "error: client.token.hmac_secret_key is not set"
        cli.write({"client": {"token": {"hmac_previous_secret_key": SECRET}}})
        assert cli.bad(*command) == "error: client.token.hmac_secret_key is not set"

    def test_with_a_bad_configuration(self, cli, command):
        cli.write("{")
        assert cli.bad(*command, "-q").startswith("error getting config: ")

    @pytest.mark.parametrize("ttl", ["", "soon", "1h", "1.5", "--1", "9223372037",
                                     "99999999999999999999"])
    def test_bad_ttl(self, cli, command, ttl):
        cli.write(KEY)
        assert cli.bad(*command, "-t", ttl).startswith("error: --ttl: ")

    def test_bad_user(self, cli, command):
        cli.write(KEY)
        assert "UTF-8" in cli.bad(*command, "-u", b"\xff")

    @pytest.mark.parametrize("claim", ["exp", "iat"])
    def test_user_claim_that_is_taken(self, cli, command, claim):
        cli.write(merged(KEY, {"client": {"token": {"user_id_claim": claim}}}))
        assert cli.bad(*command, "-u", "12").startswith("error: client.token.user_id_claim")

    def test_key_from_the_environment(self, cli, command):
        made = cli.good(*command, "-q", env={"GUSH_CLIENT_TOKEN_HMAC_SECRET_KEY": "k"})
        jwt.decode(made, "k", algorithms=["HS256"])

    @pytest.mark.parametrize("user", [None, "", "12", "é \"q\" \\", "x" * 10000])
    @pytest.mark.parametrize("ttl", [None, "60", "0", "-5"])
    def test_claims(self, cli, command, user, ttl):
        cli.write(KEY)
        before = int(time.time())
        made = cli.good(*command, "-q", *(["-u", user] if user is not None else []),
                        *(["-t", ttl] if ttl is not None else []))
        after = int(time.time())
        assert cli.stderr == "" and not made.endswith("\n")
        assert jwt.get_unverified_header(made) == {"alg": "HS256", "typ": "JWT"}
        claims = jwt.decode(made, SECRET, algorithms=["HS256"])
        issued = claims.pop("iat")
        assert before <= issued <= after
        expected = {"sub": user} if user else {}
        if command[0] == "gensubtoken":
            expected["channel"] = "ch"
        if ttl not in ("0", "-5"):
            expected["exp"] = issued + int(ttl or 604800)
        assert claims == expected

    def test_heading(self, cli, command):
        cli.write(KEY)
        place = ' and channel "ch"' if command[0] == "gensubtoken" else ""
        for arguments, user, ttl in (
                (["-u", "12"], 'user "12"', "with expiration TTL 168h0m0s"),
                (["--user", "12", "--ttl", "90"], 'user "12"', "with expiration TTL 1m30s"),
                ([], "anonymous user", "with expiration TTL 168h0m0s"),
                (["-t", "-1"], "anonymous user", "without expiration")):
            heading, made, rest = cli.good(*command, *arguments).split("\n")
            assert heading == f"HMAC SHA-256 JWT for {user}{place} {ttl}:"
            jwt.decode(made, SECRET, algorithms=["HS256"])
            assert rest == ""

    def test_user_claim(self, cli, command):
        cli.write(merged(KEY, {"client": {"token": {"user_id_claim": "uid"}}}))
        made = cli.good(*command, "-q", "-u", "12")
        claims = jwt.decode(made, SECRET, algorithms=["HS256"])
        assert claims["sub"] == "12" and claims["uid"] == "12"
        assert "uid" not in jwt.decode(cli.good(*command, "-q"), SECRET, algorithms=["HS256"])
        cli.write(merged(KEY, {"client": {"token": {"user_id_claim": "sub"}}}))
        assert jwt.decode(cli.good(*command, "-q", "-u", "12"), SECRET,
                          algorithms=["HS256"])["sub"] == "12"


def test_gensubtoken_needs_a_channel(cli):
    cli.write(KEY)
    assert cli.bad("gensubtoken", "-u", "12") == "channel is required"
    assert cli.bad("gensubtoken", "-s", "") == "channel is required"
    assert "UTF-8" in cli.bad("gensubtoken", "-s", b"\xc3")


def test_gensubtoken_user_claim_named_channel(cli):
    cli.write(merged(KEY, {"client": {"token": {"user_id_claim": "channel"}}}))
    assert "user_id_claim" in cli.bad("gensubtoken", "-u", "12", "-s", "ch")


def test_the_server_takes_what_gentoken_made(cli, start):
    server = start({"client": {"allow_anonymous_connect_without_token": False}})
    cli.write(server.config)
    made = cli.good("gentoken", "-q", "-u", "42")
    with Consume(server, ["who:1"], token=made):
        (client,) = server.api()("Presence", channel="who:1").presence.values()
        assert client.user == "42"


# ---- checktoken

def test_checktoken_without_a_token(cli):
    assert cli.bad("checktoken").startswith("error: TOKEN: missing")


def part(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


@pytest.mark.parametrize("text", ["", "a", ".", "..", "...", "a.b.c", "!.!.!", "e30.e30",
                                  "e30.e30.e30.e30", f"{part(b'[]')}.{part(b'{}')}.x",
                                  f"{part(b'{}')}.{part(b'1')}.x", f"{part(b'{}')}.{part(b'{')}.x",
                                  f"{part(b'{}')}.{part(b'{} {}')}.x", "." * 1000, "x" * 100000])
def test_checktoken_of_what_is_no_token(cli, text):
    cli.write(KEY)
    status, out = cli("checktoken", text)
    assert (status, out) == (1, "error: token format is not valid\n")


def refusal(cli, made):
    """(algorithm, claims, error) that checktoken names"""
    status, out = cli("checktoken", made)
    found = re.fullmatch(r"error: token with algorithm (.*?) and claims (\{.*\}) has error: (.*)\n",
                         out)
    assert status == 1 and found, (status, out)
    return found.groups()


@pytest.mark.parametrize("made, algorithm, error", [
    (token(sub="1", key="another"), "HS256", "token signature is wrong"),
    (token(sub="1")[:-3], "HS256", "token signature is wrong"),
    (token(sub="1", exp=soon(-10)), "HS256", "token expired"),
    (token(sub="1", nbf=soon(1000)), "HS256", "token is not valid yet"),
    (token(channel="ch"), "HS256", "a channel claim in a connection token"),
    (handmade({"alg": "none"}, {"sub": "1"}, key=None), "none", "token algorithm is not enabled"),
    (handmade({"alg": "RS256"}, {"sub": "1"}), "RS256", "token algorithm is not enabled"),
    (handmade({"typ": "JWT"}, {"sub": "1"}), "", "token algorithm is not enabled"),
    (handmade({"alg": 5}, {"sub": "1"}), "", "alg or kid in the token header is not a string"),
], ids=["key", "cut", "exp", "nbf", "channel", "none", "rs256", "missing", "number"])
def test_checktoken_of_bad_tokens(cli, made, algorithm, error):
    cli.write(KEY)
    said_algorithm, claims, said_error = refusal(cli, made)
    assert (said_algorithm, said_error) == (algorithm, error)
    assert json.loads(claims) == jwt.decode(made, options={"verify_signature": False})


def test_checktoken_of_other_types_of_claims(cli):
    cli.write(KEY)
    assert refusal(cli, handmade({"alg": "HS256"}, {"sub": 5}))[0] == "HS256"


def test_checktoken_without_a_key(cli):
    assert refusal(cli, token(sub="1"))[2] == "client.token.hmac_secret_key is not set"
    assert cli.stderr == ""


def test_checktoken_with_a_bad_configuration(cli):
    cli.write("{")
    assert cli.bad("checktoken", token(sub="1")).startswith("error getting config: ")


def test_checktoken_obeys_audience_and_issuer(cli):
    cli.write(merged(KEY, {"client": {"token": {"audience": "a", "issuer": "i"}}}))
    assert "audience" in refusal(cli, token(sub="1", iss="i"))[2]
    assert "issuer" in refusal(cli, token(sub="1", aud="a"))[2]
    assert cli.good("checktoken", token(sub="1", aud="a", iss="i")).startswith("valid token")


def test_checktoken(cli):
    cli.write(KEY)
    made = token(sub="12", exp=soon(100))
    first, second, rest = cli.good("checktoken", made).split("\n")
    assert first == "valid token for user 12" and rest == ""
    assert second.startswith("payload: ")
    assert json.loads(second.removeprefix("payload: ")) == \
        jwt.decode(made, SECRET, algorithms=["HS256"])
    (line,) = cli.stderr.splitlines()
    assert json.loads(line)["message"] == "enabled JWT verifiers"
    assert cli.good("checktoken", token()).split("\n")[0] == "valid token for anonymous user"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_checktoken_algorithms(cli, algorithm):
    cli.write(KEY)
    assert cli.good("checktoken", token(sub="12", algorithm=algorithm), "-c", "config.json")


def test_checktoken_user_claim(cli):
    cli.write(merged(KEY, {"client": {"token": {"user_id_claim": "uid"}}}))
    made = cli.good("gentoken", "-q", "-u", "12")
    assert cli.good("checktoken", made).startswith("valid token for user 12\n")


def test_checktoken_prints_no_control_characters(cli):
    cli.write(KEY)
    out = cli.good("checktoken", token(sub="\u001b[31m\u007f"))
    assert out.startswith("valid token for user \\x1b[31m\\x7f\n")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f]", out)


def test_checktoken_when_signatures_do_not_count(cli):
    cli.write({"client": {"insecure_skip_token_signature_verify": True}})
    assert cli.good("checktoken", token(sub="12", key="any")).startswith("valid token for user 12")

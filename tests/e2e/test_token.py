"""Connection tokens: good ones, and every kind of bad one, on both ways out."""
import hashlib

import pytest

from consume import Consume
from server import PROTO
from sse import Sse
from tokens import handmade, soon, token

INVALID = (3500, "invalid token")
EXPIRED = (3005, "connection expired")


def refused(server, text):
    """(code, reason) of the disconnect push that answers a connect with this token; the same on
    both transports."""
    with Consume(server, token=text, expect_connect=False) as rpc, \
            Sse(server.ports["http"], {"token": text}, expect_connect=False) as web:
        answer = rpc.disconnect()
        assert web.status == 200
        assert web.disconnect() == answer
    return answer


def user_of(server, text):
    """The user as presence shows it."""
    with Consume(server, ["who:1"], token=text) as rpc:
        return server.api()("Presence", channel="who:1").presence[rpc.connect.client].user


def test_valid_tokens(gush):
    assert user_of(gush, token(sub="42")) == "42"
    assert user_of(gush, token(sub="42", exp=soon(100), iat=soon(1000), jti="x", other={"a": 1})) \
        == "42"
    assert user_of(gush, token(sub="")) == ""
    assert user_of(gush, token()) == ""
    assert user_of(gush, token(sub=None)) == ""
    assert user_of(gush, token(SUB="43")) == "43"
    assert user_of(gush, token(sub="44", nbf=soon(-10))) == "44"


def test_all_hmac_sizes(gush):
    for algorithm in ("HS256", "HS384", "HS512"):
        assert user_of(gush, token(algorithm=algorithm, sub="42")) == "42"


def test_expiry_is_told(gush):
    with Consume(gush, token=token(sub="42", exp=soon(100))) as rpc:
        assert rpc.connect.expires and 95 <= rpc.connect.ttl <= 100
    with Sse(gush.ports["http"], {"token": token(sub="42", exp=soon(100))}) as web:
        assert web.connect["expires"] is True and 95 <= web.connect["ttl"] <= 100
    with Consume(gush, token=token(sub="42", exp=soon(100), expire_at=0)) as rpc:
        assert not rpc.connect.expires and rpc.connect.ttl == 0


@pytest.mark.parametrize("claims", [
    {"exp": soon(-10)}, {"exp": 0}, {"exp": str(soon(-10))}, {"nbf": soon(1000)},
    {"expire_at": soon(-10)}, {"exp": soon(-10), "expire_at": soon(100)},
], ids=str)
def test_expired_and_not_yet_valid(gush, claims):
    header = {"alg": "HS256", "typ": "JWT"}
    assert refused(gush, handmade(header, dict(claims, sub="42"))) == EXPIRED


@pytest.mark.parametrize("claims", [
    {"sub": 42}, {"sub": "42", "exp": "soon"}, {"sub": "42", "expire_at": 1.5},
    {"sub": "42", "channel": "c"}, {"sub": "42", "channels": "c"}, {"sub": "42", "subs": ["c"]},
    {"sub": "42", "subs": {"c": {"override": {"presence": True}}}}, {"sub": "42", "aud": 7},
    {"sub": "42", "subs": {"c": {"b64info": "!"}}},
], ids=str)
def test_wrong_claims(gush, claims):
    assert refused(gush, handmade({"alg": "HS256", "typ": "JWT"}, claims)) == INVALID


GOOD = token(sub="42")
HEAD, CLAIMS, SIGNATURE = GOOD.split(".")


def with_last_bit_changed(text):
    return text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]


@pytest.mark.parametrize("text", [
    token(key="another secret", sub="42"),
    token(key="", sub="42"),
    token(key=None, algorithm="none", sub="42"),
    handmade({"alg": "none"}, {"sub": "42"}, key=None),
    handmade({"alg": "NONE"}, {"sub": "42"}, key=None),
    handmade({"alg": "None"}, {"sub": "42"}),
    handmade({"alg": "HS256"}, {"sub": "42"}, key=None),
    handmade({"alg": "HS512"}, {"sub": "42"}, digest=hashlib.sha256),
    handmade({"alg": "HS256"}, {"sub": "42"}, digest=hashlib.sha512),
    handmade({"alg": "RS256"}, {"sub": "42"}),
    handmade({"alg": "ES256"}, {"sub": "42"}),
    handmade({"alg": "PS256"}, {"sub": "42"}),
    handmade({"alg": "EdDSA"}, {"sub": "42"}),
    handmade({}, {"sub": "42"}),
    handmade({"alg": 5}, {"sub": "42"}),
    handmade([], {"sub": "42"}),
    handmade({"alg": "HS256"}, []),
    f"{HEAD}.{CLAIMS}.",
    f"{HEAD}.{CLAIMS}",
    f"{HEAD}..{SIGNATURE}",
    f"{HEAD}.{CLAIMS}.{SIGNATURE}.",
    f"{HEAD}.{CLAIMS}.{SIGNATURE}=",
    f"{HEAD}.{CLAIMS}.{SIGNATURE[:-4]}",
    f"{HEAD}.{with_last_bit_changed(CLAIMS)}.{SIGNATURE}",
    f"{HEAD}.{CLAIMS}.{with_last_bit_changed(SIGNATURE)}",
    f" {GOOD}",
    "eyJ", "eyJ.eyJ.eyJ", "x", ".", "..", "eyJ" + "A" * 8000,
], ids=lambda text: text[:40])
def test_bad_tokens(gush, text):
    assert refused(gush, text) == INVALID
    with Consume(gush, token=GOOD):
        pass


def test_rsa_header_signed_with_the_public_key_of_nobody(gush):
    """The algorithm is not the token's to choose."""
    public = "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAL\n-----END PUBLIC KEY-----"
    assert refused(gush, handmade({"alg": "RS256"}, {"sub": "42"}, key=public)) == INVALID


def test_without_a_configured_key_every_token_is_invalid(start):
    server = start({"client": {"token": {"hmac_secret_key": ""}}})
    assert refused(server, GOOD) == INVALID
    assert refused(server, handmade({"alg": "HS256"}, {"sub": "42"}, key="")) == INVALID


def test_without_token_and_without_anonymous_connects(start):
    server = start({"client": {"allow_anonymous_connect_without_token": False}})
    assert refused(server, "") == (3501, "bad request")
    assert user_of(server, GOOD) == "42"


def test_anonymous_tokens_may_be_refused(start):
    server = start({"client": {"disallow_anonymous_connection_tokens": True}})
    assert refused(server, token()) == (3507, "permission denied")
    assert user_of(server, GOOD) == "42"


def test_previous_key(start):
    server = start({"client": {"token": {"hmac_previous_secret_key": "old"}}})
    assert user_of(server, token(key="old", sub="42")) == "42"
    assert refused(server, token(key="older", sub="42")) == INVALID
    server = start({"client": {"token": {"hmac_previous_secret_key": "old",
                                         "hmac_previous_secret_key_valid_until": soon(-10)}}})
    assert refused(server, token(key="old", sub="42")) == INVALID
    assert user_of(server, GOOD) == "42"


def test_audience_and_issuer(start):
    server = start({"client": {"token": {"audience": "us", "issuer": "me"}}})
    assert user_of(server, token(sub="42", aud="us", iss="me")) == "42"
    assert user_of(server, token(sub="42", aud=["them", "us"], iss="me")) == "42"
    for claims in ({"aud": "us"}, {"iss": "me"}, {"aud": "them", "iss": "me"},
                   {"aud": "us", "iss": "you"}, {"aud": ["u", "s"], "iss": "me"}):
        assert refused(server, token(sub="42", **claims)) == INVALID, claims


def test_custom_user_claim(start):
    server = start({"client": {"token": {"user_id_claim": "uid"}}})
    assert user_of(server, token(uid="a")) == "a"
    assert user_of(server, token(uid=7)) == "7"
    assert user_of(server, token(uid=12345678901234567890123)) == "12345678901234567890123"
    assert user_of(server, token(sub="42")) == ""


def test_connection_expires_in_time(start):
    server = start({"client": {"expired_close_delay": "1s"}})
    text = token(sub="42", exp=soon(2))
    with Consume(server, ["c"], token=text) as rpc, \
            Sse(server.ports["http"], {"token": text, "subs": {"c": {}}}) as web, \
            Consume(server, ["c"], token=token(sub="42", exp=soon(2), expire_at=0)) as other:
        server.publish("c", b"1")
        assert rpc.pub().data == b"1"
        assert rpc.disconnect(10) == EXPIRED
        assert web.disconnect(10) == EXPIRED
        server.publish("c", b"2")
        assert [other.pub().data, other.pub().data] == [b"1", b"2"]


# ---- subscriptions from the token

def test_channels_claim(gush):
    gush.keeps_streams = True
    with Consume(gush, token=token(sub="42", channels=["a", "hist:1", "closed:x", "", "$private"])) \
            as rpc:
        assert set(rpc.connect.subs) == {"a", "hist:1", "closed:x", "$private"}
        assert rpc.connect.subs["hist:1"].recoverable
        gush.publish("closed:x", b"1")
        assert rpc.push().channel == "closed:x"


def test_subs_claim(gush):
    gush.keeps_streams = True
    subs = {"closed:x": {"info": {"role": "x"}, "data": {"hello": 1.50}},
            "hist:1": {"override": {"force_recovery": {"value": False}}},
            "closed:who": {"override": {"presence": {"value": True}}}}
    text = token(sub="42", subs=subs, channels=["ignored"], info={"name": "Zoë"})
    with Sse(gush.ports["http"], {"token": text}) as web:
        granted = web.connect["subs"]
        assert set(granted) == set(subs)
        assert granted["closed:x"]["data"] == {"hello": 1.5}
        assert not granted["hist:1"].get("recoverable")
        gush.publish("closed:x", b"1")
        assert web.push()["channel"] == "closed:x"


def test_subs_claim_keeps_raw_bytes(gush):
    claims = b'{"sub":"42","info":{"n": 1e2},"subs":{"who:x":{"data": {"a":0.10} ,"info":[1 ]}}}'
    import base64
    import hmac
    from server import SECRET

    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    signed = part(b'{"alg":"HS256"}') + b"." + part(claims)
    text = (signed + b"." + part(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())).decode()
    with Consume(gush, token=text) as rpc:
        assert rpc.connect.subs["who:x"].data == b'{"a":0.10}'
        info = gush.api()("Presence", channel="who:x").presence[rpc.connect.client]
        assert (info.user, info.conn_info, info.chan_info) == ("42", b'{"n": 1e2}', b"[1 ]")


@pytest.mark.parametrize("claims", [{"channels": ["unknown:x"]}, {"subs": {"unknown:x": {}}}],
                         ids=["channels", "subs"])
def test_unknown_namespace_in_a_token(gush, claims):
    """Error 102, which one-way transports say as 3004."""
    assert refused(gush, token(sub="42", **claims)) == (3004, "internal server error")


def test_unknown_namespace_as_an_own_disconnect_code(start):
    server = start({"client": {"connect_code_to_unidirectional_disconnect": {
        "enabled": True,
        "transforms": [{"code": 102, "to": {"code": 4102, "reason": "no such channel"}},
                       {"code": 109, "to": {"code": 4109, "reason": "renew"}}]}}})
    assert refused(server, token(sub="42", channels=["unknown:x"])) == (4102, "no such channel")
    assert refused(server, token(sub="42", exp=soon(-10))) == (4109, "renew")
    assert refused(server, "x") == INVALID


def test_token_and_requested_subs_together(gush):
    with Consume(gush, ["c", "closed:no"], token=token(sub="42", channels=["closed:yes"])) as rpc:
        assert set(rpc.connect.subs) == {"c", "closed:yes"}


def test_position_applies_to_a_channel_of_the_token(gush):
    gush.keeps_streams = True
    epoch = gush.publish("hist:1", b"1").epoch
    gush.publish("hist:1", b"2")
    request = {"hist:1": PROTO.uni.SubscribeRequest(recover=True, offset=1, epoch=epoch)}
    with Consume(gush, request, token=token(sub="42", channels=["hist:1"])) as rpc:
        result = rpc.connect.subs["hist:1"]
        assert result.recovered and [pub.offset for pub in result.publications] == [2]

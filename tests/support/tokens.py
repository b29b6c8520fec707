"""Connection tokens, good ones and every kind of bad one."""
import base64
import hashlib
import hmac
import json
import time

import jwt

from server import SECRET


def token(key=SECRET, algorithm="HS256", **claims):
    return jwt.encode(claims, key, algorithm=algorithm)


def _part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def handmade(header, claims, key=SECRET, digest=hashlib.sha256):
    """A token whose header says what it likes; signed by HMAC with |key|, unsigned with None."""
    signed = _part(header) + b"." + _part(claims)
    signature = b"" if key is None else base64.urlsafe_b64encode(
        hmac.new(key.encode(), signed, digest).digest()).rstrip(b"=")
    return (signed + b"." + signature).decode()


def soon(seconds):
    return int(time.time()) + seconds

"""A unidirectional client of either kind, whose pushes look the same: as JSON has them.

    with Hear("uni_sse", server, user="u", subs=["c"]) as client:
        client.connect["client"]
        client.push()            {"channel": "c", "pub": {"data": 1}}
        client.disconnect()      (code, reason)
"""
import json

import consume
import sse
from tokens import token


def plain(message):
    """A protobuf message as its JSON form would read."""
    out = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            value = {key: plain(each) if hasattr(each, "ListFields") else each
                     for key, each in value.items()}
        elif field.label == field.LABEL_REPEATED:
            value = [plain(each) for each in value]
        elif field.message_type is not None:
            value = plain(value)
        elif isinstance(value, bytes):
            value = json.loads(value)
        out[field.name] = value
    return out


class Hear:
    def __init__(self, kind, server, user="", subs=(), **claims):
        request = {"subs": {channel: {} for channel in subs}}
        text = token(sub=user, **claims) if user or claims else ""
        for channel in subs:
            server.note_channel(channel)
        if kind == "uni_grpc":
            self.stream = consume.Consume(server, subs=subs, token=text)
            self.connect = plain(self.stream.connect)
        else:
            if text:
                request["token"] = text
            self.stream = sse.Sse(server.ports["http"], request)
            self.connect = self.stream.connect
        self.kind = kind
        self.id = self.connect["client"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def push(self):
        if self.kind == "uni_grpc":
            return plain(self.stream.push())
        return self.stream.push()

    def disconnect(self):
        """What the next push says, behind which the stream must end."""
        push = self.push()
        assert set(push) == {"disconnect"}, push
        self.ends()
        return push["disconnect"].get("code", 0), push["disconnect"].get("reason", "")

    def ends(self):
        """Nothing more comes, not even a push."""
        if self.kind == "uni_grpc":
            rest = self.stream.any_push()
            assert rest is None, rest
            return
        try:
            rest = self.stream.event()
        except sse.Ended:
            return
        raise AssertionError(f"{rest!r} at the end of the stream")

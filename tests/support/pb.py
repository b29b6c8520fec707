"""Protobuf by hand, for messages that no library would write."""


def varint(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A length-delimited field for bytes or text, a varint for an int."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def nested(number, size):
    """Field |number| within field |number| ..., about |size| bytes: as deep as it gets."""
    inner = b""
    while len(inner) < size:
        inner = field(number, inner)
    return inner

"""Long base64 on its way from a client's body into a provider's: looked at where it lies, copied once."""

from __future__ import annotations

import re
from typing import Any, NoReturn

import msgspec
from msgspec import Raw

from hybridge.chat import Long

#: Bytes from which on a picture is left where it lies. What is shorter is quicker as text.
LONG = 1 << 18
#: Bytes looked at in one go.
_PIECE = 1 << 16
_PREFIX = re.compile(rb'"data:[A-Za-z0-9.+/-]*;base64,')
_LONGEST_PREFIX = 128
#: Whatever consists of these stands in JSON as it is.
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_"
#: Stands for long data in a body; no encoder writes such a byte.
_MARK = b'"\xff"'


def found(token: Raw) -> tuple[str, Long] | None:
    """The start of a data URL up to its data, and the data, of a JSON string that is long and written plainly."""
    view = memoryview(token)
    if len(view) < LONG:
        return None
    prefix = _PREFIX.match(bytes(view[:_LONGEST_PREFIX]))
    if prefix is None:
        return None
    data = view[prefix.end() : -1]
    for at in range(0, len(data), _PIECE):
        if bytes(data[at : at + _PIECE]).translate(None, _BASE64):
            return None
    return prefix[0][1:].decode(), Long(data)


class _Met(Exception):
    """There is something long."""


def _meet(value: object) -> NoReturn:
    if isinstance(value, Long):
        raise _Met
    raise TypeError(f"no body holds a {type(value).__name__}")


_encode = msgspec.json.Encoder(enc_hook=_meet).encode


def encode(fields: dict[str, Any]) -> bytes:
    """A body as JSON."""
    try:
        return _encode(fields)
    except _Met:
        return _join(fields)


def _join(fields: dict[str, Any]) -> bytes:
    met: list[Long] = []

    def mark(value: Long) -> Raw:
        met.append(value)
        return Raw(_MARK)

    around = msgspec.json.encode(fields, enc_hook=mark).split(_MARK)
    if len(around) != len(met) + 1:
        # What a client wrote itself holds the mark, too.
        return msgspec.json.encode(fields, enc_hook=str)
    pieces: list[bytes | memoryview] = [around[0]]
    for long, after in zip(met, around[1:], strict=True):
        pieces += (b'"', long.view, b'"', after)
    return b"".join(pieces)

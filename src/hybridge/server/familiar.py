"""Heads that a connection has sent before: a client says nearly the same again and again, and only once is it read.

Between two requests of an SDK nothing changes in the head but the length of the body. So whatever has, byte for byte,
the same before and after that number, and exactly so many bytes behind it, is the same request with another body; the
parser would find the same. All else goes to the parser.
"""

from __future__ import annotations

import re

from msgspec import Struct

from hybridge.server.call import Call, Wire

#: Bytes of a head that is remembered.
_LONGEST = 4096
#: Heads that a connection is studied for, since some clients never say the same again.
MOST_STUDIED = 8

_CR = 0x0D
_MOST_DIGITS = 9
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]{1,9})\r\n", re.IGNORECASE)
_ELSEWHERE = re.compile(rb"content-length", re.IGNORECASE)
#: What makes more of a request than a head and a body of that length.
_SPECIAL = (b"transfer-encoding", b"expect", b"upgrade")


class Familiar(Struct, frozen=True):
    """A head: what stands `before` and `after` the digits of the body's length, and what the parser found in it."""

    before: bytes
    after: bytes
    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]

    def call(self, wire: Wire, data: bytes) -> Call | None:
        """The call, if these bytes are this head and one whole body."""
        if not data.startswith(self.before):
            return None
        start = len(self.before)
        end = data.find(_CR, start, start + _MOST_DIGITS + 1)
        digits = data[start:end]
        # No number at all is no digit either.
        if not (digits.isdigit() and data.startswith(self.after, end)):
            return None
        body = data[end + len(self.after) :]
        size = len(body)
        if size != int(digits):
            return None
        headers = {**self.headers, b"content-length": digits}
        # By position, which costs half of what names cost.
        return Call(wire, self.method, self.path, self.query, headers, {}, [], "", False, False, [body], size, True)


def learn(data: bytes, call: Call | None) -> Familiar | None:
    """The head of the call that came whole in these bytes, and alone; `None` where it is not so plain."""
    if call is None:
        return None
    at = data.find(b"\r\n\r\n", 0, _LONGEST) + 4
    found = _LENGTH.search(data, 0, at - 2)
    if at < 4 or found is None or len(_ELSEWHERE.findall(data, 0, at)) != 1:
        return None
    plain = not any(name in call.headers for name in _SPECIAL)
    if not plain or int(found[1]) != len(data) - at or b"".join(call.pieces) != data[at:]:
        return None
    start, end = found.span(1)
    return Familiar(data[:start], data[end:at], call.method, call.path, call.query, call.headers)

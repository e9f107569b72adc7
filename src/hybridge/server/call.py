"""One HTTP exchange with a client: what it sent, and the way back to it."""

from __future__ import annotations

import re
from typing import Protocol
from urllib.parse import parse_qs

from msgspec import Struct

from hybridge.errors import ClientGone, RequestTooLarge

_CR, _LF = b"\r\n"
_UNFIT = re.compile(r"[^\t\x20-\x7e\xa0-\xff]")


def header_value(text: str) -> bytes:
    """Text that others chose, fit for a header: what cannot stand in one becomes `?`."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return _UNFIT.sub("?", text).encode("latin-1")


def header(name: bytes, value: bytes) -> bytes:
    """A line of a head; all that others had a part in go through here.

    Raises `ValueError` for a value that would begin a line of its own.
    """
    if _LF in value or _CR in value or 0 in value:
        raise ValueError(f"the value of {name!r} holds a line break")
    return b"%b: %b\r\n" % (name, value)


class Wire(Protocol):
    """What carries a call: a connection of our own server, or an ASGI server's two functions."""

    async def more(self) -> None:
        """Wait until more of the body was put into the call, or its end. Raises `ClientGone`."""

    def answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        """A whole answer; the lines of its head are whole, too."""

    def begin(self, status: int, lines: list[bytes]) -> None:
        """The head of an answer whose length nobody knows yet."""

    def send(self, piece: bytes, more: bool) -> bool:
        """A piece of the body; `False` where the client is slow. The head leaves with the first, also an empty one."""

    async def drain(self) -> None:
        """Wait until the client has read enough, or has left."""


class Call(Struct, eq=False):
    """A request as it came over HTTP.

    `headers` have lower-case names, of repeated ones the last; `params` are the named parts of the path, as the route
    table found them; `extra` are lines that every answer's head carries. `answered`: the head of the answer has left;
    `gone`: the client has. The wire puts the body's `pieces` in, counts their `size` in bytes, and tells when it is
    `whole`.
    """

    wire: Wire
    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    params: dict[str, str] = {}
    extra: list[bytes] = []
    request_id: str = ""
    answered: bool = False
    gone: bool = False
    pieces: list[bytes] = []
    size: int = 0
    whole: bool = False

    def query_value(self, name: str) -> str | None:
        """The last value of a query parameter."""
        if not self.query:
            return None
        values = parse_qs(self.query.decode("latin-1")).get(name)
        return values[-1] if values else None

    def header(self, name: bytes) -> str | None:
        """A header's value, by its lower-case name."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def secret(self) -> str | None:
        """The virtual key, from whichever of the five places holds it."""
        headers = self.headers
        bearer = headers.get(b"authorization")
        if bearer is not None and bearer[:7].lower() == b"bearer ":
            return bearer[7:].decode("latin-1").strip() or None
        for name in (b"x-api-key", b"api-key", b"x-goog-api-key"):
            if (value := headers.get(name)) is not None:
                return value.decode("latin-1").strip() or None
        return self.query_value("key") if self.query else None

    async def body(self, limit: int) -> bytes:
        """The whole body, once it is there.

        Raises `RequestTooLarge` beyond `limit` bytes, as soon as that is known; `ClientGone` if it never comes whole.
        """
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise RequestTooLarge(f"the body has {int(announced)} bytes; server.max_body allows {limit}")
        while not self.whole and self.size <= limit:
            await self.wire.more()
        return self.take(limit)

    def take(self, limit: int) -> bytes:
        """The body, if it is `whole`. Raises `RequestTooLarge` beyond `limit` bytes."""
        pieces = self.pieces
        if self.size > limit:
            pieces.clear()
            some = "" if self.whole else "more than "
            raise RequestTooLarge(f"the body has {some}{self.size} bytes; server.max_body allows {limit}")
        if len(pieces) == 1:
            return pieces.pop()
        body = b"".join(pieces)
        pieces.clear()
        return body

    def reply(self, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
        """Send a whole answer. Raises `ClientGone`."""
        self.answer(status, [b"content-type: %b\r\n" % content_type], body)

    def answer(self, status: int, lines: list[bytes], body: bytes) -> None:
        """Send a whole answer, with these lines in its head (see `header`). Raises `ClientGone`."""
        if self.gone:
            raise ClientGone("the client left")
        # As `_head` does.
        self.answered = True
        if self.request_id:
            lines.append(b"x-hybridge-request-id: %b\r\n" % self.request_id.encode())
        if self.extra:
            lines += self.extra
        self.wire.answer(status, lines, body)

    def head(self, status: int, lines: list[bytes]) -> None:
        """Send the head of a stream, with these lines (see `header`). Raises `ClientGone`."""
        if self.gone:
            raise ClientGone("the client left")
        self.wire.begin(status, self._head(lines))

    def _head(self, lines: list[bytes]) -> list[bytes]:
        self.answered = True
        if self.request_id:
            lines.append(b"x-hybridge-request-id: %b\r\n" % self.request_id.encode())
        if self.extra:
            lines += self.extra
        return lines

    def piece(self, body: bytes, more: bool) -> bool:
        """Send a piece of the body, without waiting; `False` where the client is slow. Raises `ClientGone`."""
        if self.gone:
            raise ClientGone("the client left")
        return self.wire.send(body, more)

    async def drain(self) -> None:
        """Wait while the client is slow. Raises `ClientGone`."""
        await self.wire.drain()
        if self.gone:
            raise ClientGone("the client left")

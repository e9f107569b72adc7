"""HTTP/1.1 messages on streams, as far as a proxy and a client need them.

Source: https://www.rfc-editor.org/rfc/rfc9112.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable

from msgspec import Struct

#: Bytes of a head, and of a piece of a body.
HEAD_LIMIT = 1 << 16
PIECE = 1 << 16

#: Statuses whose answers have no body.
_BODILESS = (204, 304)


class Malformed(Exception):
    """What came is no HTTP/1.1 message."""


class Head(Struct):
    """The first line of a message and its headers, names in lower case."""

    first: str
    headers: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """A header's value, the last one's if there are several; empty if there is none."""
        return next((value for found, value in reversed(self.headers) if found == name), "")

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.first.split(" ", 2)[1])

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        said = self.get("connection").lower()
        return "close" in said or (self.first.endswith("HTTP/1.0") and "keep-alive" not in said)

    def without(self, *names: str) -> list[tuple[str, str]]:
        """The other headers."""
        return [(name, value) for name, value in self.headers if name not in names]


def encode(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A head as it is sent."""
    return "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("latin-1")


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; `None` where the connection ended before one began. Raises `Malformed`, `IncompleteReadError`."""
    try:
        octets = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if not error.partial:
            return None
        raise
    except asyncio.LimitOverrunError as error:
        raise Malformed("the head is too long") from error
    first, *lines = octets.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Malformed(f"no header: {line[:50]!r}")
        headers.append((name.lower(), value.strip()))
    if first.count(" ") < 2 and not first.startswith("HTTP/"):
        raise Malformed(f"no HTTP: {first[:50]!r}")
    return Head(first, headers)


async def read_answer(reader: asyncio.StreamReader) -> Head:
    """The head of an answer, after those that only say that one will come. Raises as `read_head`."""
    while True:
        head = await read_head(reader)
        if head is None:
            raise asyncio.IncompleteReadError(b"", None)
        if head.status >= 200:
            return head


async def body(reader: asyncio.StreamReader, head: Head) -> AsyncIterator[bytes]:
    """The body of a message in pieces as they come. Raises `IncompleteReadError` where it is cut short."""
    length = head.get("content-length")
    if "chunked" in head.get("transfer-encoding").lower():
        async for piece in _chunks(reader):
            yield piece
    elif length:
        left = _number(length, 10)
        while left:
            piece = await reader.read(min(left, PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece
    elif head.first.startswith("HTTP/") and head.status not in _BODILESS:
        while piece := await reader.read(PIECE):
            yield piece


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await reader.readuntil(b"\r\n")
        size = _number(line.split(b";")[0].decode("latin-1").strip(), 16)
        if not size:
            break
        yield (await reader.readexactly(size + 2))[:-2]
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass


def _number(text: str, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise Malformed(f"no length: {text[:20]!r}") from None


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection so that the other side is told of a reset."""
    plain = writer.get_extra_info("socket")
    if plain is not None and plain.fileno() >= 0:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

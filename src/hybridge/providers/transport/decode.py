"""gzip and deflate, for servers that compress although they were asked not to (RFC 9110, section 8.4)."""

from __future__ import annotations

import zlib

from hybridge.errors import MalformedAnswer

#: Most decoded bytes that are made at once, so that a bomb is met by its reader's limit.
PIECE = 256 * 1024

_GZIP = 31
_ZLIB = 15
_RAW = -15


class Decoder:
    """Undoes one content encoding: `feed` what came, then `take` until it gives nothing more.

    Raises `MalformedAnswer` for bytes that are not in the encoding, or in one that nobody asked for.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise MalformedAnswer(f"the answer is encoded as {encoding[:40]!r}, which was not asked for")
        self._encoding = encoding
        self._waiting = b""
        self._inflate = None if encoding == "deflate" else zlib.decompressobj(_GZIP)
        self._fed = False

    def feed(self, piece: bytes) -> None:
        """Add bytes as they came."""
        self._fed = True
        self._waiting = self._waiting + piece if self._waiting else piece

    def take(self) -> bytes:
        """At most `PIECE` decoded bytes; empty when more must come."""
        while True:
            inflate = self._inflate or self._choose()
            if inflate is None:
                return b""
            if inflate.eof:
                if not self._next_member():
                    return b""
                continue
            try:
                decoded = inflate.decompress(self._waiting, PIECE)
            except zlib.error as exc:
                raise MalformedAnswer(f"the {self._encoding} encoding of the answer is broken") from exc
            self._waiting = inflate.unused_data or inflate.unconsumed_tail
            if decoded or not self._waiting:
                return decoded

    def finish(self) -> None:
        """The answer is whole. Raises `MalformedAnswer` where its encoding is not."""
        if self._fed and not (self._inflate and self._inflate.eof):
            raise MalformedAnswer(f"the {self._encoding} encoding of the answer is cut short")

    def _choose(self) -> zlib._Decompress | None:
        """Some servers call the bare stream "deflate", without zlib's two bytes (RFC 1950, section 2.2) before it."""
        if len(self._waiting) < 2:
            return None
        framed = self._waiting[0] & 0x0F == 8 and int.from_bytes(self._waiting[:2]) % 31 == 0
        self._inflate = zlib.decompressobj(_ZLIB if framed else _RAW)
        return self._inflate

    def _next_member(self) -> bool:
        """gzip may hold several members; what follows anything else is padding and left out."""
        if self._encoding == "deflate" or self._waiting[:1] != b"\x1f":
            self._waiting = b""
            return False
        self._inflate = zlib.decompressobj(_GZIP)
        return True

"""An answer as the parser sees it: its head, what of it is body, where it ends."""

from __future__ import annotations

from collections.abc import Callable

from httptools import HttpResponseParser
from msgspec import Struct

from hybridge.errors import MalformedAnswer, ProviderError
from hybridge.providers.transport.decode import Decoder

#: Bytes that may come without any of them being body: heads, interim ones included, trailers, chunk extensions.
LONGEST_HEAD = 64 * 1024

_BODILESS = frozenset((204, 304))
_MOST_NAMES = 1024
_names: dict[bytes, str] = {}


class Framing(Struct, eq=False):
    """The callbacks of httptools, and what they find out.

    llhttp refuses most that could be read in two ways (two lengths, length and chunks, folded lines, bare CR or LF,
    odd chunk sizes); what it lets pass is refused here. Raises `MalformedAnswer` into the parser.
    """

    _origin: object
    _head_only: bool
    status: int = 0
    headers: dict[str, str] = {}
    _pieces: list[bytes] = []
    #: Called for every piece of every stream: the list's own method, which saves a Python frame each time.
    on_body: Callable[[bytes], None] | None = None
    _decoder: Decoder | None = None
    _length: int = -1
    _received: int = 0
    _framed: bool = False
    _keep: bool = False
    _whole: bool = False
    _parser: HttpResponseParser | None = None

    def on_message_begin(self) -> None:
        """httptools: a status line begins."""
        if self._whole:
            raise MalformedAnswer(f"{self._origin}: two answers to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: a header, or a trailer, which nobody asked for."""
        if self.status:
            return
        key = _names.get(name) or _learn(name)
        fields = self.headers
        if key in fields:
            fields[key] += ", " + value.decode("latin-1")
        elif key != "set-cookie":
            fields[key] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """httptools: the head is whole. Raises `MalformedAnswer` for framing that could be read in two ways."""
        status = self._parser.get_status_code()  # type: ignore[union-attr]
        if status < 200:
            self._interim(status)
            return
        if self._received > LONGEST_HEAD:
            self._measure()
        if self._head_only:
            self._whole = True
        elif status in _BODILESS:
            self._framed = True
        else:
            fields = self.headers
            if "content-length" in fields:
                self._framed = True
                self._length = int(fields["content-length"])
            elif "transfer-encoding" in fields:
                self._transferred(fields["transfer-encoding"])
            if "content-encoding" in fields:
                self._encoded(fields.pop("content-encoding").strip().lower())
        self.status = status

    def on_message_complete(self) -> None:
        """httptools: the answer is whole, or an interim one (100, 103) is."""
        if self.status:
            self._whole = True
            self._keep = self._parser.should_keep_alive()  # type: ignore[union-attr]

    def _measure(self) -> None:
        """So much came in one read that the head alone may be too long."""
        if sum(len(name) + len(value) for name, value in self.headers.items()) > LONGEST_HEAD:
            raise MalformedAnswer(f"{self._origin}: the head of the answer is longer than {LONGEST_HEAD} bytes")

    def _interim(self, status: int) -> None:
        if status < 100:
            raise MalformedAnswer(f"{self._origin}: status {status} was not asked for")
        self.headers.clear()

    def _transferred(self, coding: str) -> None:
        self._framed = True
        # Others end with the connection, or mean nothing in HTTP/1.0 (RFC 9112, section 6.1).
        if coding.lower() != "chunked" or self._parser.get_http_version() != "1.1":  # type: ignore[union-attr]
            raise MalformedAnswer(f"{self._origin}: transfer coding {coding[:40]!r} was not asked for")

    def _encoded(self, encoding: str) -> None:
        if encoding not in ("", "identity"):
            self._decoder = Decoder(encoding)
            # It counts the encoded bytes, which nobody gets to see.
            self.headers.pop("content-length", None)

    def _malformed(self, exc: Exception | None, said: str = "") -> ProviderError:
        if exc is not None and isinstance(exc.__context__, ProviderError):
            return exc.__context__
        error = MalformedAnswer(f"{self._origin}: not an HTTP answer: {said or exc}", status=self.status)
        error.__cause__ = exc
        return error


def _learn(name: bytes) -> str:
    """The name as text, lower case; remembered, because servers send the same few for ever."""
    text = name.decode("latin-1").lower()
    if len(_names) < _MOST_NAMES:
        _names[name] = text
    return text

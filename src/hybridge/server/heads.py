"""Heads of requests: the names in them, their length, and what is said to one that is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
from httptools import HttpRequestParser

#: Bytes of a request's line and headers.
LONGEST_HEAD = 64 * 1024
_MOST_NAMES = 1024
_LONGEST_NAME = 64


class HeadTooLong(Exception):
    """A head of more than `LONGEST_HEAD` bytes."""

    def __str__(self) -> str:
        return f"the head of a request may have {LONGEST_HEAD} bytes"


class _Names(dict[bytes, bytes]):
    """Headers' names in lower case; remembered, because clients send the same few for ever."""

    def __missing__(self, name: bytes) -> bytes:
        lower = name.lower()
        if len(self) < _MOST_NAMES and len(name) <= _LONGEST_NAME:
            self[name] = lower
        return lower


NAMES = _Names()


def length(target: Sequence[bytes], named: Mapping[bytes, bytes]) -> int:
    """The bytes of a head; a repeated header counts once."""
    return sum(map(len, target)) + sum([len(name) + len(value) + 4 for name, value in named.items()])


class _Reader(Protocol):
    @property
    def on_body(self) -> Callable[[bytes], object]: ...

    def on_message_complete(self) -> None: ...


class _Body:
    """What a parser tells when the head of its request was read by another."""

    def __init__(self, reader: _Reader) -> None:
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete


def framing(headers: Mapping[bytes, bytes]) -> bytes:
    """The lines that say how long a body is; empty where there is none."""
    names = (b"content-length", b"transfer-encoding")
    return b"".join([b"%b: %b\r\n" % (name, headers[name]) for name in names if name in headers])


def parser_of_body(reader: _Reader, lines: bytes) -> HttpRequestParser:
    """A parser for a body that is framed like this. What follows the body is an error.

    Raises `httptools.HttpParserError` for a frame that nobody knows.
    """
    parser = HttpRequestParser(_Body(reader))
    parser.feed_data(b"POST / HTTP/1.1\r\nconnection: close\r\n%b\r\n" % lines)
    return parser


def refusal(problem: BaseException) -> bytes:
    """The whole answer to what is no request."""
    status = b"431 Request Header Fields Too Large" if isinstance(problem, HeadTooLong) else b"400 Bad Request"
    said = {"message": f"not a request: {problem}", "type": "invalid_request_error", "code": "invalid_request"}
    body = msgspec.json.encode({"error": said})
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\nx-hybridge-error: invalid_request\r\n"
        b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(body), body)
    )

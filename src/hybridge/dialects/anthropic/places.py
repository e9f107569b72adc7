"""Where in a request something is wrong, as the client would write the place."""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec
from msgspec import Raw

from hybridge.errors import InvalidRequest

T = TypeVar("T")

#: What the decoder raises for what is no JSON, or JSON nested beyond reason.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_PATH = re.compile(r" - at `(?:key in )?\$(.*)`$")


def refuse(message: str, place: str) -> InvalidRequest:
    """The error for something wrong at a place."""
    return InvalidRequest(f"{place}: {message}" if place else message, param=place or None)


def decode(decoder: msgspec.json.Decoder[T], raw: Raw, place: str) -> T:
    """What a member says. Raises `InvalidRequest` with the exact place below `place`."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as exc:
        message, path = str(exc), ""
        if found := _PATH.search(message):
            message, path = message[: found.start()], found[1]
        raise refuse(message, place + path) from None
    except UNREADABLE:
        raise refuse("not valid JSON, or nested too deeply", place) from None


def text_of(raw: Raw, place: str) -> str:
    """JSON as the text that it came as."""
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        raise refuse("not valid UTF-8", place) from None


def is_given(raw: Raw | None) -> bool:
    """Whether a member says anything: not missing, null or empty."""
    return raw is not None and bytes(memoryview(raw)[:8]).strip() not in (b"", b"null", b"[]", b"{}", b'""')

"""Turns what msgspec says about a wrong body into an error that names the place."""

from __future__ import annotations

from typing import NoReturn, TypeVar

import msgspec
from msgspec import Raw

from hybridge.errors import InvalidRequest

T = TypeVar("T")

#: What a decoder raises about bytes that it cannot read.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(decoder: msgspec.json.Decoder[T], body: bytes | Raw, place: str = "") -> T:
    """Decode, or raise `InvalidRequest` whose `param` is the place below `place`."""
    try:
        return decoder.decode(body)
    except UNREADABLE as exc:
        explain(exc, place)


def explain(cause: Exception, place: str) -> NoReturn:
    """Raise `InvalidRequest` for what a decoder raised about the value at `place`."""
    if isinstance(cause, msgspec.ValidationError):
        problem, _, path = str(cause).partition(" - at `$")
        where = f"{place}{path.removesuffix('`')}".lstrip(".")
        refuse(where, f"{problem[:1].lower()}{problem[1:]}", cause)
    if isinstance(cause, msgspec.DecodeError):
        refuse(place, f"not valid JSON: {cause}", cause)
    refuse(place, "not valid UTF-8" if isinstance(cause, UnicodeDecodeError) else "nested too deeply", cause)


def refuse(place: str, problem: str, cause: Exception | None = None) -> NoReturn:
    """Raise `InvalidRequest` about a place (`""`: the body as a whole)."""
    raise InvalidRequest(f"`{place}`: {problem}" if place else f"the body: {problem}", param=place or None) from cause

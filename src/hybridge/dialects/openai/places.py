"""Turns what msgspec says about a wrong body into an error that names the place."""

from __future__ import annotations

from typing import NoReturn, TypeVar

import msgspec
from msgspec import Raw

from hybridge.errors import InvalidRequest

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes | Raw, place: str = "") -> T:
    """Decode, or raise `InvalidRequest` whose `param` is the place below `place`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as exc:
        problem, _, path = str(exc).partition(" - at `$")
        where = f"{place}{path.removesuffix('`')}".lstrip(".")
        refuse(where, f"{problem[:1].lower()}{problem[1:]}", exc)
    except msgspec.DecodeError as exc:
        refuse(place, f"not valid JSON: {exc}", exc)
    except UnicodeDecodeError as exc:
        refuse(place, "not valid UTF-8", exc)
    except RecursionError as exc:
        refuse(place, "nested too deeply", exc)


def refuse(place: str, problem: str, cause: Exception | None = None) -> NoReturn:
    """Raise `InvalidRequest` about a place (`""`: the body as a whole)."""
    raise InvalidRequest(f"`{place}`: {problem}" if place else f"the body: {problem}", param=place or None) from cause

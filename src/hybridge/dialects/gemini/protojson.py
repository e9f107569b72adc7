"""Reading proto-JSON as Google's front end does, one level at a time, with the place of what is wrong.

Names may be camelCase or snake_case, numbers may be strings, null means absent, and one object may stand where a list
of objects is meant. Source: https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from hybridge.errors import InvalidRequest

#: What a JSON decoder raises for text that is wrong.
BAD_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

NULL = Raw(b"null")
_MEMBERS = msgspec.json.Decoder(dict[str, Raw])
_OBJECTS = msgspec.json.Decoder(list[dict[str, Raw]] | dict[str, Raw])
_STRING = msgspec.json.Decoder(str)
_STRINGS = msgspec.json.Decoder(list[str])
_INTEGER = msgspec.json.Decoder(int, strict=False)
_NUMBER = msgspec.json.Decoder(float, strict=False)
_BOOLEAN = msgspec.json.Decoder(bool, strict=False)


def camel(name: str) -> str:
    """The camelCase form of a member's name; an underscore in front (Google's own aliases) falls away."""
    if "_" not in name:
        return name
    head, *rest = name.lstrip("_").split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


def named(fields: dict[str, Raw]) -> dict[str, Raw]:
    """The members under their camelCase names, nulls left out; the same object where that changes nothing."""
    if "_" not in "".join(fields) and NULL not in fields.values():
        return fields
    return {camel(name): value for name, value in fields.items() if value != NULL}


def members(raw: Raw, place: str) -> dict[str, Raw]:
    """The members of an object. Raises `InvalidRequest` with the place if it is none."""
    return named(_read(_MEMBERS, raw, place, "an object"))


def objects(raw: Raw | None, place: str) -> list[dict[str, Raw]]:
    """The members of each object of a list, or of the one object that stands for it."""
    if raw is None:
        return []
    found = _read(_OBJECTS, raw, place, "a list of objects")
    return [named(entry) for entry in (found if isinstance(found, list) else [found])]


def string(raw: Raw | None, place: str) -> str:
    """A string, empty if absent."""
    return "" if raw is None else str(_read(_STRING, raw, place, "a string"))


def strings(raw: Raw | None, place: str) -> tuple[str, ...]:
    """A list of strings."""
    return () if raw is None else tuple(_read(_STRINGS, raw, place, "a list of strings"))


def integer(raw: Raw | None, place: str) -> int | None:
    """A whole number, also as a string."""
    return None if raw is None else int(_read(_INTEGER, raw, place, "a whole number"))


def number(raw: Raw | None, place: str) -> float | None:
    """A number, also as a string."""
    return None if raw is None else float(_read(_NUMBER, raw, place, "a number"))


def boolean(raw: Raw | None, place: str) -> bool | None:
    """A truth value."""
    return None if raw is None else bool(_read(_BOOLEAN, raw, place, "true or false"))


def invalid(place: str, problem: str) -> InvalidRequest:
    """The error for a member, which it names twice: in the sentence and as `param`."""
    return InvalidRequest(f"{place} {problem}", param=place)


def _read(decoder: msgspec.json.Decoder[Any], raw: Raw, place: str, wanted: str) -> Any:
    try:
        return decoder.decode(raw)
    except BAD_JSON as exc:
        raise invalid(place, f"must be {wanted}") from exc

"""The part of JSON Schema that structured outputs and strict tools take.

Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs. What is left out of a schema is told
to the model in the description instead.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

#: A tool without arguments: the member is required.
NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
ANY_OBJECT: dict[str, Any] = {"type": "object"}

_KEPT = frozenset({"type", "enum", "const", "default", "description", "title", "$ref", "required"})
_SUB_SCHEMAS = frozenset({"anyOf", "allOf", "oneOf"})
_NAMED_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_FORMATS = frozenset("date-time time date duration email hostname uri ipv4 ipv6 uuid".split())
_SILENT = frozenset({"$schema", "$id", "additionalProperties", "strict"})


def arguments_schema(schema: Raw | None) -> Raw | dict[str, Any]:
    """The schema of a tool's arguments, which must be that of an object; untouched if it is."""
    if schema is None:
        return NO_ARGUMENTS
    members = msgspec.json.decode(schema, type=dict[str, Raw])
    if bytes(members.get("type", Raw())) == b'"object"':
        return schema
    return {**members, "type": "object"}


def is_object(schema: Raw | None) -> bool:
    """Whether a schema can be that of a tool's arguments."""
    if schema is None:
        return True
    decoded = msgspec.json.decode(schema)
    return isinstance(decoded, dict) and decoded.get("type", "object") == "object"


def strict_schema(schema: Raw) -> Raw | dict[str, Any] | None:
    """The schema within the subset, untouched if it is in it already.

    `None` if it cannot be said there: open objects, recursion, foreign references.
    """
    decoded = msgspec.json.decode(schema)
    try:
        strict = _strict(decoded)
    except (_Beyond, TypeError, AttributeError, RecursionError):  # what is no schema is no strict one either
        return None
    if _recurs(strict):
        return None
    return schema if strict == decoded else strict


class _Beyond(Exception):
    """The subset has no words for this schema."""


def _strict(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, dict) or not str(schema.get("$ref", "#")).startswith("#"):
        raise _Beyond
    strict: dict[str, Any] = {}
    told: dict[str, Any] = {}
    for name, value in schema.items():
        if _is_kept(name, value):
            strict[name] = value
        elif name in _SUB_SCHEMAS or name in _NAMED_SCHEMAS or name == "items":
            strict["anyOf" if name == "oneOf" else name] = _inner(name, value)
        elif name not in _SILENT:
            told[name] = value
    _close(schema, strict)
    if told:
        strict["description"] = "\n".join(filter(None, (strict.get("description"), _words(told))))
    return strict


def _inner(name: str, value: Any) -> Any:
    if name in _SUB_SCHEMAS:
        return [_strict(entry) for entry in value]
    if name in _NAMED_SCHEMAS:
        return {key: _strict(entry) for key, entry in value.items()}
    return _strict(value)


def _is_kept(name: str, value: Any) -> bool:
    if name == "format":
        return value in _FORMATS
    return name in _KEPT or (name == "minItems" and value in (0, 1))


def _close(schema: dict[str, Any], strict: dict[str, Any]) -> None:
    kind = schema.get("type")
    if not (kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema):
        return
    # An object that takes any key, or any key beside its own, would lose them in the subset.
    if schema.get("additionalProperties", not schema.get("properties")) is not False:
        raise _Beyond
    strict["additionalProperties"] = False


def _words(told: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {msgspec.json.encode(value).decode()}" for name, value in told.items())


def _recurs(schema: dict[str, Any]) -> bool:
    definitions = {
        f"#/{room}/{name}": entry for room in ("$defs", "definitions") for name, entry in schema.get(room, {}).items()
    }
    refs = {name: set(_references(entry)) for name, entry in definitions.items()}
    if any(ref not in definitions for ref in _references(schema)):
        return True
    while free := [name for name, used in refs.items() if not used & refs.keys()]:
        for name in free:
            del refs[name]
    return bool(refs)


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [ref for entry in schema for ref in _references(entry)]
    if not isinstance(schema, dict):
        return []
    own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
    return own + [ref for entry in schema.values() for ref in _references(entry)]

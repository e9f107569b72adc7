"""Schemas: the dialect's own subset of OpenAPI 3.0 from JSON Schema, and back.

Sources: `Schema` in https://ai.google.dev/api/caching#Schema and its discovery document; JSON Schema 2020-12.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from hybridge.dialects.gemini.protojson import BAD_JSON, camel, invalid

_INT64 = frozenset(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"))
_KEPT = _INT64 | {"title", "description", "default", "minimum", "maximum", "pattern", "required", "propertyOrdering"}
_FORMATS = frozenset(("date-time", "enum", "float", "double", "int32", "int64"))
#: Keywords that say nothing to a model, or nothing that the subset does not imply.
_SILENT = frozenset(
    "$schema $id $comment $defs definitions $anchor additionalProperties strict examples example deprecated readOnly "
    "writeOnly".split()
)
#: Bounds of a schema that is written out: references can make a short one endless, or enormous.
_DEEPEST = 40
_LARGEST = 5_000


# --- from the dialect ----------------------------------------------------------------------------------------------


def to_json_schema(raw: Raw, place: str) -> Raw:
    """The JSON Schema that says the same as a `Schema`. Raises `InvalidRequest` if it is no object."""
    try:
        schema = _standard(msgspec.json.decode(raw))
    except BAD_JSON as exc:
        raise invalid(place, "is not JSON, or too deep") from exc
    if not isinstance(schema, dict):
        raise invalid(place, "must be an object")
    return Raw(msgspec.json.encode(schema))


def _standard(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    named = {camel(name): value for name, value in schema.items() if value is not None}
    nullable = named.pop("nullable", False) is True
    ordering = named.pop("propertyOrdering", None)
    standard = (_standard_member(name, value) for name, value in named.items())
    made = {name: value for name, value in standard if value is not None}
    if isinstance(ordering, list) and isinstance(made.get("properties"), dict):
        made["properties"] = _ordered(made["properties"], ordering)
    return _with_null(made) if nullable else made


def _standard_member(name: str, value: Any) -> tuple[str, Any]:
    if name == "type" and isinstance(value, str):
        return name, None if value == "TYPE_UNSPECIFIED" else value.lower()
    if name == "properties" and isinstance(value, dict):
        return name, {key: _standard(inner) for key, inner in value.items()}
    if name == "anyOf" and isinstance(value, list):
        return name, [_standard(inner) for inner in value]
    if name == "items":
        return name, _standard(value)
    if name in _INT64 and isinstance(value, str) and value.isdecimal():
        return name, int(value)
    if name == "example":
        return "examples", [value]
    return name, None if (name, value) == ("format", "enum") else value


def _ordered(properties: dict[str, Any], ordering: list[Any]) -> dict[str, Any]:
    first = {name: properties[name] for name in ordering if isinstance(name, str) and name in properties}
    return {**first, **properties}


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    if isinstance(schema.get("enum"), list):
        schema["enum"] = [*schema["enum"], None]
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    elif isinstance(schema.get("anyOf"), list):
        schema["anyOf"] = [*schema["anyOf"], {"type": "null"}]
    return schema


# --- to the dialect ------------------------------------------------------------------------------------------------


def is_empty(raw: Raw | None) -> bool:
    """Whether a schema of arguments allows none: such a `parameters` is left out, an empty OBJECT is refused."""
    if raw is None:
        return True
    schema = msgspec.json.decode(raw)
    if not isinstance(schema, dict):
        return True
    return not set(schema) - {"type", "properties", "required", "additionalProperties", "$schema"} and not (
        schema.get("properties") or schema.get("additionalProperties") is True
    )


def to_subset(raw: Raw) -> tuple[dict[str, Any], tuple[str, ...]]:
    """A `Schema` that says as much of a JSON Schema as it can, and the keywords that were lost."""
    cleaner = _Cleaner(msgspec.json.decode(raw))
    return cleaner.cleaned(cleaner.root, ()), tuple(sorted(cleaner.lost))


class _Cleaner:
    """One schema on its way into the subset; references are written out where they stand."""

    def __init__(self, root: Any) -> None:
        self.root = root
        self.lost: set[str] = set()
        self._left = _LARGEST

    def cleaned(self, schema: Any, above: tuple[str, ...]) -> dict[str, Any]:
        """The subset of one schema; `above` are the references that it stands inside."""
        if not isinstance(schema, dict):
            return {"type": "STRING"}
        self._left -= 1
        if len(above) > _DEEPEST or self._left < 0:
            self.lost.add("$ref")
            return {"type": "OBJECT"}
        schema, above = self._resolved(schema, above)
        made = self._plain_members(schema)
        self._set_type(schema, made, above)
        self._set_enum(schema, made)
        if isinstance(schema.get("properties"), dict) and schema["properties"]:
            made["properties"] = {
                name: self.cleaned(inner, (*above, "")) for name, inner in schema["properties"].items()
            }
        if made.get("type") == "ARRAY":
            made["items"] = self.cleaned(schema.get("items"), (*above, ""))
        self._set_choices(schema, made, above)
        if "type" not in made and "anyOf" not in made:
            made["type"] = _guessed(schema)
        return made

    def _resolved(self, schema: dict[str, Any], above: tuple[str, ...]) -> tuple[dict[str, Any], tuple[str, ...]]:
        reference = schema.get("$ref")
        if isinstance(reference, str):
            rest = {name: value for name, value in schema.items() if name != "$ref"}
            if reference in above:
                self.lost.add("$ref")
                return {"type": "object", **rest}, above
            found = _at(self.root, reference)
            return self._resolved({**found, **rest}, (*above, reference))
        if isinstance(schema.get("allOf"), list):
            rest = {name: value for name, value in schema.items() if name != "allOf"}
            for piece in schema["allOf"]:
                inner, _ = self._resolved(piece if isinstance(piece, dict) else {}, above)
                rest = _merged(rest, inner)
            return rest, above
        return schema, above

    def _plain_members(self, schema: dict[str, Any]) -> dict[str, Any]:
        made = {}
        for name, value in schema.items():
            if name in _KEPT:
                made[name] = value
            elif name == "format":
                if value in _FORMATS:
                    made[name] = value
            elif name == "nullable":
                made[name] = bool(value)
            elif name not in _SILENT and name not in _SHAPED:
                self.lost.add(name)
        return made

    def _set_type(self, schema: dict[str, Any], made: dict[str, Any], above: tuple[str, ...]) -> None:
        kind = schema.get("type")
        kinds = [str(one) for one in (kind if isinstance(kind, list) else [kind]) if one is not None]
        if "null" in kinds:
            kinds.remove("null")
            made["nullable"] = True
        if len(kinds) == 1:
            made["type"] = kinds[0].upper()
        elif kinds:
            made["anyOf"] = [self.cleaned({"type": one, "items": schema.get("items")}, (*above, "")) for one in kinds]

    def _set_enum(self, schema: dict[str, Any], made: dict[str, Any]) -> None:
        values = [schema["const"]] if "const" in schema else schema.get("enum")
        if not isinstance(values, list):
            return
        words = [value for value in values if value is not None]
        if len(words) < len(values):
            made["nullable"] = True
        if words and all(isinstance(word, str) for word in words):
            made["enum"] = words
            made["type"] = "STRING"
        elif words:
            self.lost.add("const" if "const" in schema else "enum")
            made.setdefault("type", _TYPES.get(type(words[0]), "STRING"))

    def _set_choices(self, schema: dict[str, Any], made: dict[str, Any], above: tuple[str, ...]) -> None:
        choices = schema.get("anyOf") or schema.get("oneOf")
        if not isinstance(choices, list):
            return
        real = [one for one in choices if not (isinstance(one, dict) and one.get("type") == "null")]
        if len(real) < len(choices):
            made["nullable"] = True
        cleaned = [self.cleaned(one, (*above, "")) for one in real]
        if len(cleaned) == 1:
            made.update({**cleaned[0], **made})
        elif cleaned:
            made["anyOf"] = cleaned


#: Keywords that have a method of their own.
_SHAPED = frozenset(("type", "enum", "const", "properties", "items", "anyOf", "oneOf", "allOf", "$ref"))
_TYPES: dict[type, str] = {bool: "BOOLEAN", int: "INTEGER", float: "NUMBER", list: "ARRAY", dict: "OBJECT"}


def _guessed(schema: dict[str, Any]) -> str:
    if "properties" in schema:
        return "OBJECT"
    return "STRING"


def _at(root: Any, reference: str) -> dict[str, Any]:
    found = root
    for step in reference.removeprefix("#").split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    made = {**right, **left}
    for name in ("properties", "$defs"):
        if name in left and name in right:
            made[name] = {**right[name], **left[name]}
    if "required" in left and "required" in right:
        made["required"] = list(dict.fromkeys([*left["required"], *right["required"]]))
    return made

"""Values that fit a JSON Schema, or the subset of OpenAPI that Gemini takes."""

from __future__ import annotations

import random
import re
from typing import Any

_DEEPEST = 12

_FORMATS = {
    "date": "2026-11-22",
    "date-time": "2026-11-22T09:30:00Z",
    "time": "09:30:00Z",
    "email": "lan@example.com",
    "uri": "https://example.com/",
    "uuid": "7f9c24e8-3b12-4fef-91e0-1c2d3a4b5c6d",
    "ipv4": "192.0.2.1",
}


def example(schema: Any, chance: random.Random, said: str = "", *, whole: bool = False) -> Any:
    """A value that fits: required members filled by type, all of them if `whole` or if none is required.

    Texts are names that were `said`, so that a call for the weather in Hanoi asks for Hanoi.
    """
    names = re.findall(r"\b[A-ZĐ][\w-]+(?: [A-ZĐ][\w-]+)*", said[1:]) or re.findall(r"\w{4,}", said)[-1:]
    return _Filler(schema, chance, names, whole).fill(schema)


class _Filler:
    def __init__(self, root: Any, chance: random.Random, names: list[str], whole: bool) -> None:
        self._root = root
        self._chance = chance
        self._names = names
        self._whole = whole

    def fill(self, schema: Any, name: str = "", depth: int = 0) -> Any:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None if depth > _DEEPEST else {}
        schema = self._resolved(schema)
        for fixed in ("const", "default"):
            if fixed in schema:
                return schema[fixed]
        if schema.get("enum"):
            return self._chance.choice(schema["enum"])
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            least = max(int(schema.get("minItems", 1)), 0)
            return [self.fill(schema.get("items", {"type": "string"}), name, depth + 1) for _ in range(least)]
        return self._scalar(kind, schema, name)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Through `$ref`, the first branch of `anyOf` and `oneOf` that is not null, and all of `allOf`."""
        for _ in range(_DEEPEST):
            if "$ref" in schema:
                schema = self._at(str(schema["$ref"]))
            elif branches := schema.get("anyOf") or schema.get("oneOf"):
                schema = next((one for one in branches if one.get("type") != "null"), branches[0])
            elif "allOf" in schema:
                merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
                for part in schema["allOf"]:
                    merged |= self._resolved(part)
                schema = merged
            else:
                break
        return schema

    def _at(self, reference: str) -> dict[str, Any]:
        found: Any = self._root
        for step in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(step.replace("~1", "/").replace("~0", "~"), {}) if step else found
        return found if isinstance(found, dict) else {}

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        required = schema.get("required") or []
        wanted = list(properties) if self._whole or not required else [name for name in required if name in properties]
        return {name: self.fill(properties[name], name, depth + 1) for name in wanted}

    def _scalar(self, kind: str, schema: dict[str, Any], name: str) -> Any:
        if kind == "boolean":
            return self._chance.random() < 0.5
        if kind == "null":
            return None
        if kind in ("integer", "number"):
            low = schema.get("minimum", schema.get("exclusiveMinimum", 0) + ("exclusiveMinimum" in schema))
            high = schema.get(
                "maximum", max(low, 100) if "exclusiveMaximum" not in schema else schema["exclusiveMaximum"] - 1
            )
            whole = self._chance.randint(int(low), max(int(low), int(high)))
            return whole if kind == "integer" else float(whole)
        return self._string(schema, name)

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = str(self._names[0]) if self._names else name or "text"
        text = text.ljust(int(schema.get("minLength", 0)), "x")
        return text[: int(schema["maxLength"])] if "maxLength" in schema else text


def _kind(schema: dict[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if kind is None:
        return "object" if "properties" in schema or not schema else "array" if "items" in schema else "string"
    return str(kind).lower()

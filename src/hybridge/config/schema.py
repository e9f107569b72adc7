"""The JSON Schema of the configuration file, for editors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from msgspec import NODEFAULT, inspect

from hybridge.config.settings import Config
from hybridge.config.units import UNITS, Unit

Schema = dict[str, Any]

_NULL = {"type": "null"}


def schema() -> Schema:
    """The schema (draft 2020-12): durations, sizes and the like as the text that stands in the file."""
    definitions: Schema = {}
    root = _Writer(definitions).write(inspect.type_info(Config))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Hybridge configuration",
        **definitions.pop(root["$ref"].rpartition("/")[2]),
        "required": ["providers"],
        "$defs": dict(sorted(definitions.items())),
    }


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def unit_of(kind: inspect.Type) -> Unit | None:
    """The unit that a field is written in, if it has one."""
    if isinstance(kind, inspect.Metadata):
        named = (kind.extra or {}).get("unit")
        return UNITS[named] if named else unit_of(kind.type)
    if isinstance(kind, inspect.UnionType):
        return next((unit for one in kind.types if (unit := unit_of(one))), None)
    return None


class _Writer:
    """Writes the schema of a type; Structs go to `definitions`."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions
        self._writers: dict[type, Callable[[Any], Schema]] = {
            inspect.Metadata: self._annotated,
            inspect.StructType: self._struct,
            inspect.DictType: lambda kind: {
                "type": ["object", "null"],
                "additionalProperties": self.write(kind.value_type),
            },
            inspect.VarTupleType: lambda kind: {"type": ["array", "null"], "items": self.write(kind.item_type)},
            inspect.UnionType: self._union,
            inspect.EnumType: lambda kind: {"enum": [member.value for member in kind.cls]},
            inspect.LiteralType: lambda kind: {"enum": list(kind.values)},
            inspect.StrType: lambda kind: {"type": "string", **({"pattern": kind.pattern} if kind.pattern else {})},
            inspect.BoolType: lambda _: {"type": "boolean"},
            inspect.IntType: lambda kind: {"type": "integer", **_bounds(kind)},
            inspect.FloatType: lambda _: {"type": "number"},
            inspect.DateType: lambda _: {"type": "string", "format": "date"},
        }

    def write(self, kind: inspect.Type) -> Schema:
        """The schema of one type."""
        return self._writers[type(kind)](kind)

    def _annotated(self, kind: inspect.Metadata) -> Schema:
        named = (kind.extra or {}).get("unit")
        written = _of_unit(UNITS[named]) if named else self.write(kind.type)
        return {**written, **(kind.extra_json_schema or {})}

    def _union(self, kind: inspect.UnionType) -> Schema:
        """A value or nothing."""
        value = next(one for one in kind.types if not isinstance(one, inspect.NoneType))
        return {"anyOf": [self.write(value), _NULL]}

    def _struct(self, kind: inspect.StructType) -> Schema:
        name = kind.cls.__name__
        if name not in self._definitions:
            self._definitions[name] = {}
            properties = {field.encode_name: self._field(field) for field in kind.fields}
            required = [field.encode_name for field in kind.fields if field.required]
            self._definitions[name] = {
                "description": (kind.cls.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " "),
                "type": "object" if required else ["object", "null"],
                "properties": properties,
                "additionalProperties": False,
                **({"required": required} if required else {}),
            }
        return {"$ref": f"#/$defs/{name}"}

    def _field(self, field: inspect.Field) -> Schema:
        default = written_default(field)
        return {**self.write(field.type), **({} if default is None else {"default": default})}


def written_default(field: inspect.Field) -> Any:
    """A field's default as it would stand in the file; `None` where it has none, or a whole section."""
    if field.default is NODEFAULT or field.default is None:
        return None
    unit = unit_of(field.type)
    if unit is not None:
        return unit.write(field.default)
    if field.default == ():
        return []
    return field.default if isinstance(field.default, (str, int, float)) else None


def _of_unit(unit: Unit) -> Schema:
    if not unit.pattern:
        return {"figure": {"type": "number", "minimum": 0}, "rate": {"type": "number", "exclusiveMinimum": 0}}.get(
            unit.name, {"type": "string"}
        )
    return {"type": ["string", "number"] if unit.number else "string", "pattern": unit.pattern}


def _bounds(kind: inspect.IntType) -> Schema:
    named = {"minimum": kind.ge, "maximum": kind.le}
    return {name: bound for name, bound in named.items() if bound is not None}

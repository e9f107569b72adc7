"""The reference page of the configuration file, made from the Structs that it is read into."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import inspect

from hybridge.config.schema import unit_of, written_default
from hybridge.config.settings import Config

_INTRODUCTION = """\
# Configuration

This page is made from the program (`python -m hybridge.cli.reference`); do not edit it.

One YAML 1.2 file, found as `--config FILE`, `$HYBRIDGE_CONFIG` or `./hybridge.yaml`. It needs nothing but `providers`;
without a file the providers whose variables are set are on. Unknown keys are errors. For completion in an editor let
the file begin with

```yaml
# yaml-language-server: $schema=schema/hybridge.schema.json
```

(`hybridge check --schema` prints that schema.)

| written | means |
|---|---|
| `500ms` `5s` `10m` `1h` `90d` | a duration; a bare number is seconds |
| `64MB` `512KiB` | a size: kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024; a bare number is bytes |
| `1000 VND` `0.05 USD` | an amount of money |
| `200000 VND/month` | what may be spent in a `day`, `week`, `month` or in `total` |
| `5.5%` | a percentage |
| `env:NAME` `file:/path` | a secret, from the environment or from a file |
"""


def markdown() -> str:
    """The page."""
    root = inspect.type_info(Config)
    assert isinstance(root, inspect.StructType)
    return "\n".join([_INTRODUCTION, *_sections("", root, {})])


def _sections(path: str, kind: inspect.StructType, places: dict[type, str]) -> Iterator[str]:
    """A heading and a table for a Struct, then the same for those below it. Each Struct stands once."""
    places[kind.cls] = path
    title = f"`{path}`" if path else "The whole file"
    doc = " ".join((kind.cls.__doc__ or "").split())
    yield f"## {title}\n\n{doc}\n\n| key | value | without it | what it is for |\n|---|---|---|---|"
    below: list[tuple[str, inspect.StructType]] = []
    for field in kind.fields:
        place = f"{path}.{field.encode_name}".removeprefix(".")
        inner, suffix = _struct_in(field.type)
        if inner is not None and inner.cls not in places:
            places[inner.cls] = place + suffix
            below.append((place + suffix, inner))
        value = _value(field.type) if inner is None else _see(places[inner.cls], suffix)
        yield f"| `{field.encode_name}` | {value} | {_default(field)} | {_about(field.type)} |"
    yield ""
    for place, inner in below:
        yield from _sections(place, inner, places)


def _struct_in(kind: inspect.Type) -> tuple[inspect.StructType | None, str]:
    """The Struct that a field holds, and how its place goes on from the field's."""
    match kind:
        case inspect.Metadata() if unit_of(kind) is None:
            return _struct_in(kind.type)
        case inspect.UnionType():
            return next((found for one in kind.types if (found := _struct_in(one))[0]), (None, ""))
        case inspect.DictType():
            inner, suffix = _struct_in(kind.value_type)
            return inner, f".NAME{suffix}"
        case inspect.VarTupleType():
            inner, suffix = _struct_in(kind.item_type)
            return inner, f"[]{suffix}"
        case inspect.StructType():
            return kind, ""
    return None, ""


def _see(place: str, suffix: str) -> str:
    kind = "a list of" if suffix.startswith("[]") else "by name:" if suffix else "see"
    return f"{kind} `{place}`"


_PLAIN = {
    inspect.StrType: "text",
    inspect.BoolType: "`true` or `false`",
    inspect.IntType: "whole number",
    inspect.FloatType: "number",
    inspect.DateType: "date",
}


def _value(kind: inspect.Type) -> str:
    unit = unit_of(kind)
    if unit is not None:
        return {"wait": "duration", "figure": "number", "rate": "number", "allowance": "money per period"}.get(
            unit.name, unit.name
        )
    match kind:
        case inspect.Metadata():
            return _value(kind.type)
        case inspect.UnionType():
            return _value(kind.types[0])
        case inspect.EnumType():
            return " ".join(f"`{member.value}`" for member in kind.cls)
        case inspect.LiteralType():
            return " ".join(f"`{word}`" for word in kind.values)
        case inspect.VarTupleType():
            return f"list: {_value(kind.item_type)}"
        case inspect.DictType():
            return f"by name: {_value(kind.value_type)}"
    return _PLAIN[type(kind)]


def _default(field: inspect.Field) -> str:
    if field.required:
        return "**required**"
    default = written_default(field)
    if default is None or default in ("", []):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _about(kind: inspect.Type) -> str:
    return str((kind.extra_json_schema or {}).get("description", "")) if isinstance(kind, inspect.Metadata) else ""

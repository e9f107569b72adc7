"""A configuration as it would stand in a file, for people to look at: every value, and no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, inspect

from hybridge.config.schema import unit_of
from hybridge.config.settings import Config
from hybridge.config.units import Secret, Unit

#: Shown in the place of a secret that stands in the file itself.
HIDDEN = "***"

#: Of an address: `user:password@`, and what follows the `?`.
_PRIVATE = re.compile(r"(?<=://)[^/@\s]+(?=@)|(?<=\?)\S+")


def masked(config: Config) -> dict[str, Any]:
    """Every key with its value, also where that is the default; of a secret only where it comes from."""
    shown = _shown(config, inspect.type_info(Config))
    assert isinstance(shown, dict)
    return shown


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What two masked configurations say differently, each by its dotted path: of the one, and of the other."""
    old, new = dict(_flat("", before)), dict(_flat("", after))
    differ = [path for path in {**old, **new} if old.get(path) != new.get(path)]
    return ({path: old[path] for path in differ if path in old}, {path: new[path] for path in differ if path in new})


def told(secret: Secret) -> str:
    """Where a secret comes from; nothing of one that stands in the file itself."""
    return secret.source if secret.source.startswith(("env:", "file:")) or not secret.reveal() else HIDDEN


def address(text: str) -> str:
    """An address without what may be secret in it."""
    return _PRIVATE.sub(HIDDEN, text) if "://" in text else text


def _shown(value: Any, kind: inspect.Type) -> Any:
    unit = unit_of(kind)
    if unit is not None and not isinstance(value, (tuple, dict)):
        return _in_unit(value, unit)
    match value:
        case Struct():
            fields = inspect.type_info(type(value))
            assert isinstance(fields, inspect.StructType)
            return {field.encode_name: _shown(getattr(value, field.name), field.type) for field in fields.fields}
        case dict():
            inner = _inner(kind)
            return {str(name): _shown(item, inner) for name, item in value.items()}
        case tuple():
            inner = _inner(kind)
            return [_shown(item, inner) for item in value]
        case str():
            return address(value)
        case bool() | int() | float() | None:
            return value
    return str(value)


def _in_unit(value: Any, unit: Unit) -> Any:
    if isinstance(value, Secret):
        return told(value)
    # `off` is the one value of a unit that is nothing in Python.
    return None if value is None and unit.name != "port" else unit.write(value)


def _inner(kind: inspect.Type) -> inspect.Type:
    """What a list or a table holds."""
    match kind:
        case inspect.Metadata():
            return _inner(kind.type)
        case inspect.UnionType():
            return next(_inner(one) for one in kind.types if not isinstance(one, inspect.NoneType))
        case inspect.VarTupleType():
            return kind.item_type
        case inspect.DictType():
            return kind.value_type
    return inspect.AnyType()


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, item in value.items():
            yield from _flat(f"{path}.{name}".removeprefix("."), item)
    else:
        yield path, value

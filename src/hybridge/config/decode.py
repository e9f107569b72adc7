"""From the tree of a file to Structs, by their annotations. Every problem is reported; reading goes on after it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, TypeVar

from msgspec import Struct, inspect

from hybridge.config.document import Mapping, Node, Scalar, Sequence
from hybridge.config.report import Path, Report, nearest
from hybridge.config.secrets import Missing, Secrets
from hybridge.config.units import UNITS, Secret, Unit

S = TypeVar("S", bound=Struct)


class _Invalid(Exception):
    """A value that cannot be used; the report already says why."""


class Decoder:
    """Reads trees into Structs."""

    def __init__(self, report: Report, secrets: Secrets) -> None:
        self._report = report
        self._secrets = secrets
        self._readers: dict[type, Callable[[Any, Node, Path], Any]] = {
            inspect.Metadata: self._annotated,
            inspect.StructType: self._struct,
            inspect.DictType: self._dict,
            inspect.VarTupleType: self._tuple,
            inspect.UnionType: self._union,
            inspect.EnumType: self._enum,
            inspect.LiteralType: self._literal,
            inspect.StrType: self._str,
            inspect.BoolType: self._bool,
            inspect.IntType: self._int,
            inspect.FloatType: self._float,
            inspect.DateType: self._date,
        }

    def read(self, shape: type[S], node: Node) -> S | None:
        """A Struct from the top of a tree; `None` if it cannot be made at all. The report knows the problems."""
        try:
            made = self._read(inspect.type_info(shape), node, ())
        except _Invalid:
            return None
        assert isinstance(made, shape)
        return made

    def _read(self, kind: inspect.Type, node: Node, path: Path) -> Any:
        return self._readers[type(kind)](kind, node, path)

    def _wrong(self, path: Path, expected: str, node: Node, *, show: bool = True) -> _Invalid:
        """`show` the value only where it cannot be a secret in the wrong place."""
        self._report.error(path, f"expected {expected}, got {_shown(node) if show else _KINDS[type(node)]}")
        return _Invalid()

    def _annotated(self, kind: inspect.Metadata, node: Node, path: Path) -> Any:
        unit = UNITS.get((kind.extra or {}).get("unit", ""))
        return self._read(kind.type, node, path) if unit is None else self._unit(unit, node, path)

    def _unit(self, unit: Unit, node: Node, path: Path) -> Any:
        if unit.read is None:
            return self._secret(unit, node, path)
        if isinstance(node, Scalar):
            try:
                return unit.read(node.text)
            except ValueError:
                pass
        raise self._wrong(path, unit.expected, node)

    def _secret(self, unit: Unit, node: Node, path: Path) -> Secret:
        if not isinstance(node, Scalar) or node.kind == "null":
            raise self._wrong(path, unit.expected, node)
        try:
            return self._secrets.fetch(node.text, path)
        except Missing as missing:
            # A provider may be off and the admin's token can be made; whoever names another secret needs it.
            optional = path[0] in ("providers", "admin")
            (self._report.warn if optional else self._report.error)(path, str(missing))
        raise _Invalid

    def _struct(self, kind: inspect.StructType, node: Node, path: Path) -> Any:
        entries = self._entries(node, path)
        fields = {field.encode_name: field for field in kind.fields}
        for key in entries.keys() - fields.keys():
            self._report.error((*path, key), f"unknown key{nearest(key, fields) or f'; it may be {_words(fields)}'}")
        values: dict[str, Any] = {}
        missing = False
        for key, field in fields.items():
            if key in entries:
                try:
                    values[field.name] = self._read(field.type, entries[key], (*path, key))
                    continue
                except _Invalid:
                    missing = missing or field.required
            elif field.required:
                self._report.error((*path, key), "required")
                missing = True
        if missing:
            raise _Invalid
        return kind.cls(**values)

    def _dict(self, kind: inspect.DictType, node: Node, path: Path) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for key, value in self._entries(node, path).items():
            try:
                made[key] = self._read(kind.value_type, value, (*path, key))
            except _Invalid:
                continue
        return made

    def _entries(self, node: Node, path: Path) -> dict[str, Node]:
        if isinstance(node, Scalar) and node.kind == "null":
            return {}
        if not isinstance(node, Mapping):
            raise self._wrong(path, "a mapping of keys to values", node, show=False)
        entries: dict[str, Node] = {}
        for key, value in node.entries:
            self._report.place((*path, key.text), key.line)
            if key.text in entries:
                self._report.error((*path, key.text), "this key stands twice")
            else:
                entries[key.text] = value
        return entries

    def _tuple(self, kind: inspect.VarTupleType, node: Node, path: Path) -> tuple[Any, ...]:
        if isinstance(node, Scalar) and node.kind == "null":
            return ()
        if not isinstance(node, Sequence):
            raise self._wrong(path, "a list, such as [a, b]", node, show=False)
        made: list[Any] = []
        for position, item in enumerate(node.items):
            self._report.place((*path, position), item.line)
            try:
                made.append(self._read(kind.item_type, item, (*path, position)))
            except _Invalid:
                continue
        return tuple(made)

    def _union(self, kind: inspect.UnionType, node: Node, path: Path) -> Any:
        """Every union of ours is a value or nothing."""
        if isinstance(node, Scalar) and node.kind == "null":
            return None
        return self._read(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), node, path)

    def _enum(self, kind: inspect.EnumType, node: Node, path: Path) -> Enum:
        return kind.cls(self._one_of([str(member.value) for member in kind.cls], node, path))

    def _literal(self, kind: inspect.LiteralType, node: Node, path: Path) -> str:
        return self._one_of([str(value) for value in kind.values], node, path)

    def _one_of(self, words: list[str], node: Node, path: Path) -> str:
        if isinstance(node, Scalar) and node.text in words:
            return node.text
        hint = nearest(node.text, words) if isinstance(node, Scalar) else ""
        self._report.error(path, f"expected {_words(words)}, got {_shown(node)}{hint}")
        raise _Invalid

    def _str(self, kind: inspect.StrType, node: Node, path: Path) -> str:
        if not isinstance(node, Scalar) or node.kind == "null":
            raise self._wrong(path, "text", node)
        if kind.pattern and not re.search(kind.pattern, node.text):
            raise self._wrong(path, f"text that matches {kind.pattern}", node)
        return node.text

    def _bool(self, kind: inspect.BoolType, node: Node, path: Path) -> bool:
        if not isinstance(node, Scalar) or node.kind != "bool":
            raise self._wrong(path, "true or false", node)
        return node.text.lower() == "true"

    def _int(self, kind: inspect.IntType, node: Node, path: Path) -> int:
        expected = "a whole number" + _bounds(kind.ge, kind.le)
        if not isinstance(node, Scalar) or node.kind != "int":
            raise self._wrong(path, expected, node)
        number = int(node.text.replace("_", ""), 0)
        if (kind.ge is not None and number < kind.ge) or (kind.le is not None and number > kind.le):
            raise self._wrong(path, expected, node)
        return number

    def _float(self, kind: inspect.FloatType, node: Node, path: Path) -> float:
        try:
            if isinstance(node, Scalar) and node.kind in ("int", "float"):
                return float(node.text)
        except ValueError:
            pass
        raise self._wrong(path, "a number", node)

    def _date(self, kind: inspect.DateType, node: Node, path: Path) -> dt.date:
        try:
            if isinstance(node, Scalar):
                return dt.date.fromisoformat(node.text)
        except ValueError:
            pass
        raise self._wrong(path, "a date such as 2026-11-22", node)


_KINDS: dict[type, str] = {Scalar: "a single value", Sequence: "a list", Mapping: "a mapping"}


def _bounds(low: int | None, high: int | None) -> str:
    if high is not None:
        return f" from {low} to {high}"
    return "" if low is None else f" of at least {low}"


def _words(words: Iterable[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} or {last}" if some else last


def _shown(node: Node) -> str:
    match node:
        case Scalar(kind="null"):
            return "nothing"
        case Scalar(kind="text"):
            return repr(node.text if len(node.text) <= 60 else node.text[:57] + "...")
        case Scalar():
            return node.text
        case Sequence():
            return "a list"
    return "a mapping"

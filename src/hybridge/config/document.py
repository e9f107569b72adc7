"""A YAML 1.2 document as a tree with its lines, before anything is known about its meaning."""

from __future__ import annotations

import re
from collections.abc import Mapping as AbcMapping
from collections.abc import Sequence as AbcSequence
from typing import Any, Literal

from msgspec import Struct

from hybridge.config.report import Report

#: `text` is everything that is not one of the others: also dates, and words such as `off`.
ScalarKind = Literal["null", "bool", "int", "float", "text"]


class Scalar(Struct, frozen=True):
    """A single value as it was written."""

    line: int
    text: str
    kind: ScalarKind = "text"


class Sequence(Struct, frozen=True):
    """A list."""

    line: int
    items: tuple[Node, ...]


class Mapping(Struct, frozen=True):
    """Keys and values in the order of the file; a key may stand twice, which is an error that the reader reports."""

    line: int
    entries: tuple[tuple[Scalar, Node], ...]


Node = Scalar | Sequence | Mapping

#: The parser may quote the file (`*word` is an alias), and with it a secret.
_QUOTED = re.compile(r"(alias|anchor|tag handle) ['\"].*")

_KINDS: dict[str, ScalarKind] = {"null": "null", "bool": "bool", "int": "int", "float": "float"}


def parse(text: str, report: Report) -> Node:
    """The tree of a YAML text. Raises `ConfigError` with the line where it is no YAML, or refers to itself."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        root = YAML(typ="safe", pure=True).compose(text)
        if root is None:
            return Mapping(1, ())
        return _Planting().plant(root)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 0
        report.place((), line)
        problem = _QUOTED.sub(r"\1", str(error.problem))
        report.error((), f"this is not YAML: {problem}")
    except (YAMLError, RecursionError) as error:
        report.error((), f"this is not YAML ({type(error).__name__})")
    report.settle()
    raise AssertionError("a report with an error settles by raising")


class _Planting:
    """From the parser's nodes to ours; a node that several aliases share is made once."""

    def __init__(self) -> None:
        self._made: dict[int, Node] = {}

    def plant(self, node: Any) -> Node:
        """Raises `RecursionError` for a node that contains itself."""
        if id(node) not in self._made:
            self._made[id(node)] = self._grow(node)
        return self._made[id(node)]

    def _grow(self, node: Any) -> Node:
        line = node.start_mark.line + 1
        if isinstance(node.value, str):
            return Scalar(line, node.value, _KINDS.get(node.tag.rpartition(":")[2], "text"))
        if node.value and isinstance(node.value[0], tuple):
            return Mapping(line, tuple((_key(key), self.plant(value)) for key, value in node.value))
        if node.tag.endswith(":map"):
            return Mapping(line, ())
        return Sequence(line, tuple(self.plant(item) for item in node.value))


def _key(node: Any) -> Scalar:
    text = node.value if isinstance(node.value, str) else "(a key that is no word)"
    return Scalar(node.start_mark.line + 1, text)


def tree(value: object) -> Node:
    """The tree of plain Python values, as if they had been read from a file."""
    if isinstance(value, AbcMapping):
        return Mapping(0, tuple((Scalar(0, str(key)), tree(item)) for key, item in value.items()))
    if isinstance(value, AbcSequence) and not isinstance(value, str):
        return Sequence(0, tuple(tree(item) for item in value))
    if value is None:
        return Scalar(0, "", "null")
    if isinstance(value, bool):
        return Scalar(0, str(value).lower(), "bool")
    kind = type(value).__name__
    return Scalar(0, str(value), _KINDS.get(kind, "text"))

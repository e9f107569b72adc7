"""Arguments that arrive in pieces, each at a JSON path: Vertex AI with `streamFunctionCallArguments`.

Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import msgspec

from hybridge.dialects.gemini.answer import PartialArg

_STEP = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")
#: No honest list is longer; a larger index would make us fill one.
_LONGEST_LIST = 10_000
_DEEPEST = 100


class Arguments:
    """The arguments of one call, growing."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}
        self._open: str | None = None

    def add(self, pieces: list[PartialArg]) -> None:
        """Put pieces in their places; a string goes on while its last piece said so. Raises `ValueError`."""
        for piece in pieces:
            steps = _steps(piece.json_path)
            value = _value(piece)
            if isinstance(value, str) and self._open == piece.json_path:
                value = _get(self._root, steps) + value
            _put(self._root, steps, value)
            self._open = piece.json_path if piece.will_continue else None

    def text(self) -> str:
        """What has arrived, as JSON text."""
        return msgspec.json.encode(self._root).decode()


def _value(piece: PartialArg) -> str | int | float | bool | None:
    for value in (piece.string_value, piece.number_value, piece.bool_value):
        if value is not None:
            return value
    return None


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while at < len(path):
        found = _STEP.match(path, at)
        if path[:1] != "$" or found is None:
            raise ValueError(f"not a JSON path: {path!r}")
        name, index, single, double = found.groups()
        steps.append(int(index) if index is not None else name or single or double or "")
        at = found.end()
    if not 0 < len(steps) <= _DEEPEST or isinstance(steps[0], int):
        raise ValueError(f"not the path of an argument: {path!r}")
    return steps


def _get(root: dict[str, Any], steps: list[str | int]) -> str:
    found: Any = root
    for step in steps:
        found = found[step]
    return found if isinstance(found, str) else ""


def _put(root: dict[str, Any], steps: list[str | int], value: object) -> None:
    place: Any = root
    for step, following in pairwise(steps):
        fresh: Any = [] if isinstance(following, int) else {}
        place = _entered(place, step, fresh)
    _entered(place, steps[-1], value, overwrite=True)


def _entered(place: Any, step: str | int, fresh: object, *, overwrite: bool = False) -> Any:
    if isinstance(step, int) and isinstance(place, list):
        if step > _LONGEST_LIST:
            raise ValueError(f"an index of {step}")
        place += [None] * (step + 1 - len(place))
        if overwrite or place[step] is None:
            place[step] = fresh
        return place[step]
    if isinstance(step, str) and isinstance(place, dict):
        if overwrite or place.get(step) is None:
            place[step] = fresh
        return place[step]
    raise ValueError(f"{step!r} does not fit what came before")

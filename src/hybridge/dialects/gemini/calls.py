"""Ids for calls that come without one."""

from __future__ import annotations

import re

_ODD = re.compile(r"[^A-Za-z0-9_-]")
#: The shortest limit of the other dialects.
_LONGEST = 40


def call_id(given: str | None, response_id: str, name: str, index: int) -> str:
    """The provider's id for a call, else one that no other answer has: its answer's id and its number.

    Without an answer's id the name stands for it; then only the order tells calls of several turns apart.
    """
    if given:
        return given
    tail = f"_{index}"
    head = _ODD.sub("_", f"call_{response_id or name}")
    return head[: _LONGEST - len(tail)] + tail

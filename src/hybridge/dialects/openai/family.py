"""Model families of this dialect that take other members than the rest.

Source: https://platform.openai.com/docs/guides/reasoning. The name may carry a gateway's prefix (`openai/o3-mini`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_REASONING = re.compile(r"(?:o\d|gpt-5|gpt-6)(?![a-z])")
_NONE_EFFORT = re.compile(r"gpt-5\.\d|gpt-6")


@lru_cache(maxsize=1024)
def reasons(*names: str) -> bool:
    """Whether a model refuses `max_tokens` and sampling members, known by any of its names."""
    return any(_REASONING.match(name) and "-chat" not in name for name in _bare(names))


def least_effort(*names: str) -> str:
    """The smallest effort that a reasoning model takes."""
    for name in _bare(names):
        if _NONE_EFFORT.match(name):
            return "none"
        if name.startswith("gpt-5"):
            return "minimal"
    return "low"


def _bare(names: Iterable[str]) -> list[str]:
    return [name.rpartition("/")[2].lower() for name in names]

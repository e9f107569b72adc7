"""Wire formats: pure codecs, found by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from hybridge.dialects.codec import Dialect

#: Every dialect there is; its package has the same name and exports `DIALECT`.
NAMES = ("anthropic", "gemini", "openai")


@cache
def dialect(name: str) -> Dialect:
    """The dialect of that name. Raises `KeyError` for a name that is not in `NAMES`."""
    if name not in NAMES:
        raise KeyError(name)
    found = import_module(f"{__name__}.{name}").DIALECT
    assert isinstance(found, Dialect)
    return found

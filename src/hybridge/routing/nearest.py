"""The nearest right word, for whoever mistyped one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

#: Longer words are not looked up: nobody mistypes them, and comparing costs their length times the words known.
_LONGEST = 100


def nearest(word: str, words: Iterable[str], count: int = 3) -> list[str]:
    """The known words most like `word`, best first."""
    if len(word) > _LONGEST:
        return []
    known = {known.casefold(): known for known in words}
    return [known[match] for match in get_close_matches(word.casefold(), known, n=count)]

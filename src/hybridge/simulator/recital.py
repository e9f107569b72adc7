"""A text that depends on the conversation alone, so that any two providers say the same, and going on with half of it.

Whoever reads an answer can know what it must be, whichever provider gave it, and whether a text that one provider began
and another one ended is whole.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal, Protocol, get_args

#: How a model goes on with a text that was broken off: with what is missing, after the last words once more, with all
#: of it from the start, or after an apology.
Way = Literal["exact", "overlap", "restart", "apology"]
WAYS: tuple[Way, ...] = get_args(Way)

#: Words that an overlap repeats.
_REPEATED = 6

#: No word comes again within so many: where a text breaks, a word said twice could also be a word repeated.
_APART = 5

_SORRY = "Sorry for the interruption. Here is the rest:\n\n"

_WORDS = (
    "the a of and that road river bridge stone light market morning evening rain wind lantern letter table window "
    "garden harbour mountain city village teacher driver number answer question reason measure example simple quick "
    "quiet long short open closed early late carries follows finds keeps shows tells opens crosses waits "
    "đường sông cầu phố chợ sáng chiều mưa gió đèn thư cửa vườn núi thành câu hỏi ví dụ nhanh chậm “thử” 42 1,5 — naïve"
).split()


class Said(Protocol):
    """A turn of a conversation."""

    @property
    def assistant(self) -> bool: ...
    @property
    def text(self) -> str: ...


def recital(asked: str, words: int) -> str:
    """The text that answers what was asked: so many words, in sentences and paragraphs."""
    chance = random.Random(blake2b(asked.encode("utf-8", "replace"), digest_size=16).digest())
    parts: list[str] = []
    latest: list[str] = []
    begins = True
    for left in range(words, 0, -1):
        word = chance.choice([word for word in _WORDS if word not in latest])
        latest = [*latest[1 - _APART :], word]
        ends = left == 1 or (not begins and chance.random() < 0.12)
        parts.append((word[:1].upper() + word[1:] if begins else word) + ("." if ends else ""))
        parts.append("" if left == 1 else "\n\n" if ends and chance.random() < 0.2 else " ")
        begins = ends
    return "".join(parts)


def reply_to(turns: Sequence[Said], words: int, way: Way | None, chance: random.Random) -> str:
    """What is said next in a conversation: a new text, or what is left of the one that was begun last."""
    for place in range(len(turns) - 1, -1, -1):
        if turns[place].assistant:
            whole = recital(_asked(turns[:place]), words)
            begun = turns[place].text
            if begun and begun != whole and whole.startswith(begun):
                drawn: Way = chance.choice(WAYS)
                return _rest(whole, len(begun), way or drawn)
            break
    return recital(_asked(turns), words)


def _asked(turns: Sequence[Said]) -> str:
    return next((turn.text for turn in reversed(turns) if not turn.assistant and turn.text), "")


def _rest(whole: str, at: int, way: Way) -> str:
    if way == "restart":
        return whole
    if way == "overlap":
        kept = whole[:at].rsplit(None, _REPEATED)
        return whole[len(kept[0]) :].lstrip() if len(kept) > _REPEATED else whole
    return _SORRY * (way == "apology") + whole[at:]

"""The seam between a text that broke off and the answer of whoever was asked to go on with it.

Models that are asked to go on do so in four ways: exactly where the text stopped; with some of its last words once
more; from an earlier place, or the very start; and each of these after an apology. Where a second answer begins like
the first one and then goes another way, there is no seam, and none is made up.
"""

from __future__ import annotations

import re

#: From so many characters on, words that are said again are no chance; with a space before them, from so few.
_LEAST = 8
_LEAST_WORD = 4
#: After so many characters of an earlier place, going another way is no chance any more.
_CERTAIN = 40
#: An opening can be told after so many characters, and no preface is longer than so many.
_OPENING = 24
_PREFACE = 400

_SORRY = r"(?:I(?:'m|’m| am)? (?:sorry|apologi[sz]e)|(?:My |Our )?apologies|Sorry|Xin lỗi|Tôi xin lỗi)\b"
_SOFT = (
    r"(?:Certainly|Sure|Of course|Here(?:'s|’s| is| are)|Continuing|Let me|I'll|I’ll|I will|Picking up|Resuming"
    r"|As I was|Vâng|Dạ|Sau đây|Tôi sẽ)\b"
)
_GOING_ON = r"(?=[^.:!?\n]*(?:continu|left off|cut off|interrupt|pick|resum|the rest|was saying|go on|tiếp))"
#: Words to the reader before the text goes on: sentences that open in a known way, each with the space behind it.
_preface = re.compile(
    rf"\s*(?:(?:{_SORRY}|{_SOFT}{_GOING_ON})[^.:!?\n]*(?:[.:!?…]+(?:\n{{1,2}}|[ \t])?|\n{{1,2}}))+", re.IGNORECASE
)
_opening = re.compile(rf"\s*(?:{_SORRY}|{_SOFT})", re.IGNORECASE)
_end = re.compile(r"[.:!?…\n]")


class Seam:
    """Finds where a second answer goes on with a text. `said` is what the reader has."""

    def __init__(self, said: str) -> None:
        self._said = said
        self._held = ""
        self._joined = False
        #: Whether the second answer began to repeat the text and then went another way.
        self.diverged = False

    def feed(self, text: str) -> str:
        """What of the second answer is new to the reader; it is held back until the seam is certain."""
        if self._joined:
            return text
        self._held += text
        new = None if self.diverged else self._new(over=False)
        if not new:
            return ""
        self._joined = True
        return new

    def end(self) -> str:
        """The second answer is over: what was held back of it."""
        if self._joined or self.diverged:
            return ""
        self._joined = True
        return self._new(over=True) or ""

    def _new(self, *, over: bool) -> str | None:
        """What is new in the text that is held back; `None` as long as that cannot be told."""
        held = self._held
        if not over and len(held) < _LEAST:
            return None
        found, new = self._repeated(held)
        if found or self.diverged:
            return new
        start = _preface_of(held, over=over)
        if start:
            held = held[start:]
            if not over and len(held) < _LEAST:
                return None
            found, new = self._repeated(held)
        if start is None or found or self.diverged:
            return new
        gap = self._said[len(self._said.rstrip()) :]
        return held.removeprefix(gap)

    def _repeated(self, text: str) -> tuple[bool, str | None]:
        """Whether the text begins with words that were said before, and what follows them; `None`: not known yet."""
        said = self._said
        size = min(_LEAST, len(said))
        probe = text[:size]
        at = said.find(probe) if len(probe) == size else -1
        while at >= 0:
            tail = said[at:]
            if text.startswith(tail):
                return True, text[len(tail) :]
            if tail.startswith(text):
                return True, None
            if _common(tail, text) >= (_LEAST if at == 0 else _CERTAIN):
                self.diverged = True
                return False, None
            at = said.find(probe, at + 1)
        for size in range(min(len(said), _LEAST) - 1, _LEAST_WORD - 1, -1):
            if text.startswith(said[-size:]) and not said[-size - 1].isalnum():
                return True, text[size:]
        return False, None


def _preface_of(text: str, *, over: bool) -> int | None:
    """The length of the words to the reader that a text begins with; `None` as long as that cannot be told."""
    found = _preface.match(text)
    start = found.end() if found else 0
    if over:
        return start
    rest = text[start:]
    opens = _opening.match(rest) and not _end.search(rest) and len(rest) < _PREFACE
    return None if opens or len(rest) < _OPENING else start


def _common(one: str, other: str) -> int:
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))

"""What came of a part of the cases."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct


class Failure(Struct, frozen=True):
    """A case that shows a defect; -1 is none in particular."""

    kind: str
    number: int
    said: str


class Share(Struct):
    """The cases of one process: how many, what was answered, what was wrong; memory in MB after so many cases."""

    cases: int = 0
    answers: Counter[str] = Counter()
    failures: list[Failure] = []
    memory: list[tuple[int, float]] = []

    def count(self, status: int, code: str) -> None:
        """An answer of this status."""
        self.answers[f"{status} {code}".strip()] += 1

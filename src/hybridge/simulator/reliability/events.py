"""Made-up time: what is to happen, in the order of its times."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any


class Events:
    """`now` is in seconds from the start; it passes by `until` and `rest` alone."""

    __slots__ = ("_heap", "_number", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._number = 0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        """A clock to give away."""
        return self.now

    def after(self, seconds: float, deed: Callable[..., None], *given: Any) -> None:
        """Let something happen in so many seconds."""
        self._number += 1
        heappush(self._heap, (self.now + seconds, self._number, deed, given))

    def until(self, when: float) -> None:
        """Let time pass up to then."""
        heap = self._heap
        while heap and heap[0][0] <= when:
            self.now, _, deed, given = heappop(heap)
            deed(*given)
        self.now = when

    def rest(self) -> None:
        """Let happen whatever is still to come."""
        while self._heap:
            self.until(self._heap[0][0])

"""How slow is slow, learnt from the run: what `observers.health` tells of first tokens, kept up instead of summed up.

That adds up 300 seconds in slots of ten, once a second: little for a gateway, but the most of a simulation. As there,
a copy that lost is not counted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from hybridge.observers.health import FEWEST, FRESH_US, SLOT_US, SLOTS
from hybridge.observers.sketch import bucket, percentile

_MICRO = 1_000_000
#: Seconds that a first token is remembered, and that a percentile is taken for the one of now.
MEMORY = SLOTS * SLOT_US / _MICRO
FRESH = FRESH_US / _MICRO
#: Slower than so many percent is late, as `hedging.percentile` has it by default.
LATE = 99


class Lateness:
    """The first tokens of all deployments, by id. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def count(self, deployment: str, took: float) -> None:
        """A deployment has answered: its first token came after so many seconds."""
        try:
            seen = self._seen[deployment]
        except KeyError:
            seen = self._seen[deployment] = _Seen()
        number = bucket(int(took * _MICRO))
        seen.counts[number] += 1
        seen.order.append((self._clock(), number))

    def late(self, deployment: str, stream: bool) -> float | None:
        """Seconds that hardly one of its first tokens takes; `None` where too few were seen."""
        seen = self._seen.get(deployment)
        return None if seen is None else seen.percentile(self._clock())


class _Seen:
    """What was seen of one deployment."""

    __slots__ = ("_known", "_until", "counts", "order")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.order: deque[tuple[float, int]] = deque()
        self._until = float("-inf")
        self._known: float | None = None

    def percentile(self, now: float) -> float | None:
        if now < self._until:
            return self._known
        while self.order and self.order[0][0] <= now - MEMORY:
            self.counts[self.order.popleft()[1]] -= 1
        found = percentile(self.counts, LATE) if len(self.order) >= FEWEST else None
        self._known = None if found is None else found / _MICRO
        self._until = now + FRESH
        return self._known

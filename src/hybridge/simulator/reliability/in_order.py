"""What Hybridge is compared with: the legs are asked in order, and nothing is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hybridge.errors import AllDeploymentsFailed, ProviderError, Refused
from hybridge.simulator.reliability.events import Events
from hybridge.simulator.reliability.legs import Leg
from hybridge.simulator.reliability.tally import DEADLINE, Tally


class InOrder:
    """Fallback without a breaker; over one leg, no fallback at all."""

    def __init__(self, legs: Sequence[Leg], events: Events, tally: Tally) -> None:
        self._legs = legs
        self._events = events
        self._tally = tally

    def arrive(self, *, malformed: bool) -> None:
        """A request comes."""
        self._ask(0, self._events.now, malformed)

    def _ask(self, place: int, came: float, malformed: bool) -> None:
        took, error = self._legs[place].call(malformed=malformed)
        self._events.after(took, partial(self._ended, place, came, malformed), error)

    def _ended(self, place: int, came: float, malformed: bool, error: ProviderError | None) -> None:
        now = self._events.now
        if error is None:
            self._tally.served(came, now)
        elif not error.fallback:
            self._tally.judged(Refused(error.message, status=error.status))
        elif place + 1 < len(self._legs) and now < came + DEADLINE:
            self._ask(place + 1, came, malformed)
        else:
            failed = AllDeploymentsFailed("every leg failed", details={"attempts": [None] * (place + 1)})
            self._tally.told(came, now, failed, place + 1)

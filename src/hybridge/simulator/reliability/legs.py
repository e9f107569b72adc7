"""A leg: what becomes of a call to a deployment, by chance.

Source of the times: 800 calls to real providers, whose first tokens came lognormally, and one in 200 much later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from random import Random

from msgspec import Struct

from hybridge.errors import Broken, ConnectFailed, ProviderError, Rejected, Silent
from hybridge.types import Deployment, Kind, Surface

#: Seconds to the first token that half of the calls take, by the leg's place; how widely they are spread.
MEDIANS = (0.65, 0.80, 0.90)
SPREAD = 0.42
#: Of so many calls the first token takes so many times longer.
STRAGGLERS, STRAGGLE = 0.005, 6.0
#: Seconds until a failing call fails at once, and until a call that hangs is given up.
FAST, TIMEOUT = 0.15, 10.0
#: How many of the calls fail in an outage, and how many of those hang.
DEADLY, HANGING = 0.98, 0.15
#: Seconds that an outage lasts.
OUTAGE = 300.0

#: They are never raised, so one of each is enough.
_FAILURES = (Broken("failed", status=500), Broken("failed", status=503), ConnectFailed("refused"))
_SILENT = Silent("no first token", phase="first_token")
_REJECTED = Rejected("malformed", status=400)

Span = tuple[float, float]


class Failures(Struct, frozen=True):
    """How a leg fails: `single` is the share of calls that do by themselves; in the `outages` (seconds from the start,
    in order, apart) the share `deadly` does. `hanging` is the share of failures that say nothing until they are given
    up."""

    single: float = 0.0
    outages: tuple[Span, ...] = ()
    deadly: float = DEADLY
    hanging: float = HANGING


class Leg:
    """A deployment, at a provider of its own. `place` is its number in the plan, from 0; `clock` gives seconds."""

    __slots__ = ("_chance", "_clock", "_failures", "_median", "_outage", "_span", "calls", "deployment", "sent")

    def __init__(self, place: int, failures: Failures, chance: Random, clock: Callable[[], float]) -> None:
        provider = f"leg-{place + 1}"
        self.deployment = Deployment(
            f"{provider}/model", provider, "model", "model", Kind.DIRECT, Surface("openai", "http://127.0.0.1:9")
        )
        self._median = MEDIANS[place]
        self._failures = failures
        self._chance = chance
        self._clock = clock
        #: Calls ever, and those in each of the outages.
        self.calls = 0
        self.sent = [0] * len(failures.outages)
        self._outage = -1
        self._span: Span = (float("-inf"), float("-inf"))

    def call(self, *, malformed: bool) -> tuple[float, ProviderError | None]:
        """A call that begins now: after how many seconds its first token comes or it fails, and how it does."""
        self.calls += 1
        chance, failures, now = self._chance, self._failures, self._clock()
        if now >= self._span[1]:
            self._turn(now)
        risk = failures.single
        if now >= self._span[0]:
            self.sent[self._outage] += 1
            risk = failures.deadly
        if chance.random() < risk:
            if chance.random() < failures.hanging:
                return TIMEOUT, _SILENT
            return FAST, chance.choice(_FAILURES)
        if malformed:
            return FAST, _REJECTED
        first = self._median * exp(chance.gauss(0.0, SPREAD))
        if chance.random() < STRAGGLERS:
            first *= STRAGGLE
        return (first, None) if first < TIMEOUT else (TIMEOUT, _SILENT)

    def _turn(self, now: float) -> None:
        """Look to the outage that is under way or comes next."""
        while now >= self._span[1]:
            self._outage += 1
            ahead = self._outage < len(self.sent)
            self._span = self._failures.outages[self._outage] if ahead else (float("inf"), float("inf"))


def outages(share: float, seconds: float, chance: Random) -> list[Span]:
    """Outages that take this share of the time: a whole number of them, but one, at any places that are apart."""
    if not share:
        return []
    count = max(1, round(share * seconds / OUTAGE))
    starts = sorted(chance.uniform(0.0, max(0.0, seconds - count * OUTAGE)) for _ in range(count))
    return [(start + place * OUTAGE, start + (place + 1) * OUTAGE) for place, start in enumerate(starts)]


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order and apart, those that meet as one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return tuple(found)

"""One run: legs, a policy, and requests that come at random."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, Protocol

from msgspec import Struct

from hybridge.simulator.reliability.events import Events
from hybridge.simulator.reliability.gateway import Gateway
from hybridge.simulator.reliability.in_order import InOrder
from hybridge.simulator.reliability.legs import Failures, Leg
from hybridge.simulator.reliability.tally import Tally

PolicyName = Literal["single", "fallback", "ours", "ours+hedge"]


class Policy(Protocol):
    """Whoever answers requests."""

    def arrive(self, *, malformed: bool) -> None:
        """A request comes; it makes events of it."""


class Run(Struct, frozen=True):
    """What is played: requests come at `rate` a second, on average, for so many seconds; the share `malformed` of
    them is at fault itself. `seed` decides all that is left to chance: legs are alike where `seed` is."""

    policy: PolicyName
    legs: tuple[Failures, ...]
    rate: float
    seconds: float
    seed: str
    malformed: float = 0.0


class Played(Struct):
    """What came of it."""

    tally: Tally
    legs: Sequence[Leg]

    @property
    def calls(self) -> int:
        """Calls to all legs."""
        return sum(leg.calls for leg in self.legs)

    @property
    def calls_per_request(self) -> float:
        """Calls for one request, on average."""
        return self.calls / self.tally.requests if self.tally.requests else 0.0


def play(run: Run) -> Played:
    """Play it to its end."""
    events, tally = Events(), Tally()
    legs = [
        Leg(place, failures, Random(f"{run.seed}, leg {place}"), events.time) for place, failures in enumerate(run.legs)
    ]
    policy = _policy(run, legs, events, tally)
    chance = Random(f"{run.seed}, requests")
    now = chance.expovariate(run.rate)
    while now < run.seconds:
        events.until(now)
        tally.requests += 1
        policy.arrive(malformed=run.malformed > 0 and chance.random() < run.malformed)
        now += chance.expovariate(run.rate)
    events.rest()
    return Played(tally, legs)


def _policy(run: Run, legs: Sequence[Leg], events: Events, tally: Tally) -> Policy:
    if run.policy == "single":
        return InOrder(legs[:1], events, tally)
    if run.policy == "fallback":
        return InOrder(legs, events, tally)
    return Gateway(legs, events, tally, Random(f"{run.seed}, waits"), hedge=run.policy == "ours+hedge")

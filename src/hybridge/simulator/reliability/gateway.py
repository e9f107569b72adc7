"""Hybridge itself over simulated legs: its breakers, walk, keys and hedges, asked by events instead of tasks.

What stands in `exchange` and `attempts.race` as tasks that wait is said here once more as events.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from hybridge.errors import ProviderError
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.hedge import Hedging
from hybridge.resilience.keys import KeyPool
from hybridge.resilience.retry import Retries, Step, Walk
from hybridge.simulator.reliability.events import Events
from hybridge.simulator.reliability.lateness import Lateness
from hybridge.simulator.reliability.legs import Leg
from hybridge.simulator.reliability.tally import DEADLINE, Tally


class Gateway:
    """One process with the default settings, but for the deadline; with `hedge`, every request may have a copy."""

    def __init__(self, legs: Sequence[Leg], events: Events, tally: Tally, chance: Random, *, hedge: bool) -> None:
        self.events = events
        self.tally = tally
        self.legs = {leg.deployment.id: leg for leg in legs}
        self.lateness = Lateness(events.time)
        self.hedging = Hedging(self.lateness.late) if hedge else None
        self._plan = tuple(leg.deployment for leg in legs)
        self._breakers = Breakers(clock=events.time, chance=chance)
        self._pools = {deployment.provider: KeyPool(["key"], events.time) for deployment in self._plan}
        self._retries = Retries(deadline=DEADLINE)

    def arrive(self, *, malformed: bool) -> None:
        """A request comes."""
        walk = Walk(self._plan, self._breakers, self._pools, self._retries)
        _Request(self, walk, malformed).go_on()


class _Request:
    """A request on its way."""

    __slots__ = ("_came", "_gateway", "_malformed", "_open", "_over", "_walk")

    def __init__(self, gateway: Gateway, walk: Walk, malformed: bool) -> None:
        self._gateway = gateway
        self._walk = walk
        self._malformed = malformed
        self._came = gateway.events.now
        self._open: list[Step] = []
        self._over = False

    def go_on(self) -> None:
        """Take the walk's next step."""
        step = self._walk.next()
        if step is None:
            self._end()
        elif step.delay:
            self._gateway.events.after(step.delay, self._call, step)
        else:
            self._call(step)

    def _call(self, step: Step) -> None:
        gateway = self._gateway
        took, error = gateway.legs[step.deployment.id].call(malformed=self._malformed)
        self._open.append(step)
        gateway.events.after(took, self._ended, step, took, error)
        if gateway.hedging is not None and step.number == 1:
            late = gateway.hedging.delay(step.deployment.id, stream=True)
            # What is over by then needs no looking after.
            if took > late:
                gateway.events.after(late, self._hedge, gateway.hedging, step)

    def _hedge(self, hedging: Hedging, step: Step) -> None:
        if hedging.spend():
            second = self._walk.beside(step)
            if second is None:
                hedging.refund()
            else:
                self._call(second)

    def _ended(self, step: Step, took: float, error: ProviderError | None) -> None:
        if self._over:
            return
        self._open.remove(step)
        if error is None:
            self._answered(step, took)
            return
        self._failed(step, error)
        if not self._open:
            self.go_on()

    def _answered(self, step: Step, took: float) -> None:
        gateway = self._gateway
        self._over = True
        for other in self._open:
            self._walk.outrun(other)
        self._walk.succeeded(step)
        gateway.tally.served(self._came, gateway.events.now)
        if gateway.hedging is not None:
            gateway.lateness.count(step.deployment.id, took)

    def _failed(self, step: Step, error: ProviderError) -> None:
        breakers = (step.gate.breaker, step.gate.provider)
        were_free = [breaker.free for breaker in breakers]
        self._walk.failed(step, error)
        names = (step.deployment.id, step.deployment.provider)
        for name, breaker, was_free in zip(names, breakers, were_free, strict=True):
            if was_free and not breaker.free:
                self._gateway.tally.opened[name] += 1

    def _end(self) -> None:
        gateway, walk = self._gateway, self._walk
        self._over = True
        error = walk.verdict("openai")
        if self._malformed:
            gateway.tally.judged(error)
        else:
            gateway.tally.told(self._came, gateway.events.now, error, len(walk.failures))

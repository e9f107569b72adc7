"""A world to walk in: a clock that tests move, deployments, and an event-driven simulation of calls."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from itertools import count
from random import Random

from hybridge.errors import ProviderError
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.keys import KeyPool
from hybridge.resilience.retry import DEFAULT_RETRIES, Retries, Step, Walk
from hybridge.types import Deployment, Kind, Limits, Surface


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def deployment(name: str, *, provider: str = "", context: int | None = None, dialect: str = "openai") -> Deployment:
    provider = provider or f"house-{name}"
    return Deployment(
        id=f"{provider}/{name}",
        provider=provider,
        model=name,
        name=name,
        kind=Kind.DIRECT,
        surface=Surface(dialect=dialect, base_url="http://127.0.0.1:9"),
        limits=Limits(context=context),
    )


class World:
    """Breakers and pools for some deployments; `walk` starts a request over them."""

    def __init__(
        self,
        *deployments: Deployment,
        keys: Sequence[str] = ("one",),
        failures: int = 3,
        retries: Retries = DEFAULT_RETRIES,
        seed: int = 7,
    ) -> None:
        self.clock = Clock()
        self.deployments = deployments
        self.chance = Random(seed)
        self.breakers = Breakers(failures, 60.0, clock=self.clock, chance=self.chance)
        self.pools = {each.provider: KeyPool(keys, self.clock) for each in deployments}
        self.retries = retries
        #: The plans of requests, in turn; all deployments in their order, where a test gives no others.
        self.plans: Sequence[Sequence[Deployment]] = [deployments]
        self._turn = count()

    def walk(self) -> Walk:
        plan = self.plans[next(self._turn) % len(self.plans)]
        return Walk(plan, self.breakers, self.pools, self.retries)

    def open(self, deployment: Deployment) -> None:
        """Open the breaker of a deployment, as an outage does."""
        breaker = self.breakers[deployment.id]
        while breaker.state == "closed":
            assert breaker.admit()
            breaker.failure()


#: What becomes of a call at a deployment at a time: after how many seconds, and the error, if any.
Outcome = tuple[float, ProviderError | None]


class Simulation:
    """Requests at a steady rate, each on its own walk; a breaker learns of a call when the call ends."""

    def __init__(self, world: World, call: Callable[[Deployment, float], Outcome]) -> None:
        self.world = world
        self.call = call
        self.calls: list[tuple[float, Deployment]] = []
        #: When requests came, by what became of them: the status told, 200 for an answer.
        self.told: list[tuple[float, int]] = []
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def run(self, rate: float, seconds: float) -> None:
        start = self.world.clock.now
        for number in range(int(rate * seconds)):
            self._at(start + number / rate, self._arrive)
        while self._events:
            self.world.clock.now, _, event = heapq.heappop(self._events)
            event()

    def _at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def _arrive(self) -> None:
        self._go_on(self.world.walk(), self.world.clock.now)

    def _go_on(self, walk: Walk, came: float) -> None:
        step = walk.next()
        if step is None:
            self.told.append((came, walk.verdict().status))
        else:
            self._at(self.world.clock.now + step.delay, lambda: self._begin(walk, step, came))

    def _begin(self, walk: Walk, step: Step, came: float) -> None:
        now = self.world.clock.now
        self.calls.append((now, step.deployment))
        lasts, error = self.call(step.deployment, now)
        self._at(now + lasts, lambda: self._finish(walk, step, error, came))

    def _finish(self, walk: Walk, step: Step, error: ProviderError | None, came: float) -> None:
        if error is None:
            walk.succeeded(step)
            self.told.append((came, 200))
        else:
            walk.failed(step, error)
            self._go_on(walk, came)

    def share(self, status: int) -> float:
        """The share of requests that were told that status."""
        return sum(told == status for _, told in self.told) / len(self.told)

"""The breakers of all deployments and of their providers, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from random import Random
from typing import Literal

from msgspec import Struct

from hybridge.resilience.breaker import CircuitBreaker, State
from hybridge.resilience.gate import Gate
from hybridge.types import Deployment

#: So many deployments are remembered; clients make up names of models, so there is a bound.
MOST = 4096
#: So many breakers may be held by an operator at a time.
MOST_HELD = 1024
#: Calls to one deployment at a time, where the configuration does not say.
CONCURRENCY = 1000


class BreakerState(Struct, frozen=True):
    """One breaker as an operator sees it: of a deployment, or of a provider (an `id` without a slash).

    Times are in seconds from now, so that clocks need not agree: `open_for_s` since it opened of itself, `retry_in_s`
    until a call may go out, `held_for_s` until an operator's hold ends; `None` where that is never.
    `calls` are under way at a deployment, of `most` that may be at a time.
    """

    id: str
    state: State
    why: str
    failures: int
    open_for_s: float
    retry_in_s: float | None
    held: bool
    held_for_s: float | None
    calls: int = 0
    most: int = 0


class Breakers:
    """The gates of all deployments and the breakers behind them, by id: `provider/model`, or that of a provider.

    Of more than `MOST` deployments those that have been quiet for longest are forgotten; one that is open, or held,
    or in use, never is. Providers are those of the configuration, and few.
    """

    def __init__(
        self,
        failures: int = 3,
        reset_after: float = 60.0,
        *,
        clock: Callable[[], float],
        chance: Random,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self.clock = clock
        self.chance = chance
        self._failures = failures
        self._reset_after = reset_after
        self._concurrency = concurrency
        self._gates: dict[str, Gate] = {}
        self._providers: dict[str, CircuitBreaker] = {}
        self._most = MOST
        self._met: Sequence[Deployment] = ()
        self._first: Gate

    def __getitem__(self, name: str) -> CircuitBreaker:
        return self.gate(name).breaker if "/" in name else self._provider(name)

    def gate(self, deployment_id: str) -> Gate:
        """The gate to a deployment."""
        try:
            return self._gates[deployment_id]
        except KeyError:
            return self._made(deployment_id)

    def meet(self, plan: Sequence[Deployment]) -> Gate:
        """The gate to the first deployment of a plan; the others have theirs from now on."""
        if plan is not self._met:
            for deployment in plan:
                self.gate(deployment.id)
            self._met, self._first = plan, self.gate(plan[0].id)
        return self._first

    def _provider(self, name: str) -> CircuitBreaker:
        if name not in self._providers:
            self._providers[name] = self._breaker()
        return self._providers[name]

    def _breaker(self) -> CircuitBreaker:
        return CircuitBreaker(self._failures, self._reset_after, clock=self.clock, chance=self.chance)

    def _made(self, deployment_id: str) -> Gate:
        if len(self._gates) >= self._most:
            self._forget()
        provider = self._provider(deployment_id.partition("/")[0])
        gate = Gate(self._breaker(), provider, self._concurrency, self.clock)
        self._gates[deployment_id] = gate
        return gate

    def _forget(self) -> None:
        """Down to three quarters, but where too few are quiet more are kept for a while."""
        quiet = sorted(
            (gate.breaker.last_used, name)
            for name, gate in self._gates.items()
            if gate.breaker.is_quiet and not gate.calls
        )
        for _, name in quiet[: len(self._gates) - MOST * 3 // 4]:
            del self._gates[name]
        self._most = max(MOST, len(self._gates) + MOST // 4)
        self._met = ()

    def adopt(self, before: Breakers, stays: Callable[[str], bool]) -> None:
        """Go on with those that stay what they were, by id. What an operator holds stays held in any case."""
        self._providers.update((name, breaker) for name, breaker in before._providers.items() if stays(name))
        self._gates.update((name, gate) for name, gate in before._gates.items() if stays(name))
        for name, breaker in before:
            until = breaker.held_until
            if until is not None and self[name] is not breaker:
                self[name].force("open" if breaker.state == "open" else "closed", until)

    def force(self, name: str, state: Literal["open", "closed", "auto"], seconds: float | None = None) -> None:
        """Hold a breaker in a state for so many seconds, for good if `None`; `auto` lets it go.

        It need not have been met. Raises `ValueError` if too many are held already.
        """
        if state == "auto":
            if name in self._gates or name in self._providers:
                self[name].force("auto")
            return
        held = [each for each, breaker in self if breaker.held_until is not None]
        if len(held) >= MOST_HELD and name not in held:
            raise ValueError(f"{MOST_HELD} breakers are held already: let some of them go first")
        self[name].force(state, None if seconds is None else self.clock() + seconds)

    def states(self) -> list[BreakerState]:
        """All that were met: deployments, then providers."""
        now = self.clock()
        gates = [_state(name, gate.breaker, now, gate) for name, gate in self._gates.items()]
        return gates + [_state(name, breaker, now) for name, breaker in self._providers.items()]

    def __iter__(self) -> Iterator[tuple[str, CircuitBreaker]]:
        for name, gate in self._gates.items():
            yield name, gate.breaker
        yield from self._providers.items()

    def __repr__(self) -> str:
        shut = [f"{name} {breaker.state}" for name, breaker in self if breaker.state != "closed"]
        return f"<Breakers {', '.join(shut) or 'all closed'}>"


def _state(name: str, breaker: CircuitBreaker, now: float, gate: Gate | None = None) -> BreakerState:
    until = breaker.held_until
    held_for = None if until is None else until - now
    return BreakerState(
        id=name,
        state=breaker.state,
        why=breaker.why,
        failures=breaker.failed,
        open_for_s=breaker.open_for,
        retry_in_s=_finite(breaker.retry_in),
        held=until is not None,
        held_for_s=_finite(held_for),
        calls=gate.calls if gate else 0,
        most=int(gate.most) if gate else 0,
    )


def _finite(seconds: float | None) -> float | None:
    return seconds if seconds is not None and isfinite(seconds) else None

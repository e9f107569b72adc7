"""Probes that cost money: a chat of one token, to deployments that nothing else tells of, up to an amount a day.

Each is a request like any other, with an entry in the ledger under the key, the user and the tag `probe`; but it is
made once, and no breaker counts its failure. Where a breaker waits for somebody to try, the probe is the one: its
success closes it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import msgspec

from hybridge.dialects import dialect
from hybridge.errors import GatewayError
from hybridge.exchange import Exchange
from hybridge.ledger.pricing import cost_of
from hybridge.money import Usage
from hybridge.observers.health import SLOT_US, SLOTS, Health
from hybridge.resilience.breakers import Breakers
from hybridge.types import Attempt, Deployment, Head, Operation, Options, ProviderPreferences, Request

#: The virtual key, the user and the tag of these requests.
NAME = "probe"

_DAY_US = 86_400_000_000
_OPTIONS = Options(user=NAME, tags=(NAME,), provider=ProviderPreferences(allow_fallbacks=False))
#: More than one of these requests takes, also of a model that thinks although it has one token for it.
_MOST = Usage(input=100, output=100)


class Allowance:
    """What paid probes may still cost today (UTC), in nano-USD.

    `spent` tells what they cost since a time (UTC microseconds); it may wait, and is asked in a thread once a day.
    """

    def __init__(self, cap: int, spent: Callable[[int], int], now_us: Callable[[], int]) -> None:
        self._cap = cap
        self._spent = spent
        self.now_us = now_us
        self._day = -1
        self._sum = 0

    async def has(self, cost: int) -> bool:
        """Whether so much may be spent."""
        day = self.now_us() // _DAY_US
        if day != self._day:
            self._sum = await asyncio.to_thread(self._spent, day * _DAY_US)
            self._day = day
        return self._sum + cost <= self._cap

    def spend(self, cost: int) -> None:
        """So much was spent."""
        self._sum += cost


class Paid:
    """Probes one deployment a round, of those without calls or with a breaker that is not closed.

    `exchange` makes a single call and counts no failure; `breakers` are those of the traffic. `candidates` tells the
    deployments that may be probed; one without a price never is, since nobody knows what it would cost.
    """

    def __init__(
        self,
        exchange: Exchange,
        candidates: Callable[[], Iterable[Deployment]],
        health: Health,
        breakers: Breakers,
        allowance: Allowance,
        make_id: Callable[[str], str],
    ) -> None:
        self._exchange = exchange
        self._candidates = candidates
        self._health = health
        self._breakers = breakers
        self._allowance = allowance
        self._make_id = make_id
        #: When each was probed last.
        self._last: dict[str, int] = {}

    async def round(self) -> None:
        """Probe the one that was probed longest ago, if there is any and the day's amount allows it."""
        now_us = self._allowance.now_us()
        waiting = [each for each in self._candidates() if each.price is not None and self._is_unknown(each.id, now_us)]
        if not waiting:
            return
        deployment = min(waiting, key=lambda each: self._last.get(each.id, 0))
        most, _ = cost_of(_MOST, deployment)
        if most is not None and await self._allowance.has(most):
            self._last[deployment.id] = now_us
            await self._probe(deployment, most)

    def _is_unknown(self, deployment: str, now_us: int) -> bool:
        if self._breakers[deployment].state != "closed":
            return True
        # What a probe showed may be nothing that counts, and holds for a window all the same.
        recent = now_us - self._last.get(deployment, 0) < SLOTS * SLOT_US
        return not recent and self._health.window(deployment).success_ratio is None

    async def _probe(self, deployment: Deployment, most: int) -> None:
        breaker = self._breakers[deployment.id]
        if not breaker.admit():
            return
        ticket = breaker.ticket
        attempts: Sequence[Attempt] = ()
        try:
            entry = await self._exchange.run(self._request(deployment.id), _Nobody())
            attempts = entry.attempts
            if entry.deployment == deployment.id:
                breaker.success(ticket)
        except GatewayError as error:
            attempts = error.attempts
        finally:
            breaker.release(ticket)
            for attempt in attempts:
                self._allowance.spend(most if attempt.cost_nano_usd is None else attempt.cost_nano_usd)

    def _request(self, model: str) -> Request:
        asked = {"model": model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        body = msgspec.json.encode(asked)
        return Request(
            id=self._make_id(NAME),
            operation=Operation.CHAT,
            dialect="openai",
            model=model,
            stream=False,
            body=body,
            facts=dialect("openai").client.read_facts(body),
            key=NAME,
            options=_OPTIONS,
            created=self._allowance.now_us(),
        )


class _Nobody:
    """A sink that nobody reads."""

    started = False

    async def drain(self) -> None:
        """Never needed."""

    def whole(self, head: Head, body: bytes) -> None:
        self.started = True

    def start(self, head: Head) -> None:
        self.started = True

    def recovered(self, how: str, origin: str, to: str) -> None:
        """Never: no stream is asked for."""

    def write(self, chunk: bytes) -> bool:
        return True

    def end(self, last: bytes = b"") -> None:
        """Nothing to do."""

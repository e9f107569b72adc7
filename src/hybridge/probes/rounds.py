"""When providers are probed, and what becomes of it.

A round goes to the providers that traffic says nothing good of: no answer within the last five minutes, or a breaker
that is not closed. What it shows is for people, and opens no breaker; but a key that is refused is set aside, as any
refused key is. Of the processes that share a ledger one makes the rounds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from random import Random

from msgspec import Struct

from hybridge.observers.health import Health
from hybridge.probes.paid import Paid
from hybridge.probes.turn import Turn
from hybridge.providers.probe import Probed, Prober
from hybridge.providers.provider import Provider
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.keys import KeyPool

#: By how much the time between two rounds is moved at random.
JITTER = 0.2

log = logging.getLogger(__name__)


class Watched(Struct, frozen=True):
    """What the rounds look at."""

    providers: Mapping[str, Provider]
    pools: Mapping[str, KeyPool]
    health: Health
    breakers: Breakers


class Rounds:
    """Makes a round about every so many seconds, from `begin` to `stop`; free probes, then paid ones if there are any.

    `results` are the latest, by provider and key (its fingerprint).
    """

    def __init__(
        self, watched: Watched, prober: Prober, turn: Turn, every: float, chance: Random, paid: Paid | None = None
    ) -> None:
        self.results: dict[tuple[str, str], Probed] = {}
        self._watched = watched
        self._prober = prober
        self._turn = turn
        self._every = every
        self._chance = chance
        self._paid = paid
        #: How often each provider was probed: its keys take turns.
        self._times: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Rounds every {self._every:g} s, {len(self.results)} results>"

    def begin(self) -> None:
        """Make the next round after a while."""
        pause = self._every * (1 + JITTER * (2 * self._chance.random() - 1))
        self._timer = asyncio.get_running_loop().call_later(pause, self._start)

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._go())

    async def _go(self) -> None:
        try:
            await self.round()
        except Exception:
            # Whatever this is, it is ours, and the next round may still go well.
            log.exception("a defect of the probes")
        self.begin()

    def stop(self) -> None:
        """Make no more rounds, and break one off that is under way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        self._turn.pass_on()

    def adopt(self, before: Rounds) -> None:
        """Go on with what others found out about providers and keys that are still there."""
        for (provider, key), probed in before.results.items():
            pool = self._watched.pools.get(provider)
            if pool is not None and any(each.id == key for each in pool.keys):
                self.results[provider, key] = probed

    async def round(self) -> None:
        """Probe whom there is reason to, side by side, each with its next key."""
        if not self._turn.is_ours():
            # Somebody else knows better from now on.
            self.results.clear()
            return
        watched = self._watched
        well = {_provider(window.deployment) for window in watched.health.windows() if window.successes}
        well -= {_provider(name) for name, breaker in watched.breakers if breaker.state != "closed"}
        await asyncio.gather(*(self._probe(each) for name, each in watched.providers.items() if name not in well))
        if self._paid is not None:
            await self._paid.round()

    async def _probe(self, provider: Provider) -> None:
        pool = self._watched.pools[provider.id]
        times = self._times.get(provider.id, 0)
        self._times[provider.id] = times + 1
        key = pool.keys[times % len(pool.keys)]
        probed = await self._prober.look(provider, key.id, key.secret)
        if probed is None:
            return
        before = self.results.get((provider.id, key.id))
        self.results[provider.id, key.id] = probed
        if probed.verdict != "ok" and (before is None or before.verdict != probed.verdict):
            log.warning("probe of %s with key %s: %s", provider.id, key.id, probed.said)
        if probed.spoils_key:
            pool.set_aside(key.id)


def _provider(name: str) -> str:
    """The provider of a deployment's id, or of its own."""
    return name.partition("/")[0]

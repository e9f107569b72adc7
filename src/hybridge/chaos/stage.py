"""Where a scenario plays: two independent legs behind proxies, a gateway of processes, and clients that check all."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, islice, product
from pathlib import Path
from types import TracebackType
from typing import Any, get_args

from msgspec import Struct
from msgspec.structs import replace

from hybridge.chaos.client import Question, Told, ask
from hybridge.chaos.gateway import Gateway
from hybridge.chaos.plan import Plan
from hybridge.chaos.proxy import ChaosProxy
from hybridge.simulator.recital import Way
from hybridge.simulator.scenario import DialectName, Latency, Leg
from hybridge.simulator.server import SimulatedProvider

DIALECTS: tuple[DialectName, ...] = get_args(DialectName)

#: What a model is called at both legs, and how many words it says.
_MODEL = "m"
WORDS = 60

_BASES = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}

#: Each dialect is the first leg's once and the second one's once, so that every request crosses from one to another.
MODELS = {
    f"{first}-{second}": (first, second) for first, second in zip(DIALECTS, DIALECTS[1:] + DIALECTS[:1], strict=True)
}

#: Longer than a machine that does everything at once may take, and quick where somebody says nothing at all.
TIMEOUTS = {"connect": "5s", "first_token": "15s", "first_token_reasoning": "15s", "idle": "15s", "total": "30s"}
QUICK = {"connect": "1s", "first_token": "2s", "first_token_reasoning": "2s", "idle": "2s", "total": "5s"}

#: A breaker that never opens: every request meets the fault.
PATIENT = {"failures": 1_000_000}


def server(workers: int = 1, keep_alive: str = "15s") -> dict[str, Any]:
    """The section of the configuration."""
    return {"port": 0, "admin_port": "off", "workers": workers, "drain": "10s", "keep_alive": keep_alive}


class Setting(Struct, frozen=True):
    """What is different from one scenario's stage to the next. `plan` and `north` are the first leg's, `model` is
    every model's."""

    plan: Plan = Plan()
    south: Plan = Plan()
    continues: Way | None = None
    latency: Latency = Latency(20, 60)
    tokens_per_second: float = 0.0
    config: Mapping[str, Any] = {}
    north: Mapping[str, Any] = {}
    model: Mapping[str, Any] = {}


class Stage:
    """Set up while it is entered (`async with`)."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.seed = seed
        self._setting = setting
        self._stack = AsyncExitStack()
        self.north: ChaosProxy
        self.south: ChaosProxy
        self.gateway: Gateway

    async def __aenter__(self) -> Stage:
        enter = self._stack.enter_async_context
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="hybridge-chaos-"))
        try:
            legs = [await enter(SimulatedProvider(self._leg(name))) for name in ("north", "south")]
            self.north = await enter(ChaosProxy(legs[0].address, self._setting.plan, seed=self.seed))
            self.south = await enter(ChaosProxy(legs[1].address, self._setting.south, seed=self.seed))
            self.gateway = await enter(Gateway(Path(folder), self._configuration()))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def _leg(self, name: str) -> Leg:
        setting = self._setting
        return Leg(
            name,
            flavour="polyglot",
            latency=setting.latency,
            tokens_per_second=setting.tokens_per_second,
            seed=self.seed,
            recital=WORDS,
            continues=setting.continues,
        )

    def _configuration(self) -> dict[str, Any]:
        proxies = {"north": self.north, "south": self.south}
        return {
            "server": server(),
            "providers": {
                f"{leg}-{dialect}": {
                    "kind": "direct",
                    "dialect": dialect,
                    "base_url": proxy.address + _BASES[dialect],
                    "keys": ["chaos"],
                    **(self._setting.north if proxy is self.north else {}),
                }
                for leg, proxy in proxies.items()
                for dialect in DIALECTS
            },
            "models": {
                name: {"deployments": [f"north-{first}/{_MODEL}", f"south-{second}/{_MODEL}"], **self._setting.model}
                for name, (first, second) in MODELS.items()
            },
            "timeouts": TIMEOUTS,
            "breaker": PATIENT,
            **self._setting.config,
        }

    def questions(self, count: int, *, streams: Sequence[bool] = (True, False), recovery: str = "") -> list[Question]:
        """So many requests: every dialect, every model, streamed and whole."""
        kinds = islice(cycle(product(DIALECTS, MODELS, streams)), count)
        return [
            Question(dialect, model, stream, f"Question {self.seed}/{number}: tell me.", WORDS, recovery)
            for number, (dialect, model, stream) in enumerate(kinds)
        ]

    async def load(self, questions: Iterable[Question], parallel: int) -> list[Told]:
        """Ask them all, so many at a time."""
        room = asyncio.Semaphore(parallel)

        async def one(question: Question) -> Told:
            async with room:
                return await ask(self.gateway.address, question)

        return list(await asyncio.gather(*map(one, questions)))

    async def paced(self, questions: Iterable[Question], per_second: float) -> list[Told]:
        """Ask one after the other at this rate, whether or not those before have been answered."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        asking = []
        for number, question in enumerate(questions):
            await asyncio.sleep(began + number / per_second - loop.time())
            asking.append(asyncio.create_task(ask(self.gateway.address, question)))
        return list(await asyncio.gather(*asking))

    async def calls(self) -> dict[str, int]:
        """End the gateway; how many calls each request cost, by request id, as the ledger has it."""
        await self.gateway.leave()
        return self.gateway.rows()


def spoilt(questions: Iterable[Question], share: float) -> list[Question]:
    """The same, but of each hundred so many are such that every provider refuses them."""
    every = round(1 / share * 10) / 10
    return [replace(question, spoilt=number % every < 1) for number, question in enumerate(questions)]

"""A gateway before simulated providers of the three dialects, in a thread of its own: the SDKs' sync clients block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, ExitStack, contextmanager
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from hybridge.simulator.answers import Question, tokens
from hybridge.simulator.routes import Routes
from hybridge.simulator.scenario import Card, DialectName, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.gateway.harness import Gateway, gateway

T = TypeVar("T")

DIALECTS: tuple[DialectName, ...] = ("openai", "anthropic", "gemini")

#: The provider that speaks a dialect, and a model of it that can do everything.
PROVIDERS: dict[DialectName, str] = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
DEPLOYMENTS: dict[DialectName, str] = {
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "google/gemini-2.5-flash",
}
#: A model of Anthropic's from before it had structured output.
OLD = "claude-3-haiku-20240307"
_CLAUDES = {"claude-sonnet-4-5": Card(max_output=64_000), OLD: Card(max_output=4_096)}
#: That provider, simulated.
LEGS: dict[DialectName, Leg] = {
    "openai": Leg("openai", "openai", keys=("theirs",), models={"gpt-4o-mini": Card()}),
    "anthropic": Leg(
        "anthropic",
        "anthropic",
        keys=("theirs",),
        models=_CLAUDES,
    ),
    "gemini": Leg("google", "gemini", keys=("theirs",), models={"gemini-2.5-flash": Card(max_output=65_536)}),
}

#: A pixel. The simulated models count pictures, and refuse what is none.
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Behind(Struct):
    """What stands behind the gateway for the model `model`: one simulated provider."""

    dialect: DialectName
    model: str
    provider: SimulatedProvider

    @property
    def count(self) -> int:
        """How many calls it has got."""
        return self.provider.count

    @property
    def body(self) -> dict[str, Any]:
        """The last request's body, as it arrived."""
        body: dict[str, Any] = msgspec.json.decode(self.provider.requests[-1].body)
        return body

    @property
    def question(self) -> Question:
        """The last request as the simulated provider read it, which does not know our codecs."""
        seen = self.provider.requests[-1]
        route = Routes(self.provider.leg).find(seen.method, seen.path, seen.query)
        assert route is not None
        question = route.voice.read(seen.body, route.model, route.stream)
        assert isinstance(question, Question)
        return question

    @property
    def system(self) -> str:
        """The system prompt of the last request."""
        body = self.body
        if self.dialect == "openai":
            first = body["messages"][0]
            assert first["role"] in ("system", "developer")
            return _text(first["content"])
        if self.dialect == "anthropic":
            return _text(body["system"])
        return _text(body["systemInstruction"]["parts"])


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def weight(*calls: tuple[str, object]) -> int:
    """Tokens that a simulated provider counts for calls: name and arguments."""
    return sum(tokens(name + msgspec.json.encode(arguments).decode()) for name, arguments in calls)


class House:
    """A thread with an event loop, in which providers and gateways run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="house")
        self._thread.start()

    def close(self) -> None:
        """End the thread; what was opened has been closed."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run in the thread and wait for it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    @contextmanager
    def within(self, context: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter in the thread, leave in the thread."""
        entered = self.run(_entered(context))
        try:
            yield entered
        finally:
            self.run(_left(context))

    @contextmanager
    def providers(self) -> Iterator[dict[DialectName, Behind]]:
        """A simulated provider for each dialect; the gateway knows it by the model `via-DIALECT`."""
        with ExitStack() as stack:
            yield {
                dialect: Behind(dialect, f"via-{dialect}", stack.enter_context(self.within(SimulatedProvider(leg))))
                for dialect, leg in LEGS.items()
            }

    @contextmanager
    def gateway(self, behind: Mapping[DialectName, Behind], **more: object) -> Iterator[Gateway]:
        """A gateway in front of these."""
        values: dict[str, object] = {
            "providers": {
                PROVIDERS[dialect]: {"base_url": leg.provider.base_url, "keys": ["theirs"]}
                for dialect, leg in behind.items()
            },
            "models": {leg.model: {"deployments": [DEPLOYMENTS[dialect]]} for dialect, leg in behind.items()},
            "retries": {"attempts": 1},
            **more,
        }
        with self.within(gateway(values)) as running:
            yield running


async def _entered(context: AbstractAsyncContextManager[T]) -> T:
    return await context.__aenter__()


async def _left(context: AbstractAsyncContextManager[Any]) -> None:
    await context.__aexit__(None, None, None)

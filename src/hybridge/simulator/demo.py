"""The scene of demo mode: simulated providers in the place of well-known ones, so that everything runs without a key.

Direct providers are quicker than gateways and all of them fail now and then, so that there is something to route.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from msgspec.structs import replace

from hybridge.money import NANO
from hybridge.providers.catalog import Catalog
from hybridge.providers.settings import ProviderSetting
from hybridge.simulator.faults import Burst, Fault
from hybridge.simulator.scenario import Card, Latency, Leg
from hybridge.simulator.server import SimulatedProvider

#: What every simulated provider of the scene takes as a key.
KEY = "demo"

#: By provider id. Medians and 99th percentiles as users of these services report them.
LEGS = (
    Leg(
        "openai",
        "openai",
        latency=Latency(320, 1_100),
        tokens_per_second=95,
        failures=(
            Fault("status", status=503, probability=0.004),
            Fault("status", status=429, retry_after=1, probability=0.003),
        ),
    ),
    Leg(
        "anthropic",
        "anthropic",
        latency=Latency(420, 1_500),
        tokens_per_second=80,
        failures=(Fault("status", status=529, probability=0.02, burst=Burst(every_s=600, for_s=20)),),
    ),
    Leg(
        "google",
        "gemini",
        latency=Latency(280, 1_200),
        tokens_per_second=140,
        failures=(Fault("status", status=503, probability=0.006),),
    ),
    Leg(
        "openrouter",
        "openai",
        "openrouter",
        latency=Latency(520, 2_200),
        tokens_per_second=85,
        failures=(Fault("error_in_200", status=502, probability=0.004), Fault("stall", probability=0.001)),
    ),
    Leg(
        "aihubmix",
        "openai",
        "aihubmix",
        latency=Latency(610, 2_800),
        tokens_per_second=75,
        failures=(Fault("status", status=503, probability=0.008), Fault("reset", probability=0.002)),
    ),
)


class Scene:
    """The simulated providers of a demo: they listen while it is entered."""

    def __init__(self, legs: Sequence[Leg] = LEGS) -> None:
        self._legs = legs
        self._stack = AsyncExitStack()
        self.running: dict[str, SimulatedProvider] = {}

    def providers(self) -> dict[str, dict[str, Any]]:
        """The section `providers` of a configuration, as it would be written in a file.

        Before the scene is entered the addresses lead nowhere: enough for a plan, not for a call.
        """
        written = {}
        for leg in self._legs:
            running = self.running.get(leg.name)
            address = running.base_url if running else f"http://127.0.0.1:9{leg.base_path}"
            written[leg.name] = {"base_url": address, "keys": [KEY]}
        return written

    async def __aenter__(self) -> Scene:
        for leg in self._legs:
            provider = SimulatedProvider(replace(leg, keys=(KEY,), models=_cards(leg)))
            self.running[leg.name] = await self._stack.enter_async_context(provider)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.running.clear()
        await self._stack.aclose()


def scene() -> Scene:
    """The scene that demo mode plays."""
    return Scene()


def _cards(leg: Leg) -> dict[str, Card]:
    """What the catalogue knows of the models of a provider."""
    catalog = Catalog([ProviderSetting(id=leg.name, keys=(KEY,))])
    cards = {}
    for listing in catalog.models():
        for deployment in listing.deployments:
            price, limits = deployment.price, deployment.limits
            cards[deployment.model] = Card(
                input=price.input / NANO if price else Card().input,
                output=price.output / NANO if price else Card().output,
                context=limits.context or Card().context,
                max_output=limits.output or Card().max_output,
            )
    return cards

"""What a simulated provider is like: a leg of a scenario, in a file or in code."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hybridge.simulator.faults import Fault
from hybridge.simulator.recital import Way

DialectName = Literal["openai", "anthropic", "gemini"]
Flavour = Literal["", "openrouter", "aihubmix", "polyglot"]

#: The 99th percentile of the standard normal distribution.
_Z99 = 2.326348

_BASE = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta"}


class Latency(Struct, frozen=True, forbid_unknown_fields=True):
    """Milliseconds to the first token: lognormal with these two percentiles, or always `p50_ms` without the second."""

    p50_ms: float = 0.0
    p99_ms: float | None = None

    def seconds(self, chance: random.Random) -> float:
        """One draw."""
        if self.p99_ms is None or self.p99_ms <= self.p50_ms or self.p50_ms <= 0:
            return self.p50_ms / 1000
        sigma = math.log(self.p99_ms / self.p50_ms) / _Z99
        return self.p50_ms / 1000 * math.exp(sigma * chance.gauss(0, 1))


class Card(Struct, frozen=True, forbid_unknown_fields=True):
    """A model that is served: USD per million tokens, and tokens that it takes and gives."""

    input: float = 0.15
    output: float = 0.60
    context: int = 128_000
    max_output: int = 16_384


class Leg(Struct, frozen=True, forbid_unknown_fields=True):
    """One simulated provider.

    `flavour: openrouter` adds to the OpenAI dialect what OpenRouter adds; `aihubmix` and `polyglot` speak all three
    dialects at one host. Without `models` every name is served. With `keys` any other one is refused, else only a
    missing one. `tokens_per_second: 0` sends all at once. `fixed` answers with prebuilt bytes, `burst` or with
    `paced_ms` between the events of a stream: what a benchmark needs. `port: 0` takes any free one. With `recital` the
    text has that many words and depends on the conversation alone, whoever says it; one that was broken off is gone on
    with as `continues` says, or as is drawn.
    """

    name: str
    dialect: DialectName = "openai"
    flavour: Flavour = ""
    latency: Latency = Latency()
    tokens_per_second: float = 0.0
    failures: tuple[Fault, ...] = ()
    models: dict[str, Card] = {}
    keys: tuple[str, ...] = ()
    seed: int = 0
    port: int = 0
    fixed: bool = False
    paced_ms: float = 0.0
    recital: int = 0
    continues: Way | None = None

    @property
    def base_path(self) -> str:
        """What stands before the dialect's own paths."""
        return "/api/v1" if self.flavour == "openrouter" else _BASE[self.dialect]

    @property
    def listed(self) -> tuple[str, ...]:
        """The models that it tells of; a leg that serves every name tells of one."""
        return tuple(self.models) or ("simulated",)

    def card(self, model: str) -> Card | None:
        """The model's card; `None` if it is not served."""
        return self.models.get(model) if self.models else Card()


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """Several legs; `seed` is added to the seed of each."""

    legs: tuple[Leg, ...]
    seed: int = 0


def load(path: Path) -> Scenario:
    """A scenario from a YAML file of the Structs' shape. Raises `ValueError` with the place of what is wrong."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        plain: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except YAMLError as exc:
        raise ValueError(f"{path}: {exc}") from exc
    try:
        return msgspec.convert(plain, Scenario)
    except msgspec.ValidationError as exc:
        raise ValueError(f"{path}: {exc}") from exc

"""A small catalogue and requests to plan over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.money import Money, Price, Terms, rates
from hybridge.routing.router import Consideration, Router, Rules
from hybridge.types import (
    EVERYTHING,
    Deployment,
    Facts,
    Kind,
    Limits,
    Needs,
    Operation,
    Options,
    ProviderPreferences,
    Quirks,
    Request,
    Surface,
)

RATES = rates("VND")
WIDE = Limits(context=128_000, output=16_384)


class Model(Struct, frozen=True):
    """What a name stands for."""

    name: str
    deployments: tuple[Deployment, ...]
    fallbacks: tuple[str, ...] = ()
    first: Deployment | None = None
    written: bool = False
    policy: str | None = None
    sort: str | None = None


class Catalogue:
    """Names that stand for models."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self.models = models

    def resolve(self, name: str) -> Model | None:
        return self.models.get(name)

    def names(self) -> Iterable[str]:
        return self.models


def deployment(
    deployment_id: str,
    kind: str = "direct",
    *,
    dialect: str = "openai",
    price: tuple[str, str] | None = ("0.15", "0.60"),
    fee_ppm: int = 0,
    offers: Needs = EVERYTHING,
    limits: Limits = WIDE,
    assume: tuple[str, str] | None = None,
    retains: bool | None = None,
    drop: tuple[str, ...] = (),
) -> Deployment:
    """A deployment; prices are (input, output) in USD per million tokens."""
    provider, _, model = deployment_id.partition("/")
    return Deployment(
        id=deployment_id,
        provider=provider,
        model=model,
        name=model.rpartition("/")[2],
        kind=Kind(kind),
        surface=Surface(dialect, "http://127.0.0.1:9/v1", quirks=Quirks(drop=drop)),
        price=priced(deployment_id, price),
        terms=Terms(fee_ppm=fee_ppm),
        offers=offers,
        limits=limits,
        assume_price=priced("assumed", assume),
        retains_data=retains,
    )


def priced(price_id: str, usd: tuple[str, str] | None) -> Price | None:
    return None if usd is None else Price.per_million(price_id, {"input": usd[0], "output": usd[1]})


DIRECT = deployment("openai/gpt-4o-mini")
RESOLD = deployment("openrouter/openai/gpt-4o-mini", "gateway", fee_ppm=55_000)
CHEAP = deployment("aihubmix/gpt-4o-mini", "gateway", price=("0.10", "0.40"))
HAIKU = deployment("anthropic/claude-3-haiku", dialect="anthropic", price=("0.25", "1.25"))
RESOLD_HAIKU = deployment("openrouter/anthropic/claude-3-haiku", "gateway", price=("0.25", "1.25"))


def catalogue(*deployments: Deployment, **model: Any) -> Catalogue:
    """One model, `gpt-4o-mini`, at these deployments, and `claude-3-haiku` to fall back on."""
    return Catalogue(
        {
            "gpt-4o-mini": Model("gpt-4o-mini", deployments, **model),
            "claude-3-haiku": Model("claude-3-haiku", (HAIKU, RESOLD_HAIKU)),
        }
    )


def router(catalogue: Catalogue, **rules: Any) -> Router:
    return Router(catalogue, rates=RATES, rules=Rules(**rules))


def request(
    model: str = "gpt-4o-mini",
    *,
    text: str = "Hello",
    needs: Needs = Needs.NOTHING,
    asks: Iterable[str] = (),
    max_tokens: int | None = None,
    dialect: str = "openai",
    allowed: Iterable[str] | None = None,
    fields: Mapping[str, Any] | None = None,
    budget: str | None = None,
    provider: Mapping[str, Any] | None = None,
    **options: Any,
) -> Request:
    """A chat request of one message, with what routing reads of it."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **(fields or {})}
    if max_tokens is not None:
        body["max_tokens"] = max_tokens
    octets = msgspec.json.encode(body)
    return Request(
        id="req_1",
        operation=Operation.CHAT,
        dialect=dialect,
        model=model,
        stream=False,
        body=octets,
        facts=Facts(
            model=model,
            stream=False,
            fields=msgspec.json.decode(octets, type=dict[str, Raw]),
            needs=needs,
            asks=frozenset(asks),
            max_tokens=max_tokens,
            input_bytes=len(octets),
        ),
        allowed=None if allowed is None else frozenset(allowed),
        options=Options(
            budget=None if budget is None else Money.parse(budget),
            provider=None if provider is None else msgspec.convert(provider, ProviderPreferences),
            **options,
        ),
    )


def ids(deployments: Iterable[Deployment]) -> list[str]:
    return [one.id for one in deployments]


def reasons(found: Consideration) -> dict[str, str]:
    """Why each one that is out is out."""
    return {one.deployment.id: one.reason for one in found.considered if one.reason}


def vnd(nano_usd: int) -> Decimal:
    return RATES.amount(nano_usd, "VND")

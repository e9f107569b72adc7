"""`/v1/models` and `/v1/models/{id}` in the shapes of the three dialects, with what Hybridge knows beside."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from hybridge.dialects.codec import Dialect
from hybridge.errors import ModelNotFound, NotAllowed
from hybridge.money import Rates, plain
from hybridge.providers.catalog import ModelListing
from hybridge.server.call import Call
from hybridge.server.front import Front
from hybridge.types import Deployment, Needs

#: OpenAI's and Anthropic's lists tell when a model was made, which nobody knows for all of them.
_EPOCH = "1970-01-01T00:00:00Z"

_CAPABILITIES = {
    "vision": Needs.VISION,
    "tools": Needs.TOOLS,
    "parallel_tools": Needs.PARALLEL_TOOLS,
    "json_schema": Needs.JSON_SCHEMA,
    "audio": Needs.AUDIO_INPUT,
    "files": Needs.FILES,
    "reasoning": Needs.REASONING,
}


async def list_models(front: Front, call: Call, dialect: Dialect) -> None:
    """Every model that this key may ask for."""
    key = front.keys.admit(call.secret())
    shape = shape_of(call, dialect)
    listed = [one for one in front.catalog.models() if key.models is None or one.name in key.models]
    entries = [_ENTRY[shape](_Model(one, front.rates, front.reveal)) for one in listed if one.deployments]
    call.reply(200, msgspec.json.encode(_LIST[shape](entries)))


async def one_model(front: Front, call: Call, dialect: Dialect) -> None:
    """One model by whatever name a request could use."""
    key = front.keys.admit(call.secret())
    name = call.params["model"]
    found = front.catalog.resolve(name)
    if found is None or found.how == "unknown":
        raise ModelNotFound(f"there is no model {name[:100]!r} here; GET /v1/models lists those there are")
    if key.models is not None and not {name, found.name} & key.models:
        raise NotAllowed(f"this key may not use {name}")
    listing = ModelListing(name, found.deployments)
    entry = _ENTRY[shape_of(call, dialect)](_Model(listing, front.rates, front.reveal))
    call.reply(200, msgspec.json.encode(entry))


def shape_of(call: Call, dialect: Dialect) -> str:
    """Gemini's below `/v1beta` or with its key header, Anthropic's with its version header, else OpenAI's.

    Its value is the name of that dialect.
    """
    if dialect.name == "gemini" or b"x-goog-api-key" in call.headers:
        return "gemini"
    return "anthropic" if b"anthropic-version" in call.headers else "openai"


class _Model(Struct):
    """A model as it is shown: `reveal` says whether with its deployments."""

    listing: ModelListing
    rates: Rates
    reveal: bool

    @property
    def name(self) -> str:
        return self.listing.name

    @property
    def owner(self) -> str:
        deployments = self.listing.deployments
        return deployments[0].provider if self.reveal and deployments else "hybridge"


def _openai(one: _Model) -> dict[str, Any]:
    return {"id": one.name, "object": "model", "created": 0, "owned_by": one.owner, **_known(one)}


def _anthropic(one: _Model) -> dict[str, Any]:
    return {"type": "model", "id": one.name, "display_name": one.name, "created_at": _EPOCH, **_known(one)}


def _gemini(one: _Model) -> dict[str, Any]:
    known = _known(one)
    return {
        "name": f"models/{one.name}",
        "version": "",
        "displayName": one.name,
        "inputTokenLimit": known["context_length"] or 0,
        "outputTokenLimit": known["max_output_tokens"] or 0,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
        "hybridge": known,
    }


def _openai_list(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "data": entries}


def _anthropic_list(entries: list[dict[str, Any]]) -> dict[str, Any]:
    ends = {"first_id": entries[0]["id"], "last_id": entries[-1]["id"]} if entries else {}
    return {"data": entries, "has_more": False, "first_id": None, "last_id": None, **ends}


def _gemini_list(entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"models": entries}


_ENTRY = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}
_LIST = {"openai": _openai_list, "anthropic": _anthropic_list, "gemini": _gemini_list}


def _known(one: _Model) -> dict[str, Any]:
    """What the catalogue knows: capabilities that some deployment offers, the widest limits, and each deployment."""
    deployments, rates = one.listing.deployments, one.rates
    offers = Needs.NOTHING
    for deployment in deployments:
        offers |= deployment.offers
    contexts = [each.limits.context for each in deployments if each.limits.context]
    outputs = [each.limits.output for each in deployments if each.limits.output]
    known: dict[str, Any] = {
        "capabilities": [name for name, need in _CAPABILITIES.items() if need in offers],
        "context_length": max(contexts, default=None),
        "max_output_tokens": max(outputs, default=None),
        "pricing": next((price for each in deployments if (price := _price(each, rates))), None),
    }
    if one.reveal:
        known["deployments"] = [
            {"id": each.id, "kind": each.kind, "dialect": each.surface.dialect, "pricing": _price(each, rates)}
            for each in deployments
        ]
    return known


def _price(deployment: Deployment, rates: Rates) -> dict[str, str] | None:
    """List prices per million tokens in the default currency, fees left out; `None` where the price is unknown."""
    price = deployment.price
    if price is None:
        return None
    # A femto-USD per token is a nano-USD per million tokens.
    per_million = {"input": price.input, "output": price.output, "cache_read": price.cache_read}
    return {
        "currency": rates.default,
        "unit": "per million tokens",
        **{bucket: plain(rates.amount(figure)) for bucket, figure in per_million.items()},
    }

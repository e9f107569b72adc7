"""Who can carry a request, and for those who cannot, why: in words that its sender understands."""

from __future__ import annotations

from enum import Enum
from typing import Literal

from msgspec import Struct

from hybridge.dialects import dialect
from hybridge.routing.budget import LEAST_OUTPUT, price_under_budget
from hybridge.routing.estimate import Size
from hybridge.routing.preferences import Wishes, dearer_than
from hybridge.types import Deployment, Limits, Needs, Request

#: Members that ask for nothing essential, so that a translation may drop them; `require_parameters` says it must not.
HINTS = frozenset(
    "frequency_penalty metadata presence_penalty prompt_cache_key prompt_cache_retention safety_identifier seed "
    "service_tier store top_k user".split()
)

_WORDS = {
    Needs.VISION: "images",
    Needs.TOOLS: "tools",
    Needs.PARALLEL_TOOLS: "parallel tool calls",
    Needs.JSON_OBJECT: "answers as JSON",
    Needs.JSON_SCHEMA: "answers that fit a JSON schema",
    Needs.AUDIO_INPUT: "audio as input",
    Needs.AUDIO_OUTPUT: "audio as output",
    Needs.FILES: "files",
    Needs.REASONING: "reasoning",
    Needs.STREAMING: "streaming",
}


class Why(Enum):
    """The kinds of reasons; the error that a client is told depends on them."""

    KEY = "key"
    FEATURE = "feature"
    FIELD = "field"
    PREFERENCE = "preference"
    PRICE = "price"
    LIMIT = "limit"
    BUDGET = "budget"


class Out(Struct, frozen=True):
    """Why a deployment is out. `fields` are those that cannot be carried; the quote is what it would cost."""

    why: Why
    reason: str
    fields: tuple[str, ...] = ()
    quote_nano_usd: int = 0


def words_for(needs: Needs) -> list[str]:
    """What is needed, in words."""
    return [words for need, words in _WORDS.items() if need in needs]


def unfit(deployment: Deployment, request: Request, unpriced: Literal["allow", "refuse"]) -> Out | None:
    """What holds for every request of this shape, whatever its size and wishes."""
    missing = request.facts.needs & ~deployment.offers
    if missing:
        return Out(Why.FEATURE, f"it does not offer {_listed(words_for(missing))}")
    if not request.options.drop_unsupported and (fields := uncarried(deployment, request)):
        return _cannot_carry(deployment, fields)
    if unpriced == "refuse" and deployment.price is None:
        return Out(Why.PRICE, "its price is not known, and routing.unpriced is refuse")
    return None


def uncarried(deployment: Deployment, request: Request) -> tuple[str, ...]:
    """The members of a request that a translation cannot carry to a deployment."""
    spoken = deployment.surface.dialect
    if spoken == request.dialect or not request.facts.asks:
        return ()
    return tuple(sorted(map(str, request.facts.asks - dialect(spoken).provider.carries)))


def forbidden(deployment: Deployment, allowed: frozenset[str] | None, names: tuple[str, ...]) -> Out | None:
    """Whether a key's list of models leaves a deployment out; `names` are those that led to it."""
    if allowed is None or not allowed.isdisjoint((*names, deployment.name, deployment.id)):
        return None
    return Out(Why.KEY, f"this key may not use the model {names[0]}")


def unwanted(deployment: Deployment, request: Request, wishes: Wishes, tokens_in: int) -> Out | None:
    """What the request's `provider` object rules out."""
    provider = deployment.provider.casefold()
    reason = ""
    if wishes.only is not None and provider not in wishes.only:
        reason = "provider.only does not name its provider"
    elif provider in wishes.ignore:
        reason = "provider.ignore names its provider"
    elif wishes.discreet and deployment.retains_data is not False:
        keeps = "may keep prompts" if deployment.retains_data else "is not known to keep no prompts"
        reason = f"its provider {keeps}, and {wishes.discreet} applies"
    if reason:
        return Out(Why.PREFERENCE, reason)
    if wishes.strict and (fields := _lost(deployment, request)):
        return _cannot_carry(deployment, fields)
    return _too_dear(deployment, wishes, tokens_in) if wishes.ceilings else None


def _too_dear(deployment: Deployment, wishes: Wishes, tokens_in: int) -> Out | None:
    price = price_under_budget(deployment)
    if price is None:
        return Out(Why.PRICE, "its price is not known, and provider.max_price applies")
    member = dearer_than(wishes, price, deployment.terms, tokens_in)
    if member:
        return Out(Why.PRICE, f"its price, fee included, is above provider.max_price.{member}")
    return None


def _lost(deployment: Deployment, request: Request) -> tuple[str, ...]:
    """What would not reach a deployment whole; `require_parameters` minds hints too."""
    lost = {*uncarried(deployment, request), *deployment.surface.quirks.drop}
    if deployment.surface.dialect != request.dialect:
        lost |= HINTS
    asked = request.facts.fields.keys() | request.facts.asks
    return tuple(sorted(lost & asked))


def _cannot_carry(deployment: Deployment, fields: tuple[str, ...]) -> Out:
    spoken = deployment.surface.dialect
    return Out(Why.FIELD, f"its dialect {spoken} cannot carry {_listed(fields)}", fields=fields)


def overfull(limits: Limits, size: Size, max_tokens: int | None) -> Out | None:
    """Whether input and output are more than a model takes and gives."""
    if max_tokens is not None and limits.output is not None and max_tokens > limits.output:
        return Out(Why.LIMIT, f"it gives at most {limits.output} tokens, and max_tokens asks for {max_tokens}")
    least = LEAST_OUTPUT if max_tokens is None else max_tokens
    if limits.context is not None and size.input + least > limits.context:
        about = "" if size.counted else "about "
        return Out(
            Why.LIMIT,
            f"its context is {limits.context} tokens, and the request has {about}{size.input} "
            f"and room for {least} must be left",
        )
    return None


def _listed(words: list[str] | tuple[str, ...]) -> str:
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]

"""Usage: the wire's overlapping counts to disjoint buckets, and back.

`cached_tokens`, audio and image tokens are inside `prompt_tokens`, reasoning inside `completion_tokens`; a row says
where that is not so. Source: https://platform.openai.com/docs/api-reference/chat/object.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.dialects.quirks import asks
from hybridge.money import NANO, Usage
from hybridge.types import Quirks

#: Some providers write whole numbers as `12.0`.
Count = int | float | None


class _Details(Struct, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    reasoning_tokens: Count = None


class _Costs(Struct, gc=False):
    upstream_inference_cost: float | None = None


class WireUsage(Struct, gc=False):
    """A `usage` object, as far as it is understood."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    cached_tokens: Count = None
    prompt_cache_hit_tokens: Count = None
    is_byok: bool | None = None
    cost_details: _Costs | None = None


_NO_DETAILS = _Details()
_usage = msgspec.json.Decoder(WireUsage).decode
_members = msgspec.json.Decoder(dict[str, Raw])
_number = msgspec.json.Decoder(Decimal)


def counted(said: WireUsage, quirks: Quirks) -> Usage:
    """The buckets of a `usage` object that was read already, where no bill is looked for in it."""
    prompt, completion = said.prompt_tokens, said.completion_tokens
    if type(prompt) is int and type(completion) is int and prompt >= 0 <= completion and not _detailed(said):
        # Two whole numbers, as most say. By position, which costs half of what names cost.
        return Usage(prompt, 0, 0, 0, completion)
    return _buckets(said, quirks, None)


def usage_of(wire: Raw | None, quirks: Quirks) -> Usage | None:
    """The buckets of a `usage` object; `None` if it is missing, null or not one."""
    if wire is None or not asks(wire):
        return None
    try:
        said = _usage(wire)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _buckets(said, quirks, _reported(said, wire, quirks)) if quirks.cost_path else counted(said, quirks)


def usage_at(document: bytes, path: str, quirks: Quirks) -> Usage | None:
    """The buckets of a usage object that stands elsewhere in a body, e.g. at `x_groq.usage`."""
    return usage_of(_at(document, path), quirks)


def _buckets(said: WireUsage, quirks: Quirks, reported: int | None) -> Usage:
    if not _detailed(said):
        return Usage(input=_int(said.prompt_tokens), output=_int(said.completion_tokens), reported_nano_usd=reported)
    inside = said.prompt_tokens_details or _NO_DETAILS
    outside = said.completion_tokens_details or _NO_DETAILS
    prompt = _int(said.prompt_tokens)
    cached = _int(inside.cached_tokens or said.cached_tokens or said.prompt_cache_hit_tokens)
    written = _int(inside.cache_write_tokens)
    if cached + written > prompt:
        # Azure's other models count what was cached beside the prompt.
        prompt += cached + written
    # A cached part of an audio or image prompt is counted as cached, so the buckets never exceed the prompt.
    audio = min(_int(inside.audio_tokens), max(0, prompt - cached - written))
    image = min(_int(inside.image_tokens), max(0, prompt - cached - written - audio))
    completion = _int(said.completion_tokens)
    reasoning = _int(outside.reasoning_tokens)
    spoken = _int(outside.audio_tokens)
    if not quirks.reasoning_outside_completion:
        reasoning = min(reasoning, completion)
        completion -= reasoning
    spoken = min(spoken, completion)
    return Usage(
        input=max(0, prompt - cached - written - audio - image),
        cache_read=cached,
        cache_write=written,
        audio_input=audio,
        image=image,
        output=completion - spoken,
        reasoning=reasoning,
        audio_output=spoken,
        reported_nano_usd=reported,
    )


def _detailed(said: WireUsage) -> object:
    """Whether there is more to it than two counts."""
    inside, outside = said.prompt_tokens_details, said.completion_tokens_details
    return (
        said.cached_tokens
        or said.prompt_cache_hit_tokens
        or (
            inside is not None
            and (inside.cached_tokens or inside.cache_write_tokens or inside.audio_tokens or inside.image_tokens)
        )
        or (outside is not None and (outside.reasoning_tokens or outside.audio_tokens))
    )


def _int(count: Count) -> int:
    if type(count) is int and count > 0:
        return count
    return max(0, int(count or 0))


def _reported(said: WireUsage, wire: Raw | bytes, quirks: Quirks) -> int | None:
    bill = _at(wire, quirks.cost_path)
    if bill is None:
        return None
    try:
        cost = _number.decode(bill)
    except msgspec.DecodeError:
        return None
    cost /= quirks.cost_units_per_usd
    if said.is_byok:
        # With a key of its own upstream, `cost` is the gateway's share alone.
        upstream = said.cost_details.upstream_inference_cost if said.cost_details else None
        if upstream is None:
            return None
        cost += Decimal(repr(upstream))
    try:
        return int((cost * NANO).to_integral_value())
    except (InvalidOperation, OverflowError):
        return None


def _at(document: Raw | bytes, path: str) -> Raw | None:
    found: Raw | bytes | None = document
    for name in path.split("."):
        try:
            found = _members.decode(found).get(name) if found is not None else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    return found if isinstance(found, Raw) else None


def usage_fields(usage: Usage) -> Mapping[str, Any]:
    """The `usage` object for a client."""
    prompt_tokens, completion_tokens = usage.prompt_tokens, usage.completion_tokens
    prompt: dict[str, int] = {"cached_tokens": usage.cache_read, "audio_tokens": usage.audio_input}
    written = usage.cache_write + usage.cache_write_1h
    if written:
        prompt["cache_write_tokens"] = written
    if usage.image:
        prompt["image_tokens"] = usage.image
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.audio_output,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }

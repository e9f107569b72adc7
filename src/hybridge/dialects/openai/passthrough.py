"""A request of this dialect on its way to a provider of the same: changed only where it must be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.dialects import quirks
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.openai.outgoing import limit_name
from hybridge.types import Facts

_encode = msgspec.json.Encoder().encode
_objects = msgspec.json.Decoder(list[dict[str, Raw]])
_members = msgspec.json.Decoder(dict[str, Raw] | None)

_THOUGHTS = re.compile(rb'"(?:reasoning|extra_content)')
_THOUGHT_NAMES = ("reasoning_content", "reasoning", "reasoning_details")


class _Format(Struct):
    format: str | None = None


_formats = msgspec.json.Decoder(list[_Format] | None)


def adapt(facts: Facts, target: Target) -> Outgoing:
    """The body for this provider; everything that need not change stays byte for byte."""
    fields: dict[str, Any] = {**facts.fields, "model": target.model}
    if not target.strip.isdisjoint(fields):
        fields = {name: value for name, value in fields.items() if name not in target.strip or name == "model"}
    dropped = _without_foreign_thoughts(fields, target) if facts.thoughts else []
    if target.max_tokens is not None:
        dropped += _clamp(fields, facts, target, target.max_tokens)
    if facts.stream and not facts.include_usage and not target.quirks.no_stream_options:
        fields["stream_options"] = {**_options(fields.get("stream_options")), "include_usage": True}
    dropped += quirks.apply(fields, target.quirks)
    return Outgoing(_encode(fields), tuple(dict.fromkeys(dropped)) if dropped else ())


def _options(raw: Raw | None) -> dict[str, Raw]:
    return {} if raw is None else _members.decode(raw) or {}


def _clamp(fields: dict[str, Any], facts: Facts, target: Target, bound: int) -> list[str]:
    if facts.max_tokens is not None and facts.max_tokens <= bound:
        return []
    given = [name for name in ("max_completion_tokens", "max_tokens") if quirks.asks(fields.get(name))]
    for name in given or (limit_name(target),):
        fields[name] = bound
    return ["max_tokens"]


def _without_foreign_thoughts(fields: dict[str, Any], target: Target) -> list[str]:
    """Leave out reasoning that only another vendor understands, or that the row says is refused."""
    messages = _objects.decode(fields["messages"])
    changed = False
    for message in messages:
        for name in tuple(_foreign(message, target)):
            changed = message.pop(name, None) is not None or changed
        changed = _unsign_calls(message, target) or changed
    if not changed:
        return []
    fields["messages"] = messages
    return ["reasoning"]


def _foreign(message: dict[str, Raw], target: Target) -> Iterator[str]:
    own = target.quirks.own_fields
    yield from (name for name in _THOUGHT_NAMES if name in target.quirks.drop and name in message)
    details = message.get("reasoning_details")
    if details is None or "reasoning_details" in own:
        return
    try:
        entries = _formats.decode(details) or ()
    except msgspec.DecodeError:
        return
    if any(entry.format and not entry.format.startswith("openai") for entry in entries):
        yield from (name for name in _THOUGHT_NAMES if name in message and name not in own)


def _unsign_calls(message: dict[str, Any], target: Target) -> bool:
    raw = message.get("tool_calls")
    if "extra_content" in target.quirks.own_fields or not isinstance(raw, Raw) or _THOUGHTS.search(raw) is None:
        return False
    try:
        calls = _objects.decode(raw)
    except msgspec.DecodeError:
        return False
    signed = [call.pop("extra_content", None) is not None for call in calls]
    if any(signed):
        message["tool_calls"] = calls
    return any(signed)

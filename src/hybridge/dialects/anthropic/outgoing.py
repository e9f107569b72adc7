"""Requests to a provider of this dialect: another dialect's encoded, its own adapted.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.chat import Chat
from hybridge.dialects import quirks
from hybridge.dialects.anthropic.marks import SEARCHED, is_foreign
from hybridge.dialects.anthropic.models import Traits, traits_of
from hybridge.dialects.anthropic.thinking import thinking_members
from hybridge.dialects.anthropic.tools import format_members, tool_members
from hybridge.dialects.anthropic.turns import Writing, cache_marks
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.losses import Losses
from hybridge.types import Facts

#: What `max_tokens` is where neither the client nor the catalogue says it: the field is required.
DEFAULT_MAX_TOKENS = 4096
_USER_ID_LIMIT = 256
_SERVICE_TIERS = ("auto", "standard_only")
#: What `top_p` may still be while the model thinks, and on models that take no sampling.
_LEAST_TOP_P_THINKING = 0.95
_LEAST_TOP_P = 0.99

_MESSAGES = msgspec.json.Decoder(list[dict[str, Raw]])
_BLOCKS = msgspec.json.Decoder(list[dict[str, Raw]])


def encode_request(chat: Chat, target: Target) -> Outgoing:
    """A request of another dialect. Raises `CannotCarry` with the names of what this dialect or model cannot say."""
    losses = Losses(drop_unsupported=target.drop_unsupported)
    losses.refuse(*chat.unknown)
    traits = traits_of(target.model, target.name)
    writing = Writing(traits, target.images, losses, cache_marks(chat))
    fields: dict[str, Any] = {"model": target.model, "max_tokens": _max_tokens(chat, target, losses)}
    if system := writing.system(chat.system):
        fields["system"] = system
    fields["messages"] = writing.messages(chat.turns)
    fields |= thinking_members(chat, traits, fields["max_tokens"], losses)
    fields |= tool_members(chat, traits, losses)
    format_members(chat, traits, fields, losses)
    fields |= _sampling(chat, traits, "thinking" in fields and fields["thinking"]["type"] != "disabled", losses)
    fields |= _rest(chat, losses)
    if target.stream:
        fields["stream"] = True
    losses.drop(*quirks.apply(fields, target.quirks))
    return Outgoing(msgspec.json.encode(fields), losses.named())


def _max_tokens(chat: Chat, target: Target, losses: Losses) -> int:
    wanted = chat.max_tokens if chat.max_tokens is not None else target.limits.output or DEFAULT_MAX_TOKENS
    allowed = min(wanted, *(limit for limit in (target.limits.output, target.max_tokens) if limit is not None), wanted)
    if allowed != wanted:
        losses.drop("max_tokens")
    return allowed


def _sampling(chat: Chat, traits: Traits, thinks: bool, losses: Losses) -> dict[str, Any]:
    free = traits.sampling and not thinks
    members: dict[str, Any] = {}
    if chat.temperature is not None:
        temperature = min(max(chat.temperature, 0), 1) if free else 1
        if temperature != chat.temperature:
            losses.drop("temperature")
        members |= {"temperature": temperature} if free else {}
    if chat.top_p is not None and _may_say_top_p(chat.top_p, traits, thinks, alone=not members):
        members["top_p"] = chat.top_p
    elif chat.top_p is not None and chat.top_p < 1:
        losses.drop("top_p")
    if chat.top_k is not None and free:
        members["top_k"] = chat.top_k
    elif chat.top_k is not None:
        losses.drop("top_k")
    return members


def _may_say_top_p(top_p: float, traits: Traits, thinks: bool, *, alone: bool) -> bool:
    if not (alone or traits.both_samplers):
        return False
    if not traits.sampling:
        return top_p >= _LEAST_TOP_P
    return not thinks or top_p >= _LEAST_TOP_P_THINKING


def _rest(chat: Chat, losses: Losses) -> dict[str, Any]:
    members: dict[str, Any] = {}
    if stop := [text for text in chat.stop if text.strip()]:
        members["stop_sequences"] = stop
    if len(stop) < len(chat.stop):
        losses.refuse("stop")
    if chat.user and _is_opaque(chat.user):
        members["metadata"] = {"user_id": chat.user}
    elif chat.user:
        losses.drop("user")
    if chat.service_tier in _SERVICE_TIERS:
        members["service_tier"] = chat.service_tier
    elif chat.service_tier:
        losses.drop("service_tier")
    losses.drop(*_hints(chat))
    return members


def _is_opaque(user: str) -> bool:
    # The API refuses long ids, and those that look like a person's address.
    return len(user) <= _USER_ID_LIMIT and "@" not in user


def _hints(chat: Chat) -> Iterator[str]:
    if chat.seed is not None:
        yield "seed"
    if chat.presence_penalty:
        yield "presence_penalty"
    if chat.frequency_penalty:
        yield "frequency_penalty"
    yield from chat.hints


# --- the same dialect ----------------------------------------------------------------------------------------------


def adapt(facts: Facts, target: Target) -> Outgoing:
    """A request of this dialect: another model's name, members not for this provider left out, a clamp, quirks."""
    fields: dict[str, Any] = {name: raw for name, raw in facts.fields.items() if name not in target.strip}
    fields["model"] = target.model
    losses = Losses(drop_unsupported=True)
    if target.max_tokens is not None and (facts.max_tokens is None or facts.max_tokens > target.max_tokens):
        fields["max_tokens"] = target.max_tokens
        losses.drop("max_tokens")
    if SEARCHED in bytes(facts.fields["messages"]):
        fields["messages"] = _without_foreign(facts.fields["messages"], losses)
    losses.drop(*quirks.apply(fields, target.quirks))
    return Outgoing(msgspec.json.encode(fields), losses.named())


def _without_foreign(raw: Raw, losses: Losses) -> Raw | list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for message in _MESSAGES.decode(raw):
        content = message.get("content", Raw())
        if SEARCHED not in bytes(content) or bytes(memoryview(content)[:1]) != b"[":
            messages.append(message)
            continue
        blocks = _BLOCKS.decode(content)
        kept = [block for block in blocks if not _is_foreign(block)]
        if len(kept) < len(blocks):
            losses.drop("reasoning")
        if kept:
            messages.append({**message, "content": kept})
    return messages


def _is_foreign(block: dict[str, Raw]) -> bool:
    kind = bytes(block.get("type", Raw()))
    value = block.get({b'"thinking"': "signature", b'"redacted_thinking"': "data"}.get(kind, ""))
    if value is None:
        return False
    text = msgspec.json.decode(value)
    return isinstance(text, str) and is_foreign(text)

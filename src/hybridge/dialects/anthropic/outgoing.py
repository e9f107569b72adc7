"""Requests to a provider of this dialect: another dialect's encoded, its own adapted.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.chat import Chat
from hybridge.dialects import long, quirks
from hybridge.dialects.anthropic.marks import SEARCHED, is_foreign
from hybridge.dialects.anthropic.models import Traits, traits_of
from hybridge.dialects.anthropic.thinking import thinking_members
from hybridge.dialects.anthropic.tools import format_members, tool_members
from hybridge.dialects.anthropic.turns import Writing
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.losses import Losses
from hybridge.types import NO_QUIRKS, Facts

#: What `max_tokens` is where neither the client nor the catalogue says it: the field is required.
DEFAULT_MAX_TOKENS = 4096
_USER_ID_LIMIT = 256
_SERVICE_TIERS = ("auto", "standard_only")
#: What `top_p` may still be while the model thinks, and on models that take no sampling.
_LEAST_TOP_P_THINKING = 0.95
_LEAST_TOP_P = 0.99

_encode = msgspec.json.Encoder().encode
_MESSAGES = msgspec.json.Decoder(list[dict[str, Raw]])
_BLOCKS = msgspec.json.Decoder(list[dict[str, Raw]])


def encode_request(chat: Chat, target: Target) -> Outgoing:
    """A request of another dialect. Raises `CannotCarry` with the names of what this dialect or model cannot say."""
    losses = Losses(drop_unsupported=target.drop_unsupported)
    if chat.unknown:
        losses.refuse(*chat.unknown)
    traits = traits_of(target.model, target.name)
    writing = Writing(traits, target.images, losses)
    fields: dict[str, Any] = {"model": target.model, "max_tokens": _max_tokens(chat, target, losses)}
    if chat.system and (system := writing.system(chat.system)):
        fields["system"] = system
    fields["messages"] = writing.messages(chat.turns)
    if writing.marked:
        writing.drop_marks()
    _add_work(chat, traits, fields, writing.called, losses)
    _add_sampling(chat, traits, fields, losses)
    _add_rest(chat, fields, losses)
    _drop_hints(chat, losses)
    if target.stream:
        fields["stream"] = True
    if target.quirks != NO_QUIRKS:
        losses.drop(*quirks.apply(fields, target.quirks))
    return Outgoing(long.encode(fields), losses.named())


def _max_tokens(chat: Chat, target: Target, losses: Losses) -> int:
    limit = target.limits.output
    wanted = chat.max_tokens if chat.max_tokens is not None else limit or DEFAULT_MAX_TOKENS
    allowed = wanted
    if limit is not None and limit < allowed:
        allowed = limit
    if target.max_tokens is not None and target.max_tokens < allowed:
        allowed = target.max_tokens
    if allowed != wanted:
        losses.drop("max_tokens")
    return allowed


def _add_work(chat: Chat, traits: Traits, fields: dict[str, Any], called: Iterable[str], losses: Losses) -> None:
    if chat.thinking is not None:
        fields |= thinking_members(chat, traits, fields["max_tokens"], losses)
    if chat.tools or called:
        fields |= tool_members(chat, traits, called, losses)
    if chat.format is not None:
        format_members(chat, chat.format, traits, fields, losses)


def _add_sampling(chat: Chat, traits: Traits, fields: dict[str, Any], losses: Losses) -> None:
    if chat.temperature is None and chat.top_p is None and chat.top_k is None:
        return
    thinks = "thinking" in fields and fields["thinking"]["type"] != "disabled"
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
    fields |= members


def _may_say_top_p(top_p: float, traits: Traits, thinks: bool, *, alone: bool) -> bool:
    if not (alone or traits.both_samplers):
        return False
    if not traits.sampling:
        return top_p >= _LEAST_TOP_P
    return not thinks or top_p >= _LEAST_TOP_P_THINKING


def _add_rest(chat: Chat, fields: dict[str, Any], losses: Losses) -> None:
    if chat.stop:
        if stop := [text for text in chat.stop if text.strip()]:
            fields["stop_sequences"] = stop
        if len(stop) < len(chat.stop):
            losses.refuse("stop")
    if chat.user:
        if _is_opaque(chat.user):
            fields["metadata"] = {"user_id": chat.user}
        else:
            losses.drop("user")
    if chat.service_tier:
        if chat.service_tier in _SERVICE_TIERS:
            fields["service_tier"] = chat.service_tier
        else:
            losses.drop("service_tier")


def _is_opaque(user: str) -> bool:
    # The API refuses long ids, and those that look like a person's address.
    return len(user) <= _USER_ID_LIMIT and "@" not in user


def _drop_hints(chat: Chat, losses: Losses) -> None:
    if chat.seed is not None:
        losses.drop("seed")
    if chat.presence_penalty:
        losses.drop("presence_penalty")
    if chat.frequency_penalty:
        losses.drop("frequency_penalty")
    if chat.hints:
        losses.drop(*chat.hints)


# --- the same dialect ----------------------------------------------------------------------------------------------


def adapt(facts: Facts, target: Target) -> Outgoing:
    """A request of this dialect: another model's name, members not for this provider left out, a clamp, quirks."""
    fields: dict[str, Any] = facts.fields.copy()
    if not target.strip.isdisjoint(fields):
        for name in target.strip:
            fields.pop(name, None)
    fields["model"] = target.model
    dropped: list[str] = []
    if target.max_tokens is not None and (facts.max_tokens is None or facts.max_tokens > target.max_tokens):
        fields["max_tokens"] = target.max_tokens
        dropped.append("max_tokens")
    if target.quirks != NO_QUIRKS:
        dropped += quirks.apply(fields, target.quirks)
    body = _encode(fields)
    if body.find(SEARCHED) >= 0 and _drop_foreign(fields):
        body = _encode(fields)
        dropped.append("reasoning")
    return Outgoing(body, tuple(dict.fromkeys(dropped)) if dropped else ())


def _drop_foreign(fields: dict[str, Any]) -> bool:
    """Leave out thoughts that only another vendor understands; whether there were any."""
    messages: list[dict[str, Any]] = []
    found = False
    raw = fields["messages"]
    for message in _MESSAGES.decode(raw):
        content = message.get("content", Raw())
        if SEARCHED not in bytes(content) or bytes(memoryview(content)[:1]) != b"[":
            messages.append(message)
            continue
        blocks = _BLOCKS.decode(content)
        kept = [block for block in blocks if not _is_foreign(block)]
        found = found or len(kept) < len(blocks)
        if kept:
            messages.append({**message, "content": kept})
    fields["messages"] = messages
    return found


def _is_foreign(block: dict[str, Raw]) -> bool:
    kind = bytes(block.get("type", Raw()))
    value = block.get({b'"thinking"': "signature", b'"redacted_thinking"': "data"}.get(kind, ""))
    if value is None:
        return False
    text = msgspec.json.decode(value)
    return isinstance(text, str) and is_foreign(text)

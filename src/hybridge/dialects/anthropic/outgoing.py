"""Requests of other dialects to a provider of this one.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.chat import Chat
from hybridge.dialects import long, quirks
from hybridge.dialects.anthropic.marks import ORIGIN
from hybridge.dialects.anthropic.models import Traits, traits_of
from hybridge.dialects.anthropic.thinking import lacks_thoughts, thinking_members
from hybridge.dialects.anthropic.tools import format_members, tool_members
from hybridge.dialects.anthropic.turns import Writing
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.foreign import own_turns
from hybridge.dialects.losses import Losses
from hybridge.dialects.makers import NO_THINKING, WANT_THOUGHTS, maker_of
from hybridge.types import NO_QUIRKS

#: What `max_tokens` is where neither the client nor the catalogue says it: the field is required.
DEFAULT_MAX_TOKENS = 4096
_USER_ID_LIMIT = 256
_SERVICE_TIERS = ("auto", "standard_only")
#: What `top_p` may still be while the model thinks, and on models that take no sampling.
_LEAST_TOP_P_THINKING = 0.95
_LEAST_TOP_P = 0.99

_encode = msgspec.json.Encoder().encode


def encode_request(chat: Chat, target: Target) -> Outgoing:
    """A request of another dialect. Raises `CannotCarry` with the names of what this dialect or model cannot say."""
    losses = Losses(drop_unsupported=target.drop_unsupported)
    if chat.unknown:
        losses.refuse(*chat.unknown)
    traits = traits_of(target.model, target.name)
    maker = maker_of(target.model, target.name) or ORIGIN
    turns = own_turns(chat.turns, maker, losses, none=target.without_reasoning)
    writing = Writing(traits, target.images, losses, maker)
    fields: dict[str, Any] = {"model": target.model, "max_tokens": _max_tokens(chat, target, losses)}
    if chat.system and (system := writing.system(chat.system)):
        fields["system"] = system
    fields["messages"] = writing.messages(turns)
    if writing.marked:
        writing.drop_marks()
    _add_work(chat, writing, fields, losses)
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


def _add_work(chat: Chat, writing: Writing, fields: dict[str, Any], losses: Losses) -> None:
    traits, called, maker = writing.traits, writing.called, writing.maker
    if maker in WANT_THOUGHTS and lacks_thoughts(fields["messages"]):
        fields["thinking"] = NO_THINKING
        losses.drop("thinking")
    elif chat.thinking is not None:
        fields |= thinking_members(chat, traits, fields, losses)
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

"""A request of this dialect on its way to a provider of the same: changed only where it must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.dialects import quirks
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.foreign import LOST
from hybridge.dialects.makers import SIGNING, maker_of
from hybridge.dialects.openai.outgoing import limit_name
from hybridge.dialects.openai.reasoning import Detail, origin_of, stop_thinking
from hybridge.types import NO_QUIRKS, Facts

_encode = msgspec.json.Encoder().encode
_objects: Callable[[Raw], list[dict[str, Any]]] = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_members = msgspec.json.Decoder(dict[str, Raw] | None)

_SIGNED = re.compile(rb'"extra_content"')
_THOUGHT_NAMES = ("reasoning_content", "reasoning", "reasoning_details")

_THOUGHTFUL = frozenset((*_THOUGHT_NAMES, "tool_calls"))
_text = msgspec.json.Decoder(str | None).decode
_details = msgspec.json.Decoder(list[Detail] | None).decode
_raws = msgspec.json.Decoder(list[Raw]).decode


def adapt(facts: Facts, target: Target) -> Outgoing:
    """The body for this provider; everything that need not change stays byte for byte."""
    fields: dict[str, Any] = {**facts.fields, "model": target.model}
    if not target.strip.isdisjoint(fields):
        fields = {name: value for name, value in fields.items() if name not in target.strip or name == "model"}
    dropped = _without_foreign_thoughts(fields, target) if facts.thoughts or target.without_reasoning else []
    if target.max_tokens is not None:
        dropped += _clamp(fields, facts, target, target.max_tokens)
    if facts.stream and not facts.include_usage and not target.quirks.no_stream_options:
        fields["stream_options"] = {**_options(fields.get("stream_options")), "include_usage": True}
    if target.quirks is not NO_QUIRKS:
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
    """Leave out reasoning that only another maker's model understands, or that the row says is refused."""
    maker = maker_of(target.model, target.name)
    messages = _objects(fields["messages"])
    changed = False
    for message in messages:
        if not message.keys().isdisjoint(_THOUGHTFUL):
            before = message.copy()
            _settle(message, maker, target)
            changed = changed or message != before
    if changed:
        fields["messages"] = messages
    thinks_not = stop_thinking(fields, maker, target) if target.without_reasoning else ()
    return [*([LOST] if changed else ()), *thinks_not]


def _settle(message: dict[str, Any], maker: str, target: Target) -> None:
    words = _words(message) if _takes_words(target) and "reasoning_content" not in message else ""
    for name in _THOUGHT_NAMES if target.without_reasoning else tuple(_refused(message, maker, target)):
        message.pop(name, None)
    if "reasoning_details" in message:
        _sort_details(message, maker, target)
    if "tool_calls" in message:
        _unsign_calls(message, maker, target)
    if words:
        message["reasoning_content"] = words


def _takes_words(target: Target) -> bool:
    """Whether a provider takes a thought's words, and nothing else of it."""
    own = target.quirks.own_fields
    return "reasoning_content" in own and "reasoning_details" not in own and not target.without_reasoning


def _refused(message: dict[str, Any], maker: str, target: Target) -> Iterator[str]:
    """Members with words of a thought that do not go to this provider: its row says so, or their maker is another."""
    yield from (name for name in _THOUGHT_NAMES if name in target.quirks.drop and name in message)
    if "reasoning_details" in message and any(not taken for taken in _taken(message, maker, target)):
        signing = SIGNING if "reasoning_details" in target.quirks.own_fields else ()
        for name in _THOUGHT_NAMES[:2]:
            if name in message and (maker in signing or name not in target.quirks.own_fields):
                yield name


def _taken(message: dict[str, Any], maker: str, target: Target) -> list[bool]:
    """For each detail whether it goes to the provider; none where they cannot be read."""
    try:
        details = _details(message["reasoning_details"]) or ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    if _takes_words(target):
        return [False for _ in details]
    if "reasoning_details" in target.quirks.own_fields:
        return [not maker or origin_of(detail) in ("", maker) for detail in details]
    return [not (origin_of(detail) or detail.signature or detail.data) for detail in details]


def _words(message: dict[str, Any]) -> str:
    """The words of a message's thoughts, for those who take nothing else."""
    try:
        words: str | None = _text(message.get("reasoning", b"null"))
        if words:
            return words
        details = _details(message.get("reasoning_details", b"null")) or ()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return "".join([detail.text or detail.summary or "" for detail in details])


def _sort_details(message: dict[str, Any], maker: str, target: Target) -> None:
    taken = _taken(message, maker, target)
    if all(taken):
        return
    raws = _raws(message["reasoning_details"])
    message["reasoning_details"] = [raw for raw, good in zip(raws, taken, strict=True) if good]
    if not any(taken):
        del message["reasoning_details"]


def _unsign_calls(message: dict[str, Any], maker: str, target: Target) -> None:
    raw = message["tool_calls"]
    at_home = "extra_content" in target.quirks.own_fields and maker in ("", "gemini")
    if (at_home and not target.without_reasoning) or _SIGNED.search(raw) is None:
        return
    try:
        calls = _objects(raw)
    except msgspec.DecodeError:
        return
    signed = [call.pop("extra_content", None) is not None for call in calls]
    if any(signed):
        message["tool_calls"] = calls

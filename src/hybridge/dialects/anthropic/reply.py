"""Whole answers, in both directions.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import Part, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects.anthropic.blocks import Block, reasoning_part
from hybridge.dialects.anthropic.errors import reported
from hybridge.dialects.anthropic.marks import FOREIGN_CALL, ORIGIN, call_block, thinking_block, unmarked
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.tools import JSON_TOOL
from hybridge.dialects.anthropic.turns import arguments_object
from hybridge.dialects.anthropic.usage import usage_members, usage_of
from hybridge.dialects.blame import Said, said_by
from hybridge.dialects.codec import Peek, is_empty
from hybridge.dialects.makers import maker_of
from hybridge.errors import EmptyAnswer, MalformedAnswer
from hybridge.money import Usage
from hybridge.types import Quirks

#: A member of an enumeration is looked up in Python.
_STOP, _TOOL_CALLS = StopReason.STOP, StopReason.TOOL_CALLS
_STOPS = {
    "end_turn": StopReason.STOP,
    "max_tokens": StopReason.LENGTH,
    "model_context_window_exceeded": StopReason.LENGTH,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "tool_use": StopReason.TOOL_CALLS,
    "pause_turn": StopReason.PAUSE,
    "refusal": StopReason.REFUSAL,
}
_WIRE_STOPS = {
    StopReason.STOP: "end_turn",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.LENGTH: "max_tokens",
    StopReason.TOOL_CALLS: "tool_use",
    StopReason.CONTENT_FILTER: "refusal",
    StopReason.REFUSAL: "refusal",
    StopReason.PAUSE: "pause_turn",
}


class StopDetails(Struct, gc=False):
    """Why the model declined."""

    explanation: str | None = None


class _Answer(Struct, gc=False):
    content: list[Block] | None = None
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Raw = Raw()


class _BlockSize(Struct, gc=False):
    type: str
    text: Raw = Raw()


class _Listened(Struct, gc=False):
    content: list[_BlockSize] | None = None
    stop_reason: str | None = None
    usage: Raw = Raw()


_encode = msgspec.json.Encoder().encode
_ANSWER = msgspec.json.Decoder(_Answer)
_LISTENED = msgspec.json.Decoder(_Listened)
_A = TypeVar("_A", _Answer, _Listened)

#: What a text block holds that says nothing.
_SILENT = (Raw(b'""'), Raw())


def stop_reason(wire: str | None) -> StopReason:
    """The neutral word; a reason that nobody knows is a plain stop."""
    return _STOPS.get(wire or "", _STOP)


def wire_stop(stop: StopReason, has_calls: bool) -> str:
    """The word of this dialect. With a forced tool, others say `stop` where this one says `tool_use`."""
    return "tool_use" if has_calls and stop is _STOP else _WIRE_STOPS[stop]


def peek_reply(body: bytes, quirks: Quirks) -> Peek:
    """Listen to a whole answer. Raises a `ProviderError` for what is none."""
    answer = _answer(_LISTENED, body)
    usage = usage_of(answer.usage, quirks)
    stop = _STOPS.get(answer.stop_reason or "", _STOP)
    for block in answer.content or ():
        if block.type != "text" or block.text not in _SILENT:
            break
    else:
        _check(stop, usage)
    return Peek(usage, stop)


def decode_reply(body: bytes, quirks: Quirks) -> Reply:
    """A whole answer; the call of our own JSON tool is the answer's text. Raises as `peek_reply`."""
    answer = _answer(_ANSWER, body)
    try:
        parts = _parts(answer.content or (), maker_of(answer.model) or ORIGIN)
    except UnicodeDecodeError:
        raise MalformedAnswer("the answer is not valid UTF-8") from None
    stop = _STOPS.get(answer.stop_reason or "", _STOP)
    if stop is _TOOL_CALLS and _is_unwrapped(answer.content or (), parts):
        stop = _STOP
    if answer.stop_details is not None and answer.stop_details.explanation and stop is StopReason.REFUSAL:
        explanation = answer.stop_details.explanation
        parts = [part for part in parts if part != Text(explanation)] + [Refusal(explanation)]
    usage = usage_of(answer.usage, quirks)
    if not parts:
        _check(stop, usage)
    return Reply(answer.id, answer.model, tuple(parts), stop, usage or Usage(), answer.stop_sequence or "")


def _is_unwrapped(blocks: Iterable[Block], parts: Iterable[Part]) -> bool:
    """Whether the only calls are those of our own JSON tool."""
    own = any(block.type == "tool_use" and block.name == JSON_TOOL for block in blocks)
    return own and not any(isinstance(part, ToolCall) for part in parts)


def _answer(decoder: msgspec.json.Decoder[_A], body: bytes) -> _A:
    try:
        answer = decoder.decode(body)
    except UNREADABLE as exc:
        if not body.strip():
            raise EmptyAnswer("the provider answered nothing") from None
        _raise_reported(body)
        raise MalformedAnswer(f"not a message: {exc}", status=200, body=body[:1000]) from None
    if answer.content is None:
        _raise_reported(body)
        raise MalformedAnswer("a message without content", status=200, body=body[:1000])
    return answer


def _raise_reported(body: bytes) -> None:
    """Raise the error that a body reports in any of the known shapes, if it does."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        return
    words = said_by(found)
    if words != Said():
        raise reported(words, body)


def _check(stop: StopReason, usage: Usage | None) -> None:
    if is_empty(False, stop, usage):
        raise EmptyAnswer("a message without any content", status=200)


def _parts(blocks: Iterable[Block], maker: str) -> list[Part]:
    parts: list[Part] = []
    signed = ("", "")
    for block in blocks:
        kind = block.type
        if kind == "text":
            if block.text:
                parts.append(Text(block.text))
        elif kind == "tool_use":
            whole = bytes(block.input).decode() or "{}"
            if block.name == JSON_TOOL:
                parts.append(Text(whole))
                continue
            parts.append(ToolCall(block.id or "", block.name or "", whole, signature=signed[1], origin=signed[0]))
            signed = ("", "")
        elif kind == "redacted_thinking" and (block.data or "").startswith(FOREIGN_CALL):
            signed = unmarked(block.data or "", FOREIGN_CALL)
        elif kind in ("thinking", "redacted_thinking"):
            parts.append(reasoning_part(block, maker))
    return parts


# --- to a client ---------------------------------------------------------------------------------------------------


def message_id(given: str, request_id: str) -> str:
    """The id of a message: the provider's own if it is of this dialect."""
    return given if given.startswith("msg_") else f"msg_{given or request_id}"


def encode_reply(reply: Reply, request_id: str) -> bytes:
    """A whole answer."""
    called, refusal = False, ""
    blocks: list[dict[str, object]] = []
    for part in reply.parts:
        if isinstance(part, Text):
            if part.text:
                blocks.append({"type": "text", "text": part.text})
            continue
        called = called or isinstance(part, ToolCall)
        refusal += part.text if isinstance(part, Refusal) else ""
        blocks += _blocks(part)
    message = {
        "id": message_id(reply.id, request_id),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": blocks,
        **stop_members(reply.stop, reply.stop_sequence, refusal, called),
        "usage": usage_members(reply.usage),
    }
    return _encode(message)


def stop_members(stop: StopReason, sequence: str, refusal: str, calls: bool) -> dict[str, Any]:
    """Why it ended: `stop_reason`, `stop_sequence`, and for a refusal `stop_details`."""
    if refusal and stop is _STOP:
        stop = StopReason.REFUSAL
    members: dict[str, Any] = {"stop_reason": wire_stop(stop, calls), "stop_sequence": sequence or None}
    if refusal:
        members["stop_details"] = {"type": "refusal", "category": None, "explanation": refusal}
    return members


def _blocks(part: Part) -> Iterable[dict[str, object]]:
    match part:
        case Refusal():
            if part.text:
                yield {"type": "text", "text": part.text}
        case Reasoning():
            yield thinking_block(part)
        case ToolCall():
            if part.signature:
                yield call_block(part.origin, part.signature)
            yield {
                "type": "tool_use",
                "id": part.id,
                "name": part.name,
                "input": arguments_object(part.arguments),
            }

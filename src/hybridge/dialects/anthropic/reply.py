"""Whole answers, in both directions.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hybridge.chat import Part, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects.anthropic.blocks import Block, reasoning_part
from hybridge.dialects.anthropic.errors import reported
from hybridge.dialects.anthropic.marks import FOREIGN_CALL, call_block, thinking_block, unmarked
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.tools import JSON_TOOL
from hybridge.dialects.anthropic.turns import arguments_object
from hybridge.dialects.anthropic.usage import Meter, usage_members
from hybridge.dialects.blame import Said, said_by
from hybridge.dialects.codec import Peek, is_empty
from hybridge.errors import EmptyAnswer, MalformedAnswer
from hybridge.money import Usage
from hybridge.types import Quirks

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


class StopDetails(Struct):
    """Why the model declined."""

    explanation: str | None = None


class _Answer(Struct):
    content: list[Block] | None = None
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: Raw = Raw()


class _BlockSize(Struct):
    type: str
    text: Raw = Raw()


class _Listened(Struct):
    content: list[_BlockSize] | None = None
    stop_reason: str | None = None
    usage: Raw = Raw()


_ANSWER = msgspec.json.Decoder(_Answer)
_LISTENED = msgspec.json.Decoder(_Listened)
_A = TypeVar("_A", _Answer, _Listened)


def stop_reason(wire: str | None) -> StopReason:
    """The neutral word; a reason that nobody knows is a plain stop."""
    return _STOPS.get(wire or "", StopReason.STOP)


def wire_stop(stop: StopReason, has_calls: bool) -> str:
    """The word of this dialect. With a forced tool, others say `stop` where this one says `tool_use`."""
    return "tool_use" if stop is StopReason.STOP and has_calls else _WIRE_STOPS[stop]


def peek_reply(body: bytes, quirks: Quirks) -> Peek:
    """Listen to a whole answer. Raises a `ProviderError` for what is none."""
    answer = _answer(_LISTENED, body)
    usage = _usage(answer.usage, quirks)
    content = any(block.type != "text" or len(memoryview(block.text)) > 2 for block in answer.content or ())
    stop = stop_reason(answer.stop_reason)
    _check(content, stop, usage)
    return Peek(usage, stop)


def decode_reply(body: bytes, quirks: Quirks) -> Reply:
    """A whole answer; the call of our own JSON tool is the answer's text. Raises as `peek_reply`."""
    answer = _answer(_ANSWER, body)
    try:
        parts = list(_parts(answer.content or ()))
    except UnicodeDecodeError:
        raise MalformedAnswer("the answer is not valid UTF-8") from None
    stop = stop_reason(answer.stop_reason)
    unwrapped = any(block.type == "tool_use" and block.name == JSON_TOOL for block in answer.content or ())
    if unwrapped and stop is StopReason.TOOL_CALLS and not any(isinstance(part, ToolCall) for part in parts):
        stop = StopReason.STOP
    if explanation := stop is StopReason.REFUSAL and answer.stop_details and answer.stop_details.explanation:
        parts = [part for part in parts if part != Text(explanation)] + [Refusal(explanation)]
    usage = _usage(answer.usage, quirks)
    _check(bool(parts), stop, usage)
    return Reply(answer.id, answer.model, tuple(parts), stop, usage or Usage(), answer.stop_sequence or "")


def _answer(decoder: msgspec.json.Decoder[_A], body: bytes) -> _A:
    if not body.strip():
        raise EmptyAnswer("the provider answered nothing")
    try:
        answer = decoder.decode(body)
    except UNREADABLE as exc:
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


def _usage(raw: Raw, quirks: Quirks) -> Usage | None:
    meter = Meter(quirks)
    meter.hear(raw)
    return meter.usage


def _check(content: bool, stop: StopReason, usage: Usage | None) -> None:
    if is_empty(content, stop, usage):
        raise EmptyAnswer("a message without any content", status=200)


def _parts(blocks: Iterable[Block]) -> Iterable[Part]:
    signed: tuple[str, str] | None = None
    for block in blocks:
        match block.type:
            case "text" if block.text:
                yield Text(block.text)
            case "redacted_thinking" if (block.data or "").startswith(FOREIGN_CALL):
                signed = unmarked(block.data or "", FOREIGN_CALL)
            case "thinking" | "redacted_thinking":
                yield reasoning_part(block)
            case "tool_use" if block.name == JSON_TOOL:
                yield Text(bytes(block.input).decode() or "{}")
            case "tool_use":
                call = ToolCall(block.id or "", block.name or "", bytes(block.input).decode() or "{}")
                yield replace(call, origin=signed[0], signature=signed[1]) if signed else call
                signed = None


# --- to a client ---------------------------------------------------------------------------------------------------


def message_id(given: str, request_id: str) -> str:
    """The id of a message: the provider's own if it is of this dialect."""
    return given if given.startswith("msg_") else f"msg_{given or request_id}"


def encode_reply(reply: Reply, request_id: str) -> bytes:
    """A whole answer."""
    calls = any(isinstance(part, ToolCall) for part in reply.parts)
    refusal = "".join(part.text for part in reply.parts if isinstance(part, Refusal))
    message = {
        "id": message_id(reply.id, request_id),
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": [block for part in reply.parts for block in _blocks(part)],
        **stop_members(reply.stop, reply.stop_sequence, refusal, calls),
        "usage": usage_members(reply.usage),
    }
    return msgspec.json.encode(message)


def stop_members(stop: StopReason, sequence: str, refusal: str, calls: bool) -> dict[str, Any]:
    """Why it ended: `stop_reason`, `stop_sequence`, and for a refusal `stop_details`."""
    if refusal and stop is StopReason.STOP:
        stop = StopReason.REFUSAL
    members: dict[str, Any] = {"stop_reason": wire_stop(stop, calls), "stop_sequence": sequence or None}
    if refusal:
        members["stop_details"] = {"type": "refusal", "category": None, "explanation": refusal}
    return members


def _blocks(part: Part) -> Iterable[dict[str, object]]:
    match part:
        case Text() | Refusal():
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

"""What matters in a chunk of a stream that passes through: whether it speaks, ends, counts or fails.

Source: https://platform.openai.com/docs/api-reference/chat/streaming.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Raw, Struct

from hybridge.dialects.sse import data_of

NONE = Raw(b"")
_NULL = Raw(b"null")
NOTHING = (NONE, _NULL)
_EMPTY = (_NULL, Raw(b'""'), Raw(b"[]"), Raw(b"{}"))


class _HeardFunction(Struct):
    arguments: Raw = NONE


class _HeardCall(Struct):
    function: _HeardFunction | None = None


class HeardDelta(Struct):
    content: Raw = NONE
    reasoning_content: Raw = NONE
    reasoning: Raw = NONE
    tool_calls: list[_HeardCall] | None = None
    refusal: Raw = NONE
    reasoning_details: Raw = NONE
    function_call: Raw = NONE
    audio: Raw = NONE
    images: Raw = NONE


class HeardChoice(Struct):
    delta: HeardDelta | None = None
    finish_reason: str | None = None
    usage: Raw = NONE
    error: Raw = NONE


class HeardChunk(Struct):
    choices: list[HeardChoice] | None = None
    usage: Raw = NONE
    error: Raw = NONE


hear = msgspec.json.Decoder(HeardChunk).decode


def said(delta: HeardDelta) -> int:
    """The characters of content in a delta, as bytes on the wire; 0 if it holds none."""
    if words := _first((delta.content, delta.reasoning_content, delta.reasoning)):
        return len(words)
    if delta.tool_calls:
        return 1 + sum(len(_inside(call.function.arguments)) for call in delta.tool_calls if call.function is not None)
    return len(_first((delta.refusal, delta.reasoning_details, delta.function_call, delta.audio, delta.images)))


def words(event: bytes) -> bytes:
    """The words of an event that says nothing else, as they are on the wire; `b""` if it says anything else."""
    name, data = data_of(event)
    try:
        return b"" if name else words_in(hear(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b""


def words_in(chunk: HeardChunk) -> bytes:
    """The same of a chunk that is decoded."""
    choices = chunk.choices or ()
    if len(choices) != 1 or chunk.usage not in NOTHING or chunk.error not in NOTHING:
        return b""
    choice = choices[0]
    delta = choice.delta
    if delta is None or choice.finish_reason or choice.usage not in NOTHING or choice.error not in NOTHING:
        return b""
    if delta.reasoning_details not in NOTHING:
        # They say the same again.
        return b""
    return _first((delta.content, delta.reasoning_content, delta.reasoning)) or _arguments(delta.tool_calls or ())


def reason_alone(chunk: HeardChunk) -> str | None:
    """The finish reason (`""` if it has none) of a chunk without words that tells nothing else; `None` of any other."""
    choices = chunk.choices or ()
    if len(choices) != 1 or chunk.usage not in NOTHING or chunk.error not in NOTHING:
        return None
    choice = choices[0]
    if choice.usage not in NOTHING or choice.error not in NOTHING:
        return None
    return choice.finish_reason or ""


def _arguments(calls: Sequence[_HeardCall]) -> bytes:
    return _inside(calls[0].function.arguments) if len(calls) == 1 and calls[0].function is not None else b""


def _first(members: Iterable[Raw]) -> bytes:
    """The inside of the first member that holds anything."""
    for raw in members:
        if raw is not NONE and raw not in _EMPTY:
            return _inside(raw)
    return b""


def _inside(raw: Raw) -> bytes:
    """A value as it is on the wire, without the quotes or brackets around it."""
    return b"" if raw is NONE or raw in _EMPTY else bytes(raw)[1:-1]

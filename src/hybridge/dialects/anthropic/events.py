"""The events of a stream as a provider sends them, and what each one says.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct, field

from hybridge.dialects.anthropic.errors import reported
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.reply import StopDetails
from hybridge.dialects.blame import said
from hybridge.dialects.plain import Examples, Plain
from hybridge.dialects.sse import data_of
from hybridge.errors import MalformedAnswer, ProviderError


class Message(Struct, gc=False):
    """The head of the answer."""

    id: str = ""
    model: str = ""
    usage: Raw = Raw()


class Opening(Struct, gc=False):
    """The beginning of a content block."""

    type: str = ""
    id: str | None = None
    name: str | None = None
    input: Raw = Raw()
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None


class Ending(Struct, gc=False):
    """Why the answer ended."""

    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class WireEvent(Struct, gc=False):
    """Any event, but for what a `content_block_delta` says."""

    type: str = ""
    index: int = 0
    message: Message | None = None
    content_block: Opening | None = None
    delta: Ending | None = None
    usage: Raw = Raw()


class Piece(Struct, gc=False):
    """The words of a `content_block_delta`."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None


class More(Struct, gc=False, tag_field="type", tag="content_block_delta"):
    """More of a block."""

    delta: Piece
    index: int = 0


class _Text(Struct, gc=False, tag_field="type", tag="text_delta", forbid_unknown_fields=True):
    words: Raw = field(name="text")


class _Arguments(Struct, gc=False, tag_field="type", tag="input_json_delta", forbid_unknown_fields=True):
    words: Raw = field(name="partial_json")


class _Thought(Struct, gc=False, tag_field="type", tag="thinking_delta", forbid_unknown_fields=True):
    words: Raw = field(name="thinking")


class _MoreWords(Struct, gc=False, tag_field="type", tag="content_block_delta"):
    delta: _Text | _Arguments | _Thought


_decode_words = msgspec.json.Decoder(_MoreWords).decode
_decode_event = msgspec.json.Decoder(WireEvent).decode
decode_more = msgspec.json.Decoder(More).decode

_T = TypeVar("_T")

#: What stands around the data of nearly every event.
_BEFORE, _AFTER = b"event: content_block_delta\ndata: ", b"\n\n"
_AROUND = len(_BEFORE + _AFTER)
_CR, _LF = b"\r\n"

#: Plain events of earlier streams.
_spoken: Examples[None] = Examples()


def more_in(block: bytes, decode: Callable[[bytes], _T]) -> _T | None:
    """What `decode` makes of a block that is one `content_block_delta` in its usual form; `None` for any other."""
    data = block.removeprefix(_BEFORE).removesuffix(_AFTER)
    if len(data) + _AROUND != len(block) or _LF in data or _CR in data:
        return None
    try:
        return decode(data)
    except UNREADABLE:
        return None


def named_data(block: bytes) -> tuple[str, bytes]:
    """The event's name and its data, as `data_of` tells them; the usual form, a line of each, is read fastest."""
    lines = block.split(b"\n")
    if len(lines) == 4 and not lines[2] and _CR not in block:
        name, data = lines[0].removeprefix(b"event: "), lines[1].removeprefix(b"data: ")
        if len(name) + 7 == len(lines[0]) and len(data) + 6 == len(lines[1]):
            return name.decode("utf-8", "replace"), data
    return data_of(block)


def words_of(block: bytes) -> bytes:
    """The words of a block that says nothing else, as they stand in their JSON string; `b""` of any other."""
    # A padding behind the delta differs from event to event.
    more = None if block.endswith(b" }\n\n") else more_in(block, _decode_words)
    return b"" if more is None else bytes(more.delta.words)[1:-1]


def learn_words(plain: Plain, block: bytes) -> bool:
    """Take a block as the example of those that are like it, if it says words and nothing else."""
    if plain.recall(block, _spoken):
        return True
    learnt = plain.learn(block, words_of(block), words_of)
    if learnt:
        plain.keep(_spoken, None)
    return learnt


def read_event(data: bytes) -> WireEvent | None:
    """One event; `None` for one of a shape that nobody knows. Raises `MalformedAnswer` for what is no JSON."""
    return _read(_decode_event, data)


def read_more(data: bytes) -> More | None:
    """The same for the whole of a `content_block_delta`."""
    return _read(decode_more, data)


def _read(decode: Callable[[bytes], _T], data: bytes) -> _T | None:
    try:
        return decode(data)
    except msgspec.ValidationError:
        return None
    except UNREADABLE:
        raise MalformedAnswer("the stream holds an event that is not JSON", status=200, body=data[:1000]) from None


def error_in(data: bytes) -> ProviderError:
    """What an error event means."""
    return reported(said(data), data)

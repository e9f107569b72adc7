"""Neutral events to a client's stream.

Blocks follow each other: one is closed before the next one opens, as the official SDKs expect.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from hybridge.chat import (
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.anthropic.marks import ORIGIN, call_block, marked
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.reply import message_id, stop_members
from hybridge.dialects.anthropic.usage import usage_members
from hybridge.money import Usage

_DELTA = b"content_block_delta"
_BEFORE_WORDS = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":'
)
_AFTER_WORDS = b"}}\n\n"
_encode = msgspec.json.Encoder().encode


def frame(name: str, members: dict[str, Any]) -> bytes:
    """One event."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), _encode({"type": name, **members}))


class _Call(Struct):
    start: ToolStart
    pieces: list[str] = []


class Encoder:
    """One stream. The message ends only in `finish`, when usage is known for certain."""

    def __init__(self, model: str, request_id: str) -> None:
        self._model = model
        self._request_id = request_id
        self._started = False
        self._index = -1
        #: The kind of the open block and the number of its thought or call; "" if none is open.
        self._open: tuple[str, int] = ("", 0)
        #: What stands before the words of the open block if it is text, else `b""`.
        self._before_words = b""
        self._origin = ""
        self._signed = True
        #: Calls that are not written to their end; the first one may be open.
        self._calls: dict[int, _Call] = {}
        self._called = False
        self._refusal: list[str] = []
        self._finish = Finish(StopReason.STOP)
        self._usage = Usage()

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes for these events; `b""` if they say nothing to this client."""
        out: list[bytes] = []
        for event in events:
            if isinstance(event, TextDelta) and self._before_words and event.text:
                out += (self._before_words, _encode(event.text), _AFTER_WORDS)
            else:
                out += self._pieces(event)
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of the message, with its reason and its usage."""
        refusal = "".join(self._refusal)
        stop = stop_members(self._finish.stop, self._finish.stop_sequence, refusal, self._called)
        end = frame("message_delta", {"delta": stop, "usage": usage_members(self._usage)})
        return b"".join((*self._begin(Start()), *self._close(), end, frame("message_stop", {})))

    def _pieces(self, event: Event) -> Iterator[bytes]:
        match event:
            case TextDelta() | RefusalDelta():
                yield from self._text(event)
            case ToolDelta():
                yield from self._arguments(event)
            case ReasoningDelta():
                yield from self._thought(event)
            case ToolStart():
                yield from self._call(event)
            case Start():
                yield from self._begin(event)
            case Finish():
                self._finish = event
            case UsageEvent():
                self._usage = event.usage

    def _begin(self, start: Start) -> Iterator[bytes]:
        if self._started:
            return
        self._started = True
        usage = usage_members(start.usage or Usage())
        message: dict[str, Any] = {
            "id": message_id(start.id, self._request_id),
            "type": "message",
            "role": "assistant",
            "model": start.model or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        yield frame("message_start", {"message": message})

    # --- blocks ----------------------------------------------------------------------------------------------------

    def _opened(self, kind: str, number: int, block: dict[str, Any]) -> Iterator[bytes]:
        yield from self._begin(Start())
        yield from self._close()
        self._index += 1
        self._open = (kind, number)
        yield frame("content_block_start", {"index": self._index, "content_block": block})

    def _delta(self, kind: str, name: str, value: str) -> bytes:
        delta = b'{"type":"%s","%s":%s}' % (kind.encode(), name.encode(), _encode(value))
        return b"event: %s\ndata: " % _DELTA + b'{"type":"%s","index":%d,"delta":%s}\n\n' % (_DELTA, self._index, delta)

    def _close(self) -> Iterator[bytes]:
        """Close the open block, and write out the calls that waited for it."""
        yield from self._close_one()
        while self._calls:
            yield from self._open_call(next(iter(self._calls)))
            yield from self._close_one()

    def _close_one(self) -> Iterator[bytes]:
        kind, number = self._open
        if not kind:
            return
        if kind == "thinking" and not self._signed and self._origin != ORIGIN:
            yield self._delta("signature_delta", "signature", marked(self._origin, ""))
        self._open = ("", 0)
        self._before_words = b""
        yield frame("content_block_stop", {"index": self._index})
        if kind == "tool_use":
            del self._calls[number]

    def _text(self, event: TextDelta | RefusalDelta) -> Iterator[bytes]:
        if not event.text:
            return
        if isinstance(event, RefusalDelta):
            self._refusal.append(event.text)
        if self._open[0] != "text":
            yield from self._opened("text", 0, {"type": "text", "text": ""})
            self._before_words = _BEFORE_WORDS % self._index
        yield b"".join((self._before_words, _encode(event.text), _AFTER_WORDS))

    def _thought(self, event: ReasoningDelta) -> Iterator[bytes]:
        if event.data:
            data = marked(event.origin, event.data)
            yield from self._opened("redacted_thinking", 0, {"type": "redacted_thinking", "data": data})
            yield from self._close()
            return
        if not (event.text or event.signature):
            return
        if self._open != ("thinking", event.block):
            yield from self._opened("thinking", event.block, {"type": "thinking", "thinking": "", "signature": ""})
            self._signed = False
        self._origin = event.origin
        if event.text:
            yield self._delta("thinking_delta", "thinking", event.text)
        if event.signature:
            self._signed = True
            yield self._delta("signature_delta", "signature", marked(event.origin, event.signature))

    # --- calls -----------------------------------------------------------------------------------------------------

    def _call(self, event: ToolStart) -> Iterator[bytes]:
        self._called = True
        # Providers may send pieces of two calls in turn: the second one waits until the first is whole.
        if self._open[0] == "tool_use":
            self._calls[event.index] = _Call(event)
            yield from self._advance()
            return
        yield from self._begin(Start())
        yield from self._close()
        self._calls[event.index] = _Call(event)
        yield from self._open_call(event.index)

    def _advance(self) -> Iterator[bytes]:
        while len(self._calls) > 1 and _is_whole("".join(self._calls[self._open[1]].pieces)):
            yield from self._close_one()
            yield from self._open_call(next(iter(self._calls)))

    def _open_call(self, number: int) -> Iterator[bytes]:
        call = self._calls[number]
        start = call.start
        if start.signature:
            self._index += 1
            block = call_block(start.origin, start.signature)
            yield frame("content_block_start", {"index": self._index, "content_block": block})
            yield frame("content_block_stop", {"index": self._index})
        self._index += 1
        self._open = ("tool_use", number)
        tool = {"type": "tool_use", "id": start.id, "name": start.name, "input": {}}
        yield frame("content_block_start", {"index": self._index, "content_block": tool})
        if call.pieces:
            yield self._delta("input_json_delta", "partial_json", "".join(call.pieces))

    def _arguments(self, event: ToolDelta) -> Iterator[bytes]:
        call = self._calls.get(event.index)
        if call is None or not event.arguments:
            return
        call.pieces.append(event.arguments)
        if self._open == ("tool_use", event.index):
            yield self._delta("input_json_delta", "partial_json", event.arguments)


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except UNREADABLE:
        return False

"""Streams for a client: events to chunks, as SSE or as one JSON array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw

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
from hybridge.dialects.gemini.answer import usage_metadata
from hybridge.dialects.gemini.events import event_data
from hybridge.dialects.gemini.reply import call_part, finish_reason, reasoning_part
from hybridge.dialects.gemini.signatures import seal
from hybridge.dialects.sse import Splitter
from hybridge.money import Usage

_CR, _LF = b"\r\n"
_ENCODE = msgspec.json.Encoder().encode


class _Call:
    """A call whose arguments are still arriving: the dialect sends it whole."""

    def __init__(self, start: ToolStart) -> None:
        self.start = start
        self.arguments: list[str] = []


class Encoder:
    """Events to a client's bytes. The reason why it ended, and the usage, come in one last chunk at the end."""

    def __init__(self, *, model: str, request_id: str) -> None:
        self._model = model
        self._id = request_id
        self._tail = self._made_tail()
        self._calls: dict[int, _Call] = {}
        self._usage: Usage | None = None
        self._stop: StopReason | None = None

    def _made_tail(self) -> bytes:
        # Google writes no comment, no event name and no marker of the end: its SDK would fail on them.
        named = _ENCODE({"modelVersion": self._model, "responseId": self._id})
        return b'],"role":"model"},"index":0}],' + named[1:] + b"\r\n\r\n"

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes for these events; `b""` if they say nothing to this client."""
        made = []
        for event in events:
            if isinstance(event, (TextDelta, RefusalDelta)):
                made.append(self._chunk({"text": event.text}) if event.text else b"")
            elif isinstance(event, ReasoningDelta):
                part = reasoning_part(event.text, event.signature, event.data, event.origin)
                made.append(self._chunk(part) if part else b"")
            elif isinstance(event, ToolDelta):
                if event.index in self._calls:
                    self._calls[event.index].arguments.append(event.arguments)
            elif isinstance(event, ToolStart):
                self._calls[event.index] = _Call(event)
            else:
                self._note(event)
        return b"".join(made)

    def _note(self, event: Event) -> None:
        if isinstance(event, Start):
            self._model = event.model or self._model
            self._id = event.id or self._id
            self._usage = event.usage or self._usage
            self._tail = self._made_tail()
        elif isinstance(event, UsageEvent):
            self._usage = event.usage
        elif isinstance(event, Finish):
            self._stop = event.stop

    def finish(self) -> bytes:
        """The calls, and the chunk that says why it ended."""
        calls = [self._called(self._calls[index]) for index in sorted(self._calls)]
        self._calls.clear()
        last: dict[str, Any] = {
            "candidates": [
                {
                    "content": {"parts": [{"text": ""}], "role": "model"},
                    "finishReason": finish_reason(self._stop or StopReason.STOP),
                    "index": 0,
                }
            ],
        }
        if self._usage is not None:
            last["usageMetadata"] = usage_metadata(self._usage)
        last["modelVersion"] = self._model
        last["responseId"] = self._id
        return b"".join((*calls, b"data: ", _ENCODE(last), b"\r\n\r\n"))

    def _called(self, call: _Call) -> bytes:
        start = call.start
        signature = seal(start.signature, start.origin)
        part = call_part(start.id, start.name, "".join(call.arguments), signature)
        arguments = part["functionCall"]["args"]
        if _LF in bytes(arguments) or _CR in bytes(arguments):
            # A line break between members would end the line of the event.
            part["functionCall"]["args"] = Raw(msgspec.json.format(bytes(arguments), indent=-1))
        return self._chunk(part)

    def _chunk(self, part: dict[str, Any]) -> bytes:
        return b'data: {"candidates":[{"content":{"parts":[' + _ENCODE(part) + self._tail


def encode_recovery(told: Mapping[str, str], *, model: str, request_id: str) -> bytes:
    """A chunk with an empty text that says where the stream goes on."""
    candidate = {"content": {"parts": [{"text": ""}], "role": "model"}, "index": 0}
    chunk = {"candidates": [candidate], "hybridge": told, "modelVersion": model, "responseId": request_id}
    return b"data: " + _ENCODE(chunk) + b"\r\n\r\n"


class ArrayWriter:
    """A stream for a client that did not ask for `alt=sse`: the same chunks as the elements of one JSON array.

    `feed` takes what would go out as SSE, cut anywhere; `end` closes the array, also after an error.
    """

    #: What stands in the head of such an answer.
    content_type = b"application/json; charset=UTF-8"

    def __init__(self) -> None:
        self._splitter = Splitter()
        self._open = False

    def feed(self, chunk: bytes) -> bytes:
        """The elements that this piece completes."""
        made = []
        for block in self._splitter.feed(chunk):
            data = event_data(block)
            if data:
                made.append(b",\r\n" if self._open else b"[")
                made.append(data)
                self._open = True
        return b"".join(made)

    def end(self) -> bytes:
        """The end of the array, which may be empty."""
        return b"]" if self._open else b"[]"

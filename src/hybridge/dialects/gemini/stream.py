"""A provider's stream to neutral events.

Every event is a whole GenerateContentResponse with a piece of the text; calls arrive whole; the end is a chunk with a
`finishReason` or a `blockReason`, then the connection closes. Source: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

import msgspec

from hybridge.chat import (
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    Start,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.gemini import answer as wire
from hybridge.dialects.gemini.calls import call_id
from hybridge.dialects.gemini.errors import error_inside, malformed
from hybridge.dialects.gemini.events import data_in, event_data, mishap
from hybridge.dialects.gemini.partial import Arguments
from hybridge.dialects.gemini.protojson import BAD_JSON
from hybridge.dialects.gemini.signatures import ORIGIN
from hybridge.dialects.sse import Splitter
from hybridge.errors import MalformedAnswer, ProviderError
from hybridge.money import Usage


def _bare_error(rest: bytes) -> ProviderError | None:
    """The error that stands in a tail which is no event, once it is whole."""
    if rest.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        found = msgspec.json.decode(rest)
    except BAD_JSON:
        return None
    return error_inside(rest) if isinstance(found, dict) and found.get("error") else malformed(rest)


class Decoder:
    """A provider's bytes to events. `ended` turns true with the chunk that says why it ended."""

    def __init__(self) -> None:
        self.ended = False
        self._splitter = Splitter()
        #: Whether the next chunk begins with an event that is to be read.
        self._is_between = True
        self._broken = False
        self._started = False
        self._response_id = ""
        self._usage: Usage | None = None
        self._content = False
        self._calls = 0
        self._pieces: Arguments | None = None
        self._block = 0
        self._thinking = False

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Never raises: a bad stream gives a `Failed` event."""
        events: list[Event] = []
        if self._is_between and (found := data_in(chunk)):
            for data in found:
                if not self._read(data, events):
                    break
            return events
        if self._broken:
            return events
        for block in self._splitter.feed(chunk):
            data = event_data(block)
            if data and not self._read(data, events):
                return events
        self._is_between = not self._splitter.pending
        if chunk.rstrip().endswith((b"}", b"]")) and (error := _bare_error(self._splitter.rest())):
            self._fail(error, events)
        return events

    def _fail(self, error: ProviderError, events: list[Event]) -> bool:
        self._broken = True
        self._is_between = False
        events.append(Failed(error))
        return False

    def _read(self, data: bytes, events: list[Event]) -> bool:
        """Read one event; false if nothing can follow it."""
        try:
            answer = wire.ANSWER.decode(data)
        except BAD_JSON:
            return self._fail(malformed(data), events)
        if answer.error is not wire.ABSENT and wire.there(answer.error):
            return self._fail(error_inside(data), events)
        usage = wire.usage_of(answer.usage_metadata)
        if not self._started:
            self._started = True
            self._response_id = answer.response_id or ""
            events.append(Start(self._response_id, answer.model_version or "", usage))
        candidate = _first(answer)
        if candidate is not None and candidate.content is not None and candidate.content.parts is not None:
            try:
                self._read_parts(candidate.content.parts, events)
            except ValueError as exc:
                return self._fail(MalformedAnswer(f"the arguments of a call make no sense: {exc}", status=200), events)
        if usage is not None and usage != self._usage:
            self._usage = usage
            events.append(UsageEvent(usage))
        end = (candidate.finish_reason or "") if candidate is not None else ""
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            end = "SAFETY"
        return self._read_end(end, events) if end and not self.ended else True

    def _read_end(self, end: str, events: list[Event]) -> bool:
        self._close_call(events)
        if end in wire.MISHAPS and not self._content:
            return self._fail(mishap(end), events)
        self.ended = True
        events.append(Finish(wire.stop_reason(end, called=self._calls > 0)))
        return True

    def _read_parts(self, parts: list[wire.Part], events: list[Event]) -> None:
        for part in parts:
            signature = part.thought_signature or ""
            if part.function_call is not None:
                self._read_call(part.function_call, signature, events)
            elif part.thought:
                self._think(part.text or "", signature, events)
            else:
                if part.text:
                    self._say(part.text, events)
                if signature:
                    self._think("", signature, events)

    def _say(self, text: str, events: list[Event]) -> None:
        self._content = True
        if self._thinking:
            self._speak()
        if self._pieces is not None:
            self._close_call(events)
        events.append(TextDelta(text))

    def _think(self, text: str, signature: str, events: list[Event]) -> None:
        if not text and not signature:
            return
        self._content = self._content or bool(text)
        events.append(ReasoningDelta(text, signature, origin=ORIGIN if signature else "", block=self._block))
        self._thinking = True
        if signature:
            self._speak()

    def _speak(self) -> None:
        """What follows is no longer the thought that went before."""
        if self._thinking:
            self._block += 1
            self._thinking = False

    def _read_call(self, call: wire.FunctionCall, signature: str, events: list[Event]) -> None:
        if call.name:
            self._close_call(events)
            self._speak()
            self._content = True
            made = call_id(call.id, self._response_id, call.name, self._calls)
            events.append(ToolStart(self._calls, made, call.name, signature, ORIGIN if signature else ""))
            self._calls += 1
            self._pieces = Arguments()
        if wire.there(call.args) and self._pieces is not None:
            events.append(ToolDelta(self._calls - 1, bytes(call.args).decode()))
            self._pieces = None
        if self._pieces is not None and call.partial_args:
            self._pieces.add(call.partial_args)
        if not call.will_continue:
            self._close_call(events)

    def _close_call(self, events: list[Event]) -> None:
        if self._pieces is not None:
            events.append(ToolDelta(self._calls - 1, self._pieces.text()))
            self._pieces = None


def _first(answer: wire.Answer) -> wire.Candidate | None:
    for candidate in answer.candidates or ():
        if not candidate.index:
            return candidate
    return None

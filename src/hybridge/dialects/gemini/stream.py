"""Streams of a provider: decoded to events, or listened to while they pass through.

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
    StopReason,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.codec import verdict
from hybridge.dialects.gemini import answer as wire
from hybridge.dialects.gemini.calls import call_id
from hybridge.dialects.gemini.errors import error_inside, malformed
from hybridge.dialects.gemini.partial import Arguments
from hybridge.dialects.gemini.protojson import BAD_JSON
from hybridge.dialects.gemini.reply import HEARD, HeardCandidate
from hybridge.dialects.gemini.signatures import ORIGIN
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import EmptyAnswer, MalformedAnswer, ProviderError, Truncated
from hybridge.money import Usage


def event_data(block: bytes) -> bytes:
    """The data of one event; Google's own form, one line and CRLF, is read fastest."""
    end = len(block) - 4
    if block.startswith(b"data: ") and block.find(b"\r") == end and block.endswith(b"\r\n\r\n"):
        return block[6:end]
    _, data = data_of(block)
    # In mid-stream Google reports errors as bare JSON, without `data:`.
    return data if data or block.lstrip()[:1] not in (b"{", b"[") else block.strip()


def _bare_error(rest: bytes) -> ProviderError | None:
    """The error that stands in a tail which is no event, once it is whole."""
    if rest.lstrip()[:1] not in (b"{", b"["):
        return None
    try:
        found = msgspec.json.decode(rest)
    except BAD_JSON:
        return None
    return error_inside(rest) if isinstance(found, dict) and found.get("error") else malformed(rest)


def _mishap(end: str) -> MalformedAnswer:
    return MalformedAnswer(f"the stream ended with {end} and without content", status=200)


class Decoder:
    """A provider's bytes to events. `ended` turns true with the chunk that says why it ended."""

    def __init__(self) -> None:
        self.ended = False
        self._splitter = Splitter()
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
        if self._broken:
            return events
        for block in self._splitter.feed(chunk):
            data = event_data(block)
            if data and not self._read(data, events):
                return events
        if chunk.rstrip().endswith((b"}", b"]")) and (error := _bare_error(self._splitter.rest())):
            self._fail(error, events)
        return events

    def _fail(self, error: ProviderError, events: list[Event]) -> bool:
        self._broken = True
        events.append(Failed(error))
        return False

    def _read(self, data: bytes, events: list[Event]) -> bool:
        """Read one event; false if nothing can follow it."""
        try:
            answer = wire.ANSWER.decode(data)
        except BAD_JSON:
            return self._fail(malformed(data), events)
        if wire.there(answer.error):
            return self._fail(error_inside(data), events)
        usage = wire.usage_of(answer.usage_metadata)
        if not self._started:
            self._started = True
            self._response_id = answer.response_id or ""
            events.append(Start(self._response_id, answer.model_version or "", usage))
        candidate = _first(answer)
        try:
            self._read_parts(candidate, events)
        except ValueError as exc:
            return self._fail(MalformedAnswer(f"the arguments of a call make no sense: {exc}", status=200), events)
        if usage is not None and usage != self._usage:
            self._usage = usage
            events.append(UsageEvent(usage))
        return self._read_end(answer, candidate, events)

    def _read_end(self, answer: wire.Answer, candidate: wire.Candidate | None, events: list[Event]) -> bool:
        end = (candidate.finish_reason or "") if candidate is not None else ""
        if answer.prompt_feedback is not None and answer.prompt_feedback.block_reason:
            end = "SAFETY"
        if not end or self.ended:
            return True
        self._close_call(events)
        if end in wire.MISHAPS and not self._content:
            return self._fail(_mishap(end), events)
        self.ended = True
        events.append(Finish(wire.stop_reason(end, called=self._calls > 0)))
        return True

    def _read_parts(self, candidate: wire.Candidate | None, events: list[Event]) -> None:
        if candidate is None or candidate.content is None:
            return
        for part in candidate.content.parts or ():
            signature = part.thought_signature or ""
            if part.function_call is not None:
                self._read_call(part.function_call, signature, events)
            elif part.thought:
                self._think(part.text or "", signature, events)
            else:
                if part.text:
                    self._content = True
                    self._speak()
                    self._close_call(events)
                    events.append(TextDelta(part.text))
                if signature:
                    self._think("", signature, events)

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


# --- passing through -----------------------------------------------------------------------------------------------


class Listener:
    """A stream on its way to a client of the same dialect: whole events pass unchanged.

    Every chunk carries the usage so far, so there is none to withhold. Counts are sorted into buckets when asked for.
    """

    def __init__(self) -> None:
        self.content = False
        self.progress = 0
        self.said = 0
        self.stop: StopReason | None = None
        self.error: ProviderError | None = None
        self._splitter = Splitter()
        self._ended = False
        self._called = False
        self._counts: wire.UsageMetadata | None = None
        self._usage: Usage | None = None

    @property
    def usage(self) -> Usage | None:
        """The last usage heard."""
        if self._counts is not None:
            self._usage = wire.usage_of(self._counts)
            self._counts = None
        return self._usage

    @usage.setter
    def usage(self, usage: Usage | None) -> None:
        self._counts = None
        self._usage = usage

    def feed(self, chunk: bytes) -> bytes:
        """The events that this piece completes, as they came; nothing from an error on."""
        if self.error is not None:
            return b""
        blocks = self._splitter.feed(chunk)
        heard = False
        for at, block in enumerate(blocks):
            data = event_data(block)
            if not data:
                # A gateway's comment: no sign of life, and Google's SDK fails on one.
                blocks[at] = b""
                continue
            heard = True
            if error := self._hear(data):
                self.error = error
                return b"".join(blocks[:at])
        self.progress += heard
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def end(self) -> bytes:
        """The provider closed: a last event without its blank line still counts, half a one does not."""
        if self.error is not None:
            return b""
        rest = self._splitter.rest()
        error = self._hear(event_data(rest)) if rest.strip() else None
        if isinstance(error, (MalformedAnswer, EmptyAnswer)):
            rest = b""
            error = None if self._ended else Truncated("the stream ended in the middle of an event")
        self.error = error or verdict(self._ended, self.content, self.stop, self.usage)
        return rest if self.error is None else b""

    def _hear(self, data: bytes) -> ProviderError | None:
        """Take in one event; the error that it reports or is."""
        try:
            heard = HEARD.decode(data)
        except BAD_JSON:
            return malformed(data)
        if wire.there(heard.error):
            return error_inside(data)
        if heard.usage_metadata is not None and heard.usage_metadata.counts():
            self._counts = heard.usage_metadata
        for candidate in heard.candidates or ():
            self._hear_parts(candidate)
        end = heard.end()
        if end in wire.MISHAPS and not self.content:
            return _mishap(end)
        if end:
            self._ended = True
            self.stop = wire.stop_reason(end, called=self._called)
        return None

    def _hear_parts(self, candidate: HeardCandidate) -> None:
        for part in candidate.parts():
            if part.text:
                self.said += len(part.text)
                self.content = True
            elif wire.there(part.function_call):
                self.said += len(memoryview(part.function_call))
                self.content = self._called = True
            elif not self.content:
                self.content = part.says_something()

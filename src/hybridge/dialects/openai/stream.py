"""A provider's stream, to events.

Source: https://platform.openai.com/docs/api-reference/chat/streaming. Chunks of compatible providers differ in where
usage, reasoning and errors stand; all of the known places are read.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import (
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StopReason,
    TextDelta,
    UsageEvent,
)
from hybridge.dialects.openai import heard
from hybridge.dialects.openai.calls import Calls, WireCall
from hybridge.dialects.openai.errors import error_inside
from hybridge.dialects.openai.reasoning import Detail, deltas_of
from hybridge.dialects.openai.reply import FAILURES, WireFunction, WireText, settle, stop_of, thoughts
from hybridge.dialects.openai.usage import usage_at, usage_of
from hybridge.dialects.openai.usual import envelope_of
from hybridge.dialects.plain import Examples, Plain, text_of, texts_of
from hybridge.dialects.quirks import asks
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import Broken, MalformedAnswer, ProviderError
from hybridge.types import Quirks

_NONE = Raw(b"")
DONE = b"[DONE]"


class _Delta(Struct):
    content: str | list[WireText] | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[Detail] | None = None
    tool_calls: list[WireCall] | None = None
    function_call: WireFunction | None = None


class _Choice(Struct):
    index: int = 0
    delta: _Delta | None = None
    message: _Delta | None = None
    finish_reason: str | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


class _Chunk(Struct):
    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


#: Plain events of earlier streams, from behind their envelopes on.
_spoken: Examples[None] = Examples()
_chunks = msgspec.json.Decoder(_Chunk)


class Decoder:
    """A provider's bytes to events; of several choices, the first."""

    __slots__ = (
        "_calls",
        "_delta_of",
        "_failed",
        "_finished",
        "_plain",
        "_quirks",
        "_refused",
        "_splitter",
        "_started",
        "ended",
    )

    def __init__(self, quirks: Quirks) -> None:
        self.ended = False
        self._quirks = quirks
        self._splitter = Splitter()
        self._started = False
        self._failed = False
        self._finished = False
        self._refused = False
        self._calls = Calls()
        self._plain = Plain()
        #: What the words of a plain event are.
        self._delta_of: type[TextDelta] | type[ReasoningDelta] = TextDelta

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Never raises: a bad stream gives a `Failed` event."""
        splitter, plain = self._splitter, self._plain
        if not splitter.pending and (words := plain.alone(chunk)) and (text := text_of(words)) is not None:
            return [self._delta_of(text)]
        events: list[Event] = []
        at = 0
        while at < len(chunk) and not self._failed:
            said, end = ([], at) if splitter.pending else plain.run(chunk, at)
            if said and (texts := texts_of(said)) is not None:
                events += map(self._delta_of, texts)
                at = end
            else:
                blocks, at = splitter.step(chunk, at)
                self._hear(blocks, events)
        # Some close the connection right after the mark, without the blank line that ends an event.
        if not (self.ended or self._failed) and splitter.pending and splitter.rest().rstrip() == b"data: [DONE]":
            self.ended = True
            self._finish(StopReason.STOP, events)
        return events

    def _hear(self, blocks: list[bytes], events: list[Event]) -> None:
        for block in blocks:
            name, data = data_of(block)
            if not data:
                continue
            before = len(events)
            self._read(name, data, events)
            if self._failed:
                break
            if len(events) == before + 1:
                self._learn(block, events[-1])

    def _learn(self, block: bytes, event: Event) -> None:
        # If the block says words and nothing else, they are those of the only event that came of it.
        if not self._plain.learns or not isinstance(event, (TextDelta, ReasoningDelta)):
            return
        envelope = envelope_of(block)
        if envelope and self._plain.recall(block, _spoken, envelope):
            self._delta_of = type(event)
        elif self._plain.learn(block, heard.words(block), heard.words):
            self._delta_of = type(event)
            if envelope:
                self._plain.keep(_spoken, None, envelope)

    def _read(self, name: str, data: bytes, events: list[Event]) -> None:
        if data.startswith(DONE):
            self.ended = True
            self._finish(StopReason.STOP, events)
            return
        try:
            chunk = _chunks.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            self._fail(events, unreadable(name, data, exc))
            return
        error = error_in(name, data, chunk.error) or self._chosen_error(chunk)
        if error is not None:
            self._fail(events, error)
            return
        if not self._started and (chunk.choices or chunk.id):
            self._started = True
            self._calls.seed = chunk.id or ""
            events.append(Start(chunk.id or "", chunk.model or ""))
        for choice in chunk.choices or ():
            if choice.index == 0:
                self._choice(choice, events)
        self._usage(chunk, data, events)

    def _fail(self, events: list[Event], error: ProviderError) -> None:
        self._failed = True
        # Nothing follows, not even what looks plain.
        self._plain = Plain()
        events.append(Failed(error))

    def _chosen_error(self, chunk: _Chunk) -> ProviderError | None:
        for choice in chunk.choices or ():
            if asks(choice.error):
                return error_inside(choice.error)
            if choice.finish_reason in FAILURES:
                return gave_up(choice.finish_reason)
        return None

    def _choice(self, choice: _Choice, events: list[Event]) -> None:
        delta = choice.delta or choice.message
        if delta is not None:
            self._delta(delta, events)
        stop = stop_of(choice.finish_reason)
        if stop is not None:
            self._finish(stop, events)
            self.ended = self.ended or self._quirks.ends_without_done

    def _finish(self, stop: StopReason, events: list[Event]) -> None:
        # Some say it twice, some not at all.
        if not self._finished:
            self._finished = True
            events.append(Finish(settle(stop, called=self._calls.count > 0, refused=self._refused)))

    def _delta(self, delta: _Delta, events: list[Event]) -> None:
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
            events += deltas_of(delta.reasoning_details, delta.reasoning_content or delta.reasoning or "")
        if isinstance(delta.content, str):
            if delta.content:
                events.append(TextDelta(delta.content))
        elif delta.content:
            events += _pieces(delta.content)
        if delta.refusal:
            self._refused = True
            events.append(RefusalDelta(delta.refusal))
        for call in delta.tool_calls or ():
            events += self._calls.feed(call)
        if delta.function_call is not None:
            events += self._calls.feed(WireCall(index=0, function=delta.function_call))

    def _usage(self, chunk: _Chunk, data: bytes, events: list[Event]) -> None:
        usage = usage_of(chunk.usage, self._quirks)
        if usage is None and self._quirks.usage_path:
            usage = usage_at(data, self._quirks.usage_path, self._quirks)
        if usage is None and chunk.choices:
            usage = usage_of(chunk.choices[0].usage, self._quirks)
        if usage is not None:
            events.append(UsageEvent(usage))


def _pieces(content: list[WireText]) -> list[Event]:
    events: list[Event] = []
    for piece in content:
        if piece.type == "thinking":
            if text := thoughts(piece.thinking):
                events.append(ReasoningDelta(text))
        elif piece.text:
            events.append(TextDelta(piece.text))
    return events


def error_in(name: str, data: bytes, error: Raw) -> ProviderError | None:
    """The error that an event reports, by its name or its `error` member."""
    if asks(error):
        return error_inside(error)
    # The event of this name holds the error itself.
    return error_inside(data) if name == "error" else None


def unreadable(name: str, data: bytes, cause: Exception) -> ProviderError:
    """What an event that is no chunk means."""
    if name == "error":
        return Broken(f"the provider reported an error: {data[:300].decode('utf-8', 'replace')}", status=200)
    return MalformedAnswer(f"not a chunk: {cause}", status=200, body=data[:1024])


def gave_up(reason: str) -> ProviderError:
    """What a finish reason that is a failure means."""
    return Broken(f"the provider gave up: {reason}", status=200)

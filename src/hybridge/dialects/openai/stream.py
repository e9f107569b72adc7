"""A provider's stream: to events, or through to a client of the same dialect.

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
from hybridge.dialects.codec import verdict
from hybridge.dialects.openai.calls import Calls, WireCall
from hybridge.dialects.openai.errors import error_inside
from hybridge.dialects.openai.reasoning import Detail, deltas_of
from hybridge.dialects.openai.reply import FAILURES, WireFunction, WireText, settle, stop_of, thoughts
from hybridge.dialects.openai.usage import usage_at, usage_of
from hybridge.dialects.quirks import asks
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import Broken, MalformedAnswer, ProviderError
from hybridge.money import Usage
from hybridge.types import Quirks

_NONE = Raw(b"")
_DONE = b"[DONE]"


# --- to events -----------------------------------------------------------------------------------------------------


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


_chunks = msgspec.json.Decoder(_Chunk)


class Decoder:
    """A provider's bytes to events; of several choices, the first."""

    def __init__(self, quirks: Quirks) -> None:
        self.ended = False
        self._quirks = quirks
        self._splitter = Splitter()
        self._started = False
        self._failed = False
        self._finished = False
        self._refused = False
        self._calls = Calls()

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Never raises: a bad stream gives a `Failed` event."""
        events: list[Event] = []
        for block in self._splitter.feed(chunk):
            if self._failed:
                break
            name, data = data_of(block)
            if data:
                self._read(name, data, events)
        # Some close the connection right after the mark, without the blank line that ends an event.
        if not self.ended and self._splitter.pending and self._splitter.rest().rstrip() == b"data: [DONE]":
            self.ended = True
            self._finish(StopReason.STOP, events)
        return events

    def _read(self, name: str, data: bytes, events: list[Event]) -> None:
        if data.startswith(_DONE):
            self.ended = True
            self._finish(StopReason.STOP, events)
            return
        try:
            chunk = _chunks.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
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


# --- through -------------------------------------------------------------------------------------------------------


class _HeardFunction(Struct):
    arguments: Raw = _NONE


class _HeardCall(Struct):
    function: _HeardFunction | None = None


class _HeardDelta(Struct):
    content: Raw = _NONE
    reasoning_content: Raw = _NONE
    reasoning: Raw = _NONE
    tool_calls: list[_HeardCall] | None = None
    refusal: Raw = _NONE
    reasoning_details: Raw = _NONE
    function_call: Raw = _NONE
    audio: Raw = _NONE
    images: Raw = _NONE


class _HeardChoice(Struct):
    delta: _HeardDelta | None = None
    finish_reason: str | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


class _HeardChunk(Struct):
    choices: list[_HeardChoice] | None = None
    usage: Raw = _NONE
    error: Raw = _NONE


_heard = msgspec.json.Decoder(_HeardChunk)


class Listener:
    """A relay for a client of the same dialect: bytes pass unchanged, but for a usage chunk nobody asked for.

    A chunk whose usage stands beside a choice always passes: cutting it would cut the choice.
    """

    def __init__(self, *, withhold_usage: bool, quirks: Quirks) -> None:
        self.content = False
        self.progress = 0
        self.said = 0
        self.stop: StopReason | None = None
        self.usage: Usage | None = None
        self.error: ProviderError | None = None
        self._withhold = withhold_usage
        self._quirks = quirks
        self._splitter = Splitter()
        self._ended = False

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece."""
        blocks = [] if self.error is not None else self._splitter.feed(chunk)
        heard = False
        for at, block in enumerate(blocks):
            name, data = data_of(block)
            if not data:
                continue
            heard = True
            if not self._listen(name, data):
                blocks[at] = b""
            if self.error is not None:
                del blocks[at:]
                break
        self.progress += heard
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def end(self) -> bytes:
        """The provider closed: the rest for the client. Sets `error` to what `verdict` says."""
        rest = self._splitter.rest()
        if rest and self.error is None:
            name, data = data_of(rest)
            heard = _is_whole(data) and self._listen(name, data)
            rest = rest if heard else b""
        # Hearing the rest may have found an error.
        self.error = self.error or verdict(self._ended, self.content, self.stop, self.usage)
        return rest if self.error is None else b""

    def _listen(self, name: str, data: bytes) -> bool:
        """Hear one event; whether it is for the client."""
        if data.startswith(_DONE):
            self._ended = True
            return True
        try:
            chunk = _heard.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            self.error = unreadable(name, data, exc)
            return False
        if name or chunk.error is not _NONE:
            self.error = error_in(name, data, chunk.error)
        choices = chunk.choices or ()
        for choice in choices:
            self._choice(choice)
        told = False
        if chunk.usage is not _NONE or self._quirks.usage_path:
            told = self._hear_usage(chunk.usage, data)
        return self.error is None and (bool(choices) or not (told and self._withhold))

    def _choice(self, choice: _HeardChoice) -> None:
        if choice.delta is not None:
            said = _said(choice.delta)
            if said:
                self.content = True
                self.said += said
        if choice.finish_reason:
            self._finish(choice.finish_reason)
        if choice.error is not _NONE and asks(choice.error):
            self.error = error_inside(choice.error)
        if choice.usage is not _NONE:
            self._hear_usage(choice.usage, b"")

    def _finish(self, reason: str) -> None:
        if reason in FAILURES:
            self.error = gave_up(reason)
        elif self.stop is None:
            self.stop = stop_of(reason)
            self._ended = self._ended or self._quirks.ends_without_done

    def _hear_usage(self, raw: Raw, data: bytes) -> bool:
        usage = usage_of(raw, self._quirks)
        if usage is None and self._quirks.usage_path and data:
            usage = usage_at(data, self._quirks.usage_path, self._quirks)
        if usage is not None:
            self.usage = usage
        return usage is not None


def _said(delta: _HeardDelta) -> int:
    """The characters of content in a delta, as bytes on the wire; 0 if it holds none."""
    if delta.content is not _NONE and (size := _size(delta.content)):
        return size
    if size := _size(delta.reasoning_content) or _size(delta.reasoning):
        return size
    if delta.tool_calls:
        return 1 + sum(_size(call.function.arguments) for call in delta.tool_calls if call.function is not None)
    return (
        _size(delta.refusal)
        or _size(delta.reasoning_details)
        or _size(delta.function_call)
        or _size(delta.audio)
        or _size(delta.images)
    )


def _size(raw: Raw) -> int:
    size = memoryview(raw).nbytes
    if size > 4:
        return size - 2
    return 0 if size < 3 or bytes(raw) == b"null" else size - 2


def _is_whole(data: bytes) -> bool:
    if data.startswith(_DONE):
        return True
    try:
        msgspec.json.decode(data, type=Raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True

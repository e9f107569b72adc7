"""A provider's stream to neutral events.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from hybridge.chat import (
    Event,
    Failed,
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
from hybridge.dialects.anthropic.events import (
    Message,
    More,
    Opening,
    Piece,
    WireEvent,
    decode_more,
    error_in,
    learn_words,
    more_in,
    named_data,
    read_event,
    read_more,
)
from hybridge.dialects.anthropic.marks import FOREIGN_CALL, ORIGIN, unmarked
from hybridge.dialects.anthropic.reply import stop_reason
from hybridge.dialects.anthropic.tools import JSON_TOOL
from hybridge.dialects.anthropic.usage import Meter
from hybridge.dialects.makers import maker_of
from hybridge.dialects.plain import Plain, text_of, texts_of
from hybridge.dialects.sse import Splitter
from hybridge.errors import MalformedAnswer, ProviderError
from hybridge.types import Quirks


class _Open(Struct):
    """An open block: the number of its call (-1: our JSON tool) or of its thought, and whether it said anything yet."""

    kind: str
    number: int = 0
    said: bool = False


class Decoder:
    """A stream to neutral events. The call of our own JSON tool is the answer's text."""

    def __init__(self, quirks: Quirks) -> None:
        self.ended = False
        #: Whether the next chunk begins with an event that is to be read.
        self._is_between = True
        self._splitter = Splitter()
        #: How more of the open block looks, and an event that came of it.
        self._plain = Plain()
        self._example: Event | None = None
        self._meter = Meter(quirks)
        self._message: str | None = None
        self._open: dict[int, _Open] = {}
        self._calls = self._thoughts = 0
        self._unwrapped = self._finished = self._failed = False
        self._text: list[str] = []
        self._signed: tuple[str, str] | None = None
        self._maker = ORIGIN

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes; after a failure or the end marker, none."""
        # Nearly every chunk is one event, and that is more of a block.
        if self._is_between:
            words = self._plain.alone(chunk)
            if words and (text := text_of(words)) is not None:
                return [self._like(text)]
            if more := more_in(chunk, decode_more):
                return self._hear(more, chunk)
        return self._read_all(chunk)

    def _read_all(self, chunk: bytes) -> list[Event]:
        events: list[Event] = []
        at = 0
        while at < len(chunk) and not (self._failed or self.ended):
            said, end = self._plain.run(chunk, at) if self._is_between else ([], at)
            if said and (texts := texts_of(said)) is not None:
                events += self._alike(texts)
                at = end
            else:
                blocks, at = self._splitter.step(chunk, at)
                self._read_blocks(blocks, events)
        return events

    def _read_blocks(self, blocks: list[bytes], events: list[Event]) -> None:
        for block in blocks:
            if self._failed or self.ended:
                break
            if more := more_in(block, decode_more):
                events += self._hear(more, block)
            else:
                self._read(*named_data(block), events)
        self._is_between = not (self._splitter.pending or self._failed or self.ended)

    def _read(self, name: str, data: bytes, events: list[Event]) -> None:
        if not data:
            return
        try:
            more = read_more(data) if name == "content_block_delta" else None
            event = read_event(data) if more is None else None
            if event is not None and event.type == "content_block_delta":
                more = read_more(data)
            elif event is not None:
                self._take(event, data, events)
            if more is not None:
                events += self._hear(more, data)
        except ProviderError as exc:
            self._failed = True
            events.append(Failed(exc))

    def _take(self, event: WireEvent, data: bytes, events: list[Event]) -> None:
        match event.type:
            case "content_block_start" if event.content_block:
                self._plain = Plain()
                self._start(event.index, event.content_block, events)
            case "content_block_stop":
                self._plain = Plain()
                self._stop(event.index, events)
            case "message_start" if event.message:
                self._begin(event.message, events)
            case "message_delta":
                self._end(event, events)
            case "message_stop":
                self.ended = True
            case "error":
                raise error_in(data)

    def _begin(self, message: Message, events: list[Event]) -> None:
        if self._message is not None:
            # The same head may come twice; another one means that two answers were glued together.
            if message.id != self._message:
                raise MalformedAnswer("another message began within the stream", status=200)
            return
        self._message = message.id
        self._maker = maker_of(message.model) or ORIGIN
        self._meter.hear(message.usage, output=False)
        events.append(Start(message.id, message.model, self._meter.usage))

    def _start(self, index: int, block: Opening, events: list[Event]) -> None:
        if block.type == "text":
            self._open[index] = _Open("text")
            if block.text:
                self._text.append(block.text)
                events.append(TextDelta(block.text))
        elif block.type == "tool_use":
            self._call(index, block, events)
        elif block.type == "thinking":
            opened = self._open[index] = _Open("thinking", self._thoughts)
            self._thoughts += 1
            if thought := _thought(opened, block.thinking, block.signature, self._maker):
                events.append(thought)
        elif block.type == "redacted_thinking" and block.data:
            self._hidden(block.data, events)

    def _call(self, index: int, block: Opening, events: list[Event]) -> None:
        if block.name == JSON_TOOL:
            self._unwrapped = True
            self._open[index] = _Open("tool_use", -1)
        else:
            origin, signature = self._signed or ("", "")
            self._signed = None
            self._open[index] = _Open("tool_use", self._calls)
            events.append(ToolStart(self._calls, block.id or "", block.name or "", signature, origin))
            self._calls += 1
        whole = bytes(block.input).decode("utf-8", "replace")
        if whole not in ("", "{}", "null"):
            events.append(self._arguments(self._open[index], whole))

    def _hidden(self, data: str, events: list[Event]) -> None:
        if data.startswith(FOREIGN_CALL):
            self._signed = unmarked(data, FOREIGN_CALL)
            return
        origin, hidden = unmarked(data, maker=self._maker)
        events.append(ReasoningDelta(data=hidden, origin=origin, block=self._thoughts))
        self._thoughts += 1

    def _hear(self, more: More, block: bytes) -> list[Event]:
        opened = self._open.get(more.index)
        event = None if opened is None else self._event_of(more.delta, opened)
        if event is None:
            return []
        # The JSON tool's text is not among the words that are kept.
        speaks = more.delta.type == "text_delta" or type(event) is not TextDelta
        if speaks and self._plain.learns and learn_words(self._plain, block):
            self._example = event
        return [event]

    def _event_of(self, piece: Piece, opened: _Open) -> Event | None:
        if piece.type == "text_delta":
            if not piece.text:
                return None
            self._text.append(piece.text)
            return TextDelta(piece.text)
        if piece.type == "input_json_delta" and piece.partial_json and opened.kind == "tool_use":
            return self._arguments(opened, piece.partial_json)
        if opened.kind == "thinking":
            return _thought(opened, piece.thinking, piece.signature, self._maker)
        return None

    def _like(self, text: str) -> Event:
        """An event like the example, of the same block."""
        example = self._example
        if type(example) is ToolDelta:
            return ToolDelta(example.index, text)
        if type(example) is ReasoningDelta:
            return ReasoningDelta(text, origin=example.origin, block=example.block)
        self._text.append(text)
        return TextDelta(text)

    def _alike(self, texts: list[str]) -> Iterable[Event]:
        if type(self._example) is not TextDelta:
            return map(self._like, texts)
        self._text += texts
        return map(TextDelta, texts)

    def _arguments(self, opened: _Open, text: str) -> Event:
        opened.said = True
        return TextDelta(text) if opened.number < 0 else ToolDelta(opened.number, text)

    def _stop(self, index: int, events: list[Event]) -> None:
        opened = self._open.pop(index, None)
        # A tool without arguments may be called with none at all.
        if opened and opened.kind == "tool_use" and not opened.said:
            events.append(self._arguments(opened, "{}"))

    def _end(self, event: WireEvent, events: list[Event]) -> None:
        self._meter.hear(event.usage)
        delta = event.delta
        if delta and delta.stop_reason and not self._finished:
            self._finished = True
            explanation = delta.stop_details.explanation if delta.stop_details else None
            if explanation and explanation != "".join(self._text):
                events.append(RefusalDelta(explanation))
            events.append(Finish(self._reason(delta.stop_reason), delta.stop_sequence or ""))
        if usage := self._meter.usage:
            events.append(UsageEvent(usage))

    def _reason(self, wire: str) -> StopReason:
        stop = stop_reason(wire)
        if stop is StopReason.TOOL_CALLS and self._unwrapped and not self._calls:
            return StopReason.STOP
        return stop


def _thought(opened: _Open, text: str | None, signature: str | None, maker: str) -> Event | None:
    if not (text or signature):
        return None
    origin, plain = unmarked(signature or "", maker=maker)
    return ReasoningDelta(text or "", plain, origin=origin, block=opened.number)

"""A stream on its way from a provider to a client of the same dialect.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import StopReason
from hybridge.dialects.anthropic.events import (
    Ending,
    Opening,
    error_in,
    learn_words,
    more_in,
    named_data,
    read_event,
    read_more,
)
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.reply import stop_reason
from hybridge.dialects.anthropic.usage import Meter
from hybridge.dialects.codec import verdict
from hybridge.dialects.plain import Plain, text_of
from hybridge.dialects.sse import Splitter
from hybridge.errors import ProviderError
from hybridge.money import Usage
from hybridge.types import Quirks


class _Spoken(Struct, frozen=True, gc=False):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""


class _Heard(Struct, gc=False):
    delta: _Spoken = _Spoken()


_decode_heard = msgspec.json.Decoder(_Heard).decode


class Listener:
    """A relay for a client of the same dialect: bytes pass unchanged, but for an error event."""

    def __init__(self, quirks: Quirks) -> None:
        self.content = False
        self.progress = 0
        self.said = 0
        self.stop: StopReason | None = None
        self.usage: Usage | None = None
        self.error: ProviderError | None = None
        self._ended = False
        #: Whether the next chunk begins with an event that is to be heard.
        self._is_between = True
        self._splitter = Splitter()
        self._plain = Plain()
        self._meter = Meter(quirks)

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece: the events that it completes, up to an error."""
        # Nearly every chunk is one event, and that is more of a block.
        if self._is_between:
            words = self._plain.alone(chunk)
            if words and (text := text_of(words)) is not None:
                self.said += len(text)
                self.progress += 1
                return chunk
            if heard := more_in(chunk, _decode_heard):
                self._hear_more(heard.delta, chunk)
                self.progress += 1
                return chunk
        return self._pass(chunk)

    def _pass(self, chunk: bytes) -> bytes:
        splitter, progress = self._splitter, self.progress
        out: list[bytes] = []
        at = 0
        while at < len(chunk) and self.error is None:
            words, end = self._plain.run(chunk, at) if self._is_between else ([], at)
            if words and (text := text_of(b" ".join(words))) is not None:
                self.said += len(text) - len(words) + 1
                self.progress = progress + 1
                out.append(chunk[at:end])
                at = end
            else:
                blocks, at = splitter.step(chunk, at)
                self._hear_blocks(blocks, out, progress + 1)
                self._is_between = not (splitter.pending or self._ended or self.error)
        return b"".join(out)

    def _hear_blocks(self, blocks: list[bytes], out: list[bytes], progress: int) -> None:
        """Hear events up to an error, which goes nowhere. One that is more than a ping or a comment sets `progress`."""
        for block in blocks:
            try:
                if not self._ended and self._hears(block):
                    self.progress = progress
            except ProviderError as exc:
                self.error = exc
                return
            out.append(block)

    def end(self) -> bytes:
        """The provider closed: what is left, if the stream is whole."""
        if self.error is None:
            self.error = verdict(self._ended, self.content, self.stop, self.usage)
        return b"" if self.error is not None else self._splitter.rest()

    def _hears(self, block: bytes) -> bool:
        """Take in one event; whether it is more than a ping or a comment."""
        if heard := more_in(block, _decode_heard):
            self._hear_more(heard.delta, block)
            return True
        name, data = named_data(block)
        return data != b"" and (self._hears_more(name, data) or self._hear(data))

    def _hears_more(self, name: str, data: bytes) -> bool:
        if name != "content_block_delta":
            return False
        try:
            self._hear_more(_decode_heard(data).delta, data)
        except UNREADABLE:
            return False
        return True

    def _hear_more(self, delta: _Spoken, block: bytes) -> None:
        said = len(delta.text) + len(delta.thinking) + len(delta.partial_json)
        if said:
            self.said += said
            self.content = True
            if self._plain.learns:
                learn_words(self._plain, block)
        elif delta.signature:
            self.content = True

    def _hear(self, data: bytes) -> bool:
        event = read_event(data)
        if event is None:
            return True
        match event.type:
            case "content_block_start" if event.content_block:
                self.content = self.content or _says(event.content_block)
            case "content_block_delta":
                # What holds no text may pass, what is no text may not.
                _ = self._hears_more(event.type, data) or read_more(data)
            case "message_start" if event.message:
                self._count(event.message.usage, output=False)
            case "message_delta":
                self._count(event.usage)
                self._stopped(event.delta)
            case "message_stop":
                self._ended = True
            case "error":
                raise error_in(data)
        return event.type != "ping"

    def _count(self, raw: Raw, *, output: bool = True) -> None:
        self._meter.hear(raw, output=output)
        self.usage = self._meter.usage

    def _stopped(self, delta: Ending | None) -> None:
        if delta is None:
            return
        if delta.stop_reason:
            self.stop = stop_reason(delta.stop_reason)
        if delta.stop_details and delta.stop_details.explanation:
            self.content = True


def _says(block: Opening) -> bool:
    return block.type not in ("text", "thinking") or bool(block.text or block.thinking or block.signature)

"""A stream on its way from a provider to a client of the same dialect.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import StopReason
from hybridge.dialects.anthropic.events import Delta, Opening, error_in, read_event
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.anthropic.reply import stop_reason
from hybridge.dialects.anthropic.usage import Meter
from hybridge.dialects.codec import verdict
from hybridge.dialects.sse import Splitter, data_of
from hybridge.errors import ProviderError
from hybridge.money import Usage
from hybridge.types import Quirks


class _Spoken(Struct, frozen=True):
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    signature: str = ""


class _Heard(Struct):
    delta: _Spoken = _Spoken()


_HEARD = msgspec.json.Decoder(_Heard)


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
        self._splitter = Splitter()
        self._meter = Meter(quirks)

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece: the events that it completes, up to an error."""
        if self.error is not None:
            return b""
        blocks = self._splitter.feed(chunk)
        moved = False
        for at, block in enumerate(blocks):
            name, data = data_of(block)
            try:
                moved = (data != b"" and not self._ended and self._hears(name, data)) or moved
            except ProviderError as exc:
                self.error = exc
                blocks = blocks[:at]
                break
        self.progress += moved
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def end(self) -> bytes:
        """The provider closed: what is left, if the stream is whole."""
        if self.error is None:
            self.error = verdict(self._ended, self.content, self.stop, self.usage)
        return b"" if self.error is not None else self._splitter.rest()

    def _hears(self, name: str, data: bytes) -> bool:
        return self._spoken(name, data) or self._hear(data)

    def _spoken(self, name: str, data: bytes) -> bool:
        """The way of nearly every event: some more of a block."""
        if name != "content_block_delta":
            return False
        try:
            delta = _HEARD.decode(data).delta
        except UNREADABLE:
            return False
        said = len(delta.text) + len(delta.thinking) + len(delta.partial_json)
        self.said += said
        self.content = self.content or said > 0 or delta.signature != ""
        return True

    def _hear(self, data: bytes) -> bool:
        event = read_event(data)
        if event is None:
            return True
        match event.type:
            case "content_block_start" if event.content_block:
                self.content = self.content or _says(event.content_block)
            case "content_block_delta":
                self._spoken(event.type, data)
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

    def _stopped(self, delta: Delta | None) -> None:
        if delta is None:
            return
        if delta.stop_reason:
            self.stop = stop_reason(delta.stop_reason)
        if delta.stop_details and delta.stop_details.explanation:
            self.content = True


def _says(block: Opening) -> bool:
    return block.type not in ("text", "thinking") or bool(block.text or block.thinking or block.signature)

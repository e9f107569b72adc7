"""A stream on its way from a provider to a client of the same dialect.

Source: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

from hybridge.chat import StopReason
from hybridge.dialects.codec import verdict
from hybridge.dialects.gemini import answer as wire
from hybridge.dialects.gemini.errors import error_inside, malformed
from hybridge.dialects.gemini.events import data_in, event_data, mishap
from hybridge.dialects.gemini.protojson import BAD_JSON
from hybridge.dialects.gemini.reply import HEARD, HeardPart
from hybridge.dialects.sse import Splitter
from hybridge.errors import EmptyAnswer, MalformedAnswer, ProviderError, Truncated
from hybridge.money import Usage


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
        #: Whether the next chunk begins with an event that is to be heard.
        self._is_between = True
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
        if self._is_between and (found := data_in(chunk)):
            return self._hear_all(found, chunk)
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
                self._is_between = False
                return b"".join(blocks[:at])
        self.progress += heard
        self._is_between = not self._splitter.pending
        return blocks[0] if len(blocks) == 1 else b"".join(blocks)

    def _hear_all(self, found: list[bytes], chunk: bytes) -> bytes:
        for at, data in enumerate(found):
            if error := self._hear(data):
                self.error = error
                self._is_between = False
                around = (len(chunk) - sum(map(len, found))) // len(found)
                return chunk[: sum(map(len, found[:at])) + at * around]
        self.progress += 1
        return chunk

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
        if heard.error is not wire.ABSENT and wire.there(heard.error):
            return error_inside(data)
        if heard.usage_metadata is not None and heard.usage_metadata.counts():
            self._counts = heard.usage_metadata
        for candidate in heard.candidates or ():
            if candidate.content is not None and candidate.content.parts is not None:
                self._hear_parts(candidate.content.parts)
        end = heard.end()
        if end:
            if end in wire.MISHAPS and not self.content:
                return mishap(end)
            self._ended = True
            self.stop = wire.stop_reason(end, called=self._called)
        return None

    def _hear_parts(self, parts: list[HeardPart]) -> None:
        for part in parts:
            if part.text:
                self.said += len(part.text)
                self.content = True
            elif wire.there(part.function_call):
                self.said += len(memoryview(part.function_call))
                self.content = self._called = True
            elif not self.content:
                self.content = part.says_something()

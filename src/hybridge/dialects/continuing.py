"""A stream that goes on after it broke off: what it has said, and how another answer is joined to that."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hybridge.chat import (
    CONTENT,
    Event,
    Failed,
    Finish,
    ReasoningDelta,
    Start,
    StopReason,
    TextDelta,
    UsageEvent,
)
from hybridge.dialects.codec import StreamDecoder, StreamEncoder, verdict
from hybridge.dialects.seam import Seam
from hybridge.errors import NotJoined, ProviderError
from hybridge.money import Usage

#: What is asked of a model whose dialect has no other way to let it go on with words that it did not say.
INSTRUCTION = (
    "Your answer above was cut off by a lost connection. Go on exactly where it stops, in the same language and form. "
    "Do not repeat any of it, do not apologize, and add no comment."
)


class Transcript(Struct):
    """What a stream has said to its client so far, for whoever goes on with it.

    `id` and `model` are the provider's; `plain` as long as nothing but text was said; `stop` is the reason for its end
    once that was said, too.
    """

    id: str = ""
    model: str = ""
    pieces: list[str] = []
    plain: bool = True
    stop: StopReason | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)

    def hear(self, events: Sequence[Event]) -> None:
        """Take down what was said."""
        for event in events:
            if isinstance(event, TextDelta):
                self.pieces.append(event.text)
            elif isinstance(event, Start):
                self.id, self.model = event.id or self.id, event.model or self.model
            elif isinstance(event, Finish):
                self.stop = event.stop
            elif isinstance(event, CONTENT):
                self.plain = False

    def resume(self, encoder: StreamEncoder) -> None:
        """Bring an encoder to where the client is: in the middle of a text."""
        encoder.encode([Start(self.id, self.model), TextDelta("…")])


class Continued:
    """A relay for an answer that goes on with another: only what is new in it passes.

    Its thoughts do not: they would stand in the middle of the text.
    """

    def __init__(self, encoder: StreamEncoder, transcript: Transcript, decoder: StreamDecoder | None = None) -> None:
        transcript.resume(encoder)
        self._decoder = decoder
        self._encoder = encoder
        self._transcript = transcript
        self._seam = Seam(transcript.text)
        self.content = False
        self.progress = 0
        self.said = 0
        self.stop: StopReason | None = None
        self.usage: Usage | None = None
        self.error: ProviderError | None = None

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece."""
        assert self._decoder is not None
        return self.take(self._decoder.feed(chunk))

    def take(self, events: Sequence[Event]) -> bytes:
        """What goes to the client for these events."""
        out: list[Event] = []
        if events and self.error is None:
            self.progress += 1
            for event in events:
                if isinstance(event, Failed):
                    self.error = event.error
                    break
                self._hear(event, out)
        self._transcript.hear(out)
        return self._encoder.encode(out)

    def end(self) -> bytes:
        """The provider closed."""
        if self.error is None and self._decoder is not None:
            self.error = verdict(self._decoder.ended, self.content, self.stop, self.usage)
        return b"" if self.error is not None else self.finish()

    def finish(self) -> bytes:
        """The answer is whole: the rest for the client."""
        rest = self._flushed()
        self._transcript.hear(rest)
        return self._encoder.encode(rest) + self._encoder.finish()

    def _hear(self, event: Event, out: list[Event]) -> None:
        self.content = self.content or isinstance(event, CONTENT)
        if isinstance(event, TextDelta):
            self._join(event.text, out)
        elif isinstance(event, ReasoningDelta):
            self.said += len(event.text)
        elif isinstance(event, UsageEvent):
            self.usage = event.usage
            out.append(event)
        elif not isinstance(event, Start):
            if isinstance(event, Finish):
                self.stop = event.stop
            out += self._flushed()
            out.append(event)

    def _join(self, text: str, out: list[Event]) -> None:
        self.said += len(text)
        if new := self._seam.feed(text):
            out.append(TextDelta(new))
        elif self._seam.diverged:
            self.error = NotJoined("what was to go on with a broken answer said another text instead")

    def _flushed(self) -> list[Event]:
        rest = self._seam.end()
        return [TextDelta(rest)] if rest else []

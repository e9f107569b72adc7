"""Prebuilt answers for a benchmark: a unary one of about 680 bytes and a stream of some 52 events, made once."""

from __future__ import annotations

from msgspec import Struct

from hybridge.simulator.answers import Answer, Question
from hybridge.simulator.voice import Event, Voice

#: Makes a chat completion of 680 bytes.
_UNARY = "The capital of France is Paris. It has been its centre for centuries long, and it lies on the river Seine."
_WORDS = 49


class Fixed(Struct, frozen=True):
    """One dialect's prebuilt answers. `stream_with_usage` is what `include_usage` asks for."""

    unary: bytes
    stream: tuple[Event, ...]
    stream_with_usage: tuple[Event, ...]

    @classmethod
    def of(cls, voice: Voice, model: str = "simulated") -> Fixed:
        """Ask a voice for them."""
        said = Answer(id="5f0d3c2b1a9e4d7c8b6a5f4e", created=1_763_841_600, text=_UNARY, sent=212, said=34)
        words = "".join(f"tok{number:02d} " for number in range(_WORDS)).rstrip()
        streamed = Answer(id=said.id, created=said.created, text=words, sent=212, said=_WORDS)
        question = Question(model=model)
        with_usage = Question(model=model, stream=True, include_usage=True)
        return cls(
            voice.whole(question, said),
            tuple(voice.events(Question(model=model, stream=True), streamed)),
            tuple(voice.events(with_usage, streamed)),
        )


def streams(body: bytes) -> bool:
    """Whether a body asks for a stream, without decoding it."""
    return b'"stream":true' in body or b'"stream": true' in body


def wants_usage(body: bytes) -> bool:
    """Whether a body asks for usage at the end of a stream, without decoding it."""
    return b'"include_usage":true' in body or b'"include_usage": true' in body

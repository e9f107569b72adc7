"""What a dialect offers: pure codecs between bytes and the neutral types, for both sides.

A dialect is a package below `dialects/` whose `__init__` exports what it has: `client` (a client speaks it to us) and
`provider` (we speak it to a provider). What it lacks is not there. Codecs are sans-I/O: they get bytes and give bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import (
    CONTENT,
    Chat,
    Event,
    Failed,
    Finish,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Reply,
    Start,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.errors import EmptyAnswer, GatewayError, ProviderError, Truncated
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Facts, Limits, Operation, Quirks


class Target(Struct, frozen=True):
    """What a codec must know of the deployment it encodes for.

    `model` is the provider's name, `name` the catalogue's; `max_tokens` clamps the output (`None`: no clamp);
    `images` are those fetched because the codec named them (URL → media type and base64 data).
    `drop_unsupported`: drop what cannot be carried and name it, instead of raising `CannotCarry`.
    `strip` are top-level members that a pass-through leaves out without a word (ours, a gateway's own).
    `without_reasoning`: the provider refused this conversation's reasoning (`ForeignReasoning`), so none of it goes
    there, and where its models demand some, they are told not to think.
    """

    model: str
    name: str
    stream: bool
    limits: Limits = Limits()
    quirks: Quirks = NO_QUIRKS
    max_tokens: int | None = None
    images: Mapping[str, tuple[str, str]] = {}
    drop_unsupported: bool = False
    strip: frozenset[str] = frozenset()
    without_reasoning: bool = False


class Outgoing(Struct, frozen=True):
    """A body for a provider, and what was changed or left out on the way (names for `x-hybridge-dropped`)."""

    body: bytes
    dropped: tuple[str, ...] = ()


class Peek(Struct, frozen=True):
    """What a pass-through hears in a whole answer: what it cost and why it ended."""

    usage: Usage | None
    stop: StopReason | None = None


class StreamDecoder(Protocol):
    """A provider's bytes to events. Splits may fall anywhere, also inside a UTF-8 character."""

    ended: bool

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes. Never raises: a bad stream gives a `Failed` event."""


class StreamEncoder(Protocol):
    """Events to a client's bytes."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The bytes for these events; `b""` if they say nothing to this client."""

    def finish(self) -> bytes:
        """The end of the stream, with the end marker where the dialect has one."""


class Relay(Protocol):
    """A stream on its way through: a provider's bytes in, the client's bytes out, while it listens.

    `content` turns true with the first text, reasoning, tool call or refusal; `usage` is the last one heard;
    `error` is set when the provider reports one in the stream (bytes before it are still returned by `feed`);
    `progress` counts feeds that held more than pings and comments; `stop` is the reason heard; `said` counts the
    characters of content, from which a stream that is cut short is billed.
    """

    content: bool
    progress: int
    said: int
    stop: StopReason | None
    usage: Usage | None
    error: ProviderError | None

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece."""

    def end(self) -> bytes:
        """The provider closed: the rest for the client. Sets `error` to what `verdict` says."""


class ClientChat(Protocol):
    """A client speaks it to us. Everything that can be wrong in a request raises `InvalidRequest`."""

    content_type: bytes
    stream_content_type: bytes
    #: What keeps an idle stream open, `b""` where the dialect has nothing for it.
    keep_alive: bytes

    def read_facts(self, body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
        """The facts of a request; `model` and `stream` where the path says them."""

    def check(self, facts: Facts, operation: Operation) -> None:
        """Raises `InvalidRequest` for what this operation needs and the request lacks."""

    def decode_request(self, fields: Mapping[str, Raw]) -> Chat:
        """The whole request. Raises `InvalidRequest` with the place as `param`."""

    def encode_reply(self, reply: Reply, *, request_id: str, created: int) -> bytes:
        """A whole answer. `created` is in Unix seconds."""

    def stream_encoder(self, *, model: str, include_usage: bool, request_id: str, created: int) -> StreamEncoder:
        """An encoder for one stream; `model` is what the client asked for, told until the provider names its own."""

    def encode_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The body of an error."""

    def encode_stream_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The error as the last event of a stream."""

    def encode_recovery(self, told: Mapping[str, str], *, model: str, request_id: str, created: int) -> bytes:
        """A marked event in a stream that goes on at another deployment: `told` stands in its member `hybridge`."""

    def extended(self, fields: Mapping[str, Raw], said: str, asked: str) -> dict[str, Raw]:
        """The members of a request whose conversation goes on with these words of the model, and of the user if any."""

    def encode_count(self, tokens: int) -> bytes:
        """The answer to a request to count tokens; dialects that have none raise `EndpointNotFound`."""


class ProviderChat(Protocol):
    """We speak it to a provider."""

    #: What it can carry of another dialect's request.
    carries: frozenset[str]

    def prefills(self, model: str) -> bool:
        """Whether a model, by the provider's name, goes on with words that a request puts into its mouth."""

    def path(self, model: str, *, stream: bool) -> str:
        """The path (and query) below a surface's `base_url`, with a leading `/`."""

    def adapt(self, facts: Facts, target: Target) -> Outgoing:
        """A request of the same dialect, changed only as PRODUCT.md section 5 allows."""

    def images_to_fetch(self, chat: Chat) -> tuple[str, ...]:
        """Image URLs that this dialect needs as bytes."""

    def encode_request(self, chat: Chat, target: Target) -> Outgoing:
        """A request of another dialect. Raises `CannotCarry` with the neutral or client's names."""

    def peek_reply(self, body: bytes, quirks: Quirks) -> Peek:
        """Listen to a whole answer. Raises a `ProviderError` for an error inside a 200, an empty or a malformed one."""

    def decode_reply(self, body: bytes, quirks: Quirks) -> Reply:
        """A whole answer. Raises as `peek_reply`."""

    def listener(self, *, withhold_usage: bool, quirks: Quirks) -> Relay:
        """A relay for a client of the same dialect: bytes pass unchanged, but for a usage chunk nobody asked for."""

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder:
        """A decoder for one stream."""

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
        """What an answer that is not a 200 means; `now` in Unix seconds, for a date in an answer without one."""


def appended(array: Raw | None, *elements: object) -> Raw:
    """A JSON array with further elements at its end."""
    before = b"" if array is None else bytes(array).strip()[1:-1].strip()
    more = msgspec.json.encode(elements)[1:]
    return Raw(b"[%b,%b" % (before, more) if before else b"[" + more)


def is_empty(content: bool, stop: StopReason | None, usage: Usage | None) -> bool:
    """Whether an answer says nothing at all: no content, no reason but a plain stop, no output billed."""
    if content or stop not in (None, StopReason.STOP):
        return False
    return usage is None or usage.completion_tokens == 0


def verdict(ended: bool, content: bool, stop: StopReason | None, usage: Usage | None) -> ProviderError | None:
    """What is wrong with a stream that is over: `Truncated`, `EmptyAnswer` or nothing."""
    if not ended:
        return Truncated("the stream ended without its end marker")
    if is_empty(content, stop, usage):
        return EmptyAnswer("the stream ended without any content")
    return None


def events_of(reply: Reply) -> list[Event]:
    """A whole answer as the events of a stream, for a client that asked for one and a provider that sent the other."""
    events: list[Event] = [Start(reply.id, reply.model)]
    calls = blocks = 0
    for part in reply.parts:
        if isinstance(part, Text):
            events.append(TextDelta(part.text))
        elif isinstance(part, Reasoning):
            events.append(ReasoningDelta(part.text, part.signature, part.data, part.origin, blocks))
            blocks += 1
        elif isinstance(part, Refusal):
            events.append(RefusalDelta(part.text))
        elif isinstance(part, ToolCall):
            events.append(ToolStart(calls, part.id, part.name, part.signature, part.origin))
            events.append(ToolDelta(calls, part.arguments))
            calls += 1
    return [*events, Finish(reply.stop, reply.stop_sequence), UsageEvent(reply.usage)]


class Translation:
    """A relay between two dialects: one's decoder, the other's encoder."""

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self.content = False
        self.progress = 0
        self.said = 0
        self.stop: StopReason | None = None
        self.usage: Usage | None = None
        self.error: ProviderError | None = None

    def feed(self, chunk: bytes) -> bytes:
        """What goes to the client for this piece."""
        events = self._decoder.feed(chunk)
        if not events:
            return b""
        if len(events) == 1 and isinstance(event := events[0], TextDelta):
            self.progress += 1
            self.content = True
            self.said += len(event.text)
        else:
            events = self._heard(events)
        return self._encoder.encode(events)

    def end(self) -> bytes:
        """The provider closed."""
        if self.error is None:
            self.error = verdict(self._decoder.ended, self.content, self.stop, self.usage)
        if self.error is not None:
            return b""
        return self._encoder.finish()

    def _heard(self, events: list[Event]) -> list[Event]:
        self.progress += 1
        for at, event in enumerate(events):
            if type(event) is TextDelta:
                self.content = True
                self.said += len(event.text)
            elif isinstance(event, Failed):
                self.error = event.error
                return events[:at]
            elif isinstance(event, UsageEvent):
                self.usage = event.usage
            elif isinstance(event, Finish):
                self.stop = event.stop
            elif isinstance(event, CONTENT):
                self.content = True
                self.said += len(event.arguments if isinstance(event, ToolDelta) else getattr(event, "text", ""))
        return events


class Dialect(Struct, frozen=True):
    """A wire format by name, with the codecs it has."""

    name: str
    client: ClientChat
    provider: ProviderChat

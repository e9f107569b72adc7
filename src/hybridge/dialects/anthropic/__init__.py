"""Anthropic's Messages API, for both sides.

Source: https://platform.claude.com/docs/en/api/messages, seen August 2026.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from hybridge.chat import Ask, Chat, Image, Reply
from hybridge.dialects.anthropic import errors, facts, outgoing, passthrough, reply, request
from hybridge.dialects.anthropic.encoder import Encoder, frame
from hybridge.dialects.anthropic.listener import Listener
from hybridge.dialects.anthropic.models import traits_of
from hybridge.dialects.anthropic.stream import Decoder
from hybridge.dialects.codec import Dialect, Outgoing, Peek, Relay, StreamDecoder, StreamEncoder, Target, appended
from hybridge.errors import GatewayError, ProviderError
from hybridge.types import Facts, Operation, Quirks


class Client:
    """A client speaks it to us."""

    content_type = b"application/json"
    stream_content_type = b"text/event-stream; charset=utf-8"
    keep_alive = b'event: ping\ndata: {"type": "ping"}\n\n'

    def read_facts(self, body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
        """The facts of a request to answer or to count."""
        return facts.read_facts(body, model, stream)

    def check(self, asked: Facts, operation: Operation) -> None:
        """Raises `InvalidRequest` for what this operation needs and the request lacks: an answer needs `max_tokens`."""
        if operation is Operation.CHAT:
            facts.require_max_tokens(asked)

    def decode_request(self, fields: Mapping[str, Raw]) -> Chat:
        """The whole request. Raises `InvalidRequest` with the place as `param`."""
        return request.decode_request(fields)

    def encode_reply(self, answer: Reply, *, request_id: str, created: int) -> bytes:
        """A whole answer; this dialect does not say when it was made."""
        return reply.encode_reply(answer, request_id)

    def stream_encoder(self, *, model: str, include_usage: bool, request_id: str, created: int) -> StreamEncoder:
        """An encoder for one stream; usage is always told."""
        return Encoder(model, request_id)

    def encode_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The body of an error."""
        return errors.encode_error(error, request_id)

    def encode_stream_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The error as the last event of a stream."""
        return errors.encode_stream_error(error, request_id)

    def encode_recovery(self, told: Mapping[str, str], *, model: str, request_id: str, created: int) -> bytes:
        """A marked event in a stream that goes on at another deployment."""
        return frame("ping", {"hybridge": told})

    def extended(self, fields: Mapping[str, Raw], said: str, asked: str) -> dict[str, Raw]:
        """The members of a request whose conversation goes on with these words."""
        turns = [{"role": "assistant", "content": said.rstrip() if not asked else said}]
        if asked:
            turns.append({"role": "user", "content": asked})
        return {**fields, "messages": appended(fields.get("messages"), *turns)}

    def encode_count(self, tokens: int) -> bytes:
        """The answer to a request to count tokens."""
        return msgspec.json.encode({"input_tokens": tokens})


class Provider:
    """We speak it to a provider."""

    carries: frozenset[str] = frozenset(
        {
            Ask.PARALLEL_OFF,
            Ask.STRICT_TOOLS,
            Ask.PREFILL,
            Ask.STOP_OVER_4,
            Ask.STOP_OVER_5,
            Ask.TOOL_IMAGES,
        }
    )

    def prefills(self, model: str) -> bool:
        """Older models do, newer ones refuse it."""
        return traits_of(model).prefill

    def path(self, model: str, *, stream: bool) -> str:
        """The same for every model, streamed or not."""
        return "/messages"

    def adapt(self, asked: Facts, target: Target) -> Outgoing:
        """A request of the same dialect."""
        return passthrough.adapt(asked, target)

    def images_to_fetch(self, chat: Chat) -> tuple[str, ...]:
        """Image URLs that the API does not fetch itself: those without TLS."""
        urls: dict[str, None] = {}
        for turn in chat.turns:
            for part in turn.parts:
                # A Struct's class is asked in vain at some cost.
                if type(part) is Image and part.url.lower().startswith("http://"):
                    urls[part.url] = None
        return tuple(urls)

    def encode_request(self, chat: Chat, target: Target) -> Outgoing:
        """A request of another dialect."""
        return outgoing.encode_request(chat, target)

    def peek_reply(self, body: bytes, quirks: Quirks) -> Peek:
        """Listen to a whole answer."""
        return reply.peek_reply(body, quirks)

    def decode_reply(self, body: bytes, quirks: Quirks) -> Reply:
        """A whole answer."""
        return reply.decode_reply(body, quirks)

    def listener(self, *, withhold_usage: bool, quirks: Quirks) -> Relay:
        """A relay for a client of the same dialect; usage is part of its own events, so none is withheld."""
        return Listener(quirks)

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder:
        """A decoder for one stream."""
        return Decoder(quirks)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
        """What an answer that is not a 200 means."""
        return errors.classify(status, headers, body, now)


DIALECT = Dialect("anthropic", client=Client(), provider=Provider())

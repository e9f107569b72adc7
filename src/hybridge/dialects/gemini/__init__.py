"""Gemini: generateContent, streamGenerateContent, countTokens. Source: https://ai.google.dev/api.

The model and whether it streams stand in the path; `Gemini API` and Vertex AI speak the same bodies.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from hybridge.chat import Chat, Reply
from hybridge.dialects.codec import Dialect, Outgoing, Peek, Relay, StreamDecoder, StreamEncoder, Target, appended
from hybridge.dialects.gemini import errors, facts, outgoing, passthrough, reply, request
from hybridge.dialects.gemini.listener import Listener
from hybridge.dialects.gemini.stream import Decoder
from hybridge.dialects.gemini.writer import ArrayWriter, Encoder, encode_recovery
from hybridge.errors import GatewayError, ProviderError
from hybridge.types import Facts, Operation, Quirks


class GeminiClient:
    """A client speaks it to us."""

    content_type = b"application/json; charset=UTF-8"
    stream_content_type = b"text/event-stream"
    #: Nothing: the SDKs fail on a comment.
    keep_alive = b""

    def read_facts(self, body: bytes, model: str | None = None, stream: bool | None = None) -> Facts:
        """The facts of a request to generate or to count. Raises `InvalidRequest`."""
        return facts.read_facts(body, model, stream)

    def check(self, asked: Facts, operation: Operation) -> None:
        """Nothing is needed beyond what the facts need already."""

    def decode_request(self, fields: Mapping[str, Raw]) -> Chat:
        """The whole request. Raises `InvalidRequest` with the place as `param`."""
        return request.decode_request(fields)

    def encode_reply(self, reply_: Reply, *, request_id: str, created: int) -> bytes:
        """A whole answer."""
        return reply.encode_reply(reply_, request_id=request_id, created=created)

    def stream_encoder(self, *, model: str, include_usage: bool, request_id: str, created: int) -> StreamEncoder:
        """An encoder for one stream; usage is always told."""
        return Encoder(model=model, request_id=request_id)

    def encode_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The body of an error."""
        return errors.encode_error(error, request_id=request_id)

    def encode_stream_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The error as the last event of a stream."""
        return errors.encode_stream_error(error, request_id=request_id)

    def encode_recovery(self, told: Mapping[str, str], *, model: str, request_id: str, created: int) -> bytes:
        """A marked event in a stream that goes on at another deployment."""
        return encode_recovery(told, model=model, request_id=request_id)

    def extended(self, fields: Mapping[str, Raw], said: str, asked: str) -> dict[str, Raw]:
        """The members of a request whose conversation goes on with these words."""
        turns = [{"role": "model", "parts": [{"text": said}]}]
        if asked:
            turns.append({"role": "user", "parts": [{"text": asked}]})
        return {**fields, "contents": appended(fields.get("contents"), *turns)}

    def encode_count(self, tokens: int) -> bytes:
        """The answer to `countTokens`."""
        return msgspec.json.encode({"totalTokens": tokens})


class GeminiProvider:
    """We speak it to a provider."""

    carries: frozenset[str] = outgoing.CARRIES

    def prefills(self, model: str) -> bool:
        """The API goes on with a last turn of the model."""
        return True

    def path(self, model: str, *, stream: bool) -> str:
        """The path below a `base_url` that ends in the API's version."""
        return outgoing.path(model, stream=stream)

    def adapt(self, facts: Facts, target: Target) -> Outgoing:
        """The same request, for this model."""
        return passthrough.adapt(facts, target)

    def images_to_fetch(self, chat: Chat) -> tuple[str, ...]:
        """Public addresses of pictures."""
        return outgoing.images_to_fetch(chat)

    def encode_request(self, chat: Chat, target: Target) -> Outgoing:
        """A request of another dialect. Raises `CannotCarry`."""
        return outgoing.encode_request(chat, target)

    def peek_reply(self, body: bytes, quirks: Quirks) -> Peek:
        """Usage of a whole answer. Raises a `ProviderError`."""
        return reply.peek_reply(body, quirks)

    def decode_reply(self, body: bytes, quirks: Quirks) -> Reply:
        """A whole answer. Raises a `ProviderError`."""
        return reply.decode_reply(body, quirks)

    def listener(self, *, withhold_usage: bool, quirks: Quirks) -> Relay:
        """A relay for a client of the same dialect; every chunk has usage, so none is withheld."""
        return Listener()

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder:
        """A decoder for one stream."""
        return Decoder()

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
        """What an answer that is not a 200 means."""
        return errors.classify(status, headers, body, now)


DIALECT = Dialect("gemini", client=GeminiClient(), provider=GeminiProvider())

__all__ = ["DIALECT", "ArrayWriter", "GeminiClient", "GeminiProvider"]

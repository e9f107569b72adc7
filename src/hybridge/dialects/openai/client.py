"""Clients of this dialect."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Raw

from hybridge.chat import Chat, Reply
from hybridge.dialects.codec import StreamEncoder, appended
from hybridge.dialects.openai import errors, facts, reply_out, request, stream_out
from hybridge.dialects.openai.stream_out import Encoder
from hybridge.errors import EndpointNotFound, GatewayError
from hybridge.types import Facts, Operation


class OpenAIClient:
    """A client speaks chat completions to us."""

    content_type = b"application/json"
    stream_content_type = b"text/event-stream; charset=utf-8"
    keep_alive = b": keep-alive\n\n"

    read_facts = staticmethod(facts.read_facts)

    def check(self, asked: Facts, operation: Operation) -> None:
        """Nothing is needed beyond what the facts need already."""

    def decode_request(self, fields: Mapping[str, Raw]) -> Chat:
        """The whole request. Raises `InvalidRequest` with the place as `param`."""
        return request.decode_request(fields)

    def encode_reply(self, answer: Reply, *, request_id: str, created: int) -> bytes:
        """A whole answer. `created` is in Unix seconds."""
        return reply_out.encode_reply(answer, request_id=request_id, created=created)

    def stream_encoder(self, *, model: str, include_usage: bool, request_id: str, created: int) -> StreamEncoder:
        """An encoder for one stream."""
        return Encoder(model=model, include_usage=include_usage, request_id=request_id, created=created)

    def encode_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The body of an error."""
        return errors.encode_error(error, request_id=request_id)

    def encode_stream_error(self, error: GatewayError, *, request_id: str) -> bytes:
        """The error as the last event of a stream."""
        return errors.encode_stream_error(error, request_id=request_id)

    def encode_recovery(self, told: Mapping[str, str], *, model: str, request_id: str, created: int) -> bytes:
        """A marked event in a stream that goes on at another deployment."""
        return stream_out.encode_recovery(told, model=model, request_id=request_id, created=created)

    def extended(self, fields: Mapping[str, Raw], said: str, asked: str) -> dict[str, Raw]:
        """The members of a request whose conversation goes on with these words."""
        turns = [{"role": "assistant", "content": said}]
        if asked:
            turns.append({"role": "user", "content": asked})
        return {**fields, "messages": appended(fields.get("messages"), *turns)}

    def encode_count(self, tokens: int) -> bytes:
        """This dialect has no request to count tokens. Raises `EndpointNotFound`."""
        raise EndpointNotFound(f"chat completions count no tokens (there would be {tokens})")

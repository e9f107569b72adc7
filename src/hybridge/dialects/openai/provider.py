"""Providers of this dialect."""

from __future__ import annotations

from collections.abc import Mapping

from hybridge.chat import Chat, Reply
from hybridge.dialects.codec import Outgoing, Relay, StreamDecoder, Target
from hybridge.dialects.openai import errors, outgoing, passthrough, reply
from hybridge.dialects.openai.listener import Listener
from hybridge.dialects.openai.stream import Decoder
from hybridge.errors import ProviderError
from hybridge.types import Quirks


class OpenAIProvider:
    """We speak chat completions to a provider."""

    carries: frozenset[str] = outgoing.CARRIES

    def path(self, model: str, *, stream: bool) -> str:
        """The path below a surface's `base_url`."""
        return "/chat/completions"

    def prefills(self, model: str) -> bool:
        """No: words of the assistant at the end are an earlier turn."""
        return False

    adapt = staticmethod(passthrough.adapt)

    def images_to_fetch(self, chat: Chat) -> tuple[str, ...]:
        """None: addresses are taken as they are."""
        return ()

    def encode_request(self, chat: Chat, target: Target) -> Outgoing:
        """A request of another dialect. Raises `CannotCarry`."""
        return outgoing.encode_request(chat, target)

    peek_reply = staticmethod(reply.peek_reply)

    def decode_reply(self, body: bytes, quirks: Quirks) -> Reply:
        """A whole answer. Raises as `peek_reply`."""
        return reply.decode_reply(body, quirks)

    def listener(self, *, withhold_usage: bool, quirks: Quirks) -> Relay:
        """A relay for a client of the same dialect."""
        return Listener(withhold_usage=withhold_usage, quirks=quirks)

    def stream_decoder(self, quirks: Quirks) -> StreamDecoder:
        """A decoder for one stream."""
        return Decoder(quirks)

    def classify(self, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> ProviderError:
        """What an answer that is not a 200 means."""
        return errors.classify(status, headers, body, now)

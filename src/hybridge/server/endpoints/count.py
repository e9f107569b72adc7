"""`/v1/messages/count_tokens` and `…:countTokens`: counted here, no provider is asked."""

from __future__ import annotations

import asyncio

from hybridge.dialects.codec import Dialect
from hybridge.routing.tokens import count_chat
from hybridge.server.call import Call
from hybridge.server.front import Front
from hybridge.server.intake import arrive, take_in
from hybridge.types import Operation


async def count_tokens(front: Front, call: Call, dialect: Dialect) -> None:
    """How many tokens a request would take in, as our own tokenizer counts them."""
    if not call.whole:
        await arrive(front, call)
    request = take_in(front, call, dialect, Operation.COUNT_TOKENS)
    front.router.known(request)
    if not front.counter.loaded:
        # Whoever asks for a count is to have it exact, and nobody else is to wait for the vocabulary.
        await asyncio.to_thread(front.counter.load)
    chat = dialect.client.decode_request(request.facts.fields)
    body = dialect.client.encode_count(count_chat(chat, front.counter))
    call.reply(200, body)

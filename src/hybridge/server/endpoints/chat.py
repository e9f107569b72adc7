"""`/v1/chat/completions`, `/v1/messages`, `…:generateContent`: a chat in any dialect, whole or as a stream."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hybridge.dialects.codec import Dialect
from hybridge.errors import GatewayError
from hybridge.server.call import Call
from hybridge.server.discreet import discreet
from hybridge.server.front import Front
from hybridge.server.intake import take_in
from hybridge.server.sink import HttpSink
from hybridge.types import Sink

log = logging.getLogger("hybridge.server")


async def chat(front: Front, call: Call, dialect: Dialect, framed: Callable[[Sink], Sink] | None = None) -> None:
    """Answer a chat, `framed` in another way where that is wanted; an error after the first content is the stream's
    last event."""
    request = await take_in(front, call, dialect)
    sink: Sink = HttpSink(call, request, front.rates, reveal=front.reveal)
    if framed is not None:
        sink = framed(sink)
    try:
        await front.exchange.run(request, sink)
    except GatewayError as error:
        if not sink.started:
            raise
        log.info("request %s: %s %s in mid-stream: %s", request.id, error.status, error.code, error.message)
        told = error if front.reveal else discreet(error)
        sink.end(dialect.client.encode_stream_error(told, request_id=request.id))

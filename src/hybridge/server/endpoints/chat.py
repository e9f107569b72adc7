"""`/v1/chat/completions`, `/v1/messages`, `…:generateContent`, `…:streamGenerateContent`: a chat in any dialect."""

from __future__ import annotations

from hybridge.dialects.codec import Dialect
from hybridge.errors import GatewayError
from hybridge.server.call import Call
from hybridge.server.front import Front
from hybridge.server.intake import take_in
from hybridge.server.sink import HttpSink


async def chat(front: Front, call: Call, dialect: Dialect) -> None:
    """Answer a chat, whole or as a stream; an error after the first content is the stream's last event."""
    key = front.keys.admit(call.secret())
    call.request_id = front.ids.make(key.id)
    request = await take_in(front, call, dialect, key)
    sink = HttpSink(call, request, front.rates, reveal=front.reveal)
    call.watch()
    try:
        await front.exchange.run(request, sink)
    except GatewayError as error:
        if not sink.started:
            raise
        await sink.end(dialect.client.encode_stream_error(error, request_id=request.id))
    finally:
        call.unwatch()

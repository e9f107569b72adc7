"""`/v1/chat/completions`, `/v1/messages`, `…:generateContent`: a chat in any dialect, whole or as a stream."""

from __future__ import annotations

import logging

from hybridge.dialects.codec import Dialect
from hybridge.errors import GatewayError, InternalError
from hybridge.server.call import Call
from hybridge.server.discreet import discreet
from hybridge.server.endpoints.array import ArraySink
from hybridge.server.front import Front
from hybridge.server.intake import arrive, take_in
from hybridge.server.keep_alive import KeepAlive
from hybridge.server.sink import HttpSink
from hybridge.types import Request, Sink

log = logging.getLogger("hybridge.server")


async def chat(front: Front, call: Call, dialect: Dialect, *, as_array: bool = False) -> None:
    """Answer a chat, a stream `as_array` where that is wanted; once its head is out, an error is its last event."""
    if not call.whole:
        await arrive(front, call)
    request = take_in(front, call, dialect)
    if not request.stream:
        await front.exchange.run(request, HttpSink(call, request, front.rates, reveal=front.reveal))
        return
    client = dialect.client
    content_type = ArraySink.content_type if as_array else client.stream_content_type
    keep_alive = KeepAlive(call, client.keep_alive, content_type)
    http = HttpSink(call, request, front.rates, reveal=front.reveal, keep_alive=keep_alive)
    sink: Sink = ArraySink(http) if as_array else http
    front.watch.begin(keep_alive)
    try:
        await front.exchange.run(request, sink)
    except GatewayError as error:
        if not call.answered:
            raise
        log.info("request %s: %s %s in mid-stream: %s", request.id, error.status, error.code, error.message)
        _break_off(front, dialect, request, sink, error)
    except Exception:
        if not call.answered:
            raise
        log.exception("request %s: a defect", request.id)
        defect = InternalError(f"a defect of the gateway; tell its operator {request.id}")
        _break_off(front, dialect, request, sink, defect)
    finally:
        front.watch.end(keep_alive)


def _break_off(front: Front, dialect: Dialect, request: Request, sink: Sink, error: GatewayError) -> None:
    told = error if front.reveal else discreet(error)
    sink.end(dialect.client.encode_stream_error(told, request_id=request.id))

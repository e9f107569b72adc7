"""`…:streamGenerateContent`: server-sent events with `alt=sse`, without it one JSON array that grows."""

from __future__ import annotations

from hybridge.dialects.codec import Dialect
from hybridge.server.call import Call
from hybridge.server.endpoints.chat import chat
from hybridge.server.front import Front


async def stream(front: Front, call: Call, dialect: Dialect) -> None:
    """Answer a chat as a stream, in the framing that was asked for."""
    await chat(front, call, dialect, as_array=call.query_value("alt") != "sse")

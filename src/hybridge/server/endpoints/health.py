"""`/healthz` and `/readyz`: for whoever starts, watches and replaces this process. Never depends on a provider."""

from __future__ import annotations

from hybridge.dialects.codec import Dialect
from hybridge.errors import Unavailable
from hybridge.server.call import Call
from hybridge.server.front import Front


async def alive(front: Front, call: Call, dialect: Dialect) -> None:
    """The process answers."""
    call.reply(200, b'{"status":"alive"}')


async def ready(front: Front, call: Call, dialect: Dialect) -> None:
    """Configuration loaded, listening, not draining."""
    if front.traffic.draining:
        raise Unavailable("draining: in-flight requests end, new ones go elsewhere", code="draining", retry_after=1)
    call.reply(200, b'{"status":"ready"}')

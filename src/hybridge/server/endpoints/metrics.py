"""`/metrics`: Prometheus' text, all workers together."""

from __future__ import annotations

import hmac

from hybridge.dialects.codec import Dialect
from hybridge.errors import InvalidApiKey, NotAllowed
from hybridge.observers.samples import exposition
from hybridge.server.call import Call
from hybridge.server.front import Front

#: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


async def metrics(front: Front, call: Call, dialect: Dialect) -> None:
    """Everything as it stands. Beyond loopback only with the admin token, as a bearer."""
    if not front.is_local:
        _authorise(front, call)
    traffic = front.traffic
    traffic.watching += 1
    try:
        samples = await front.samples()
    finally:
        traffic.watching -= 1
    call.reply(200, exposition(samples), CONTENT_TYPE)


def _authorise(front: Front, call: Call) -> None:
    """Raises `NotAllowed` where no token is set, `InvalidApiKey` where another one came."""
    if not front.admin_token:
        raise NotAllowed(
            "this gateway can be reached from beyond its machine, so its metrics need a token: set admin.token",
            code="endpoint_not_allowed",
        )
    if not hmac.compare_digest((call.secret() or "").encode(), front.admin_token.encode()):
        raise InvalidApiKey("the metrics of this gateway open to its admin token, sent as `Authorization: Bearer`")

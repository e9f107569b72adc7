"""`/v1/requests/{id}`: deployment, attempts and cost of one request, for the key that made it."""

from __future__ import annotations

import asyncio

import msgspec

from hybridge.dialects.codec import Dialect
from hybridge.errors import GatewayError, KeyRefused, QuotaExhausted, RateLimited
from hybridge.server.call import Call
from hybridge.server.front import Front

#: What a provider says about our key often quotes a part of it, or names our organisation.
_ABOUT_OUR_KEY = frozenset(kind.error_class for kind in (KeyRefused, QuotaExhausted, RateLimited))


class RequestNotFound(GatewayError):
    """Not an id that this gateway gave to this key."""

    status = 404
    code = "request_not_found"


async def one_request(front: Front, call: Call, dialect: Dialect) -> None:
    """What the ledger holds of a request. An id that was forged, or given to another key, is not looked up."""
    key = front.keys.admit(call.secret())
    request_id = call.params["request_id"]
    found = None
    if front.ids.is_ours(request_id, key.id):
        found = await asyncio.to_thread(front.find_request, request_id)
    if found is None:
        raise RequestNotFound(f"this key made no request {request_id[:64]}")
    for attempt in found["attempts"]:
        if attempt["error_class"] in _ABOUT_OUR_KEY:
            attempt["error"] = ""
    if not front.reveal:
        for hidden in ("deployment", "attempts", "considered"):
            del found[hidden]
    call.reply(200, msgspec.json.encode(found))

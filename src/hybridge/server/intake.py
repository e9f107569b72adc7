"""From an HTTP call to a `Request`: who asks, for what, with which options."""

from __future__ import annotations

from hybridge.dialects.codec import Dialect
from hybridge.errors import Unavailable
from hybridge.server.call import Call
from hybridge.server.front import Front
from hybridge.server.options import read_options
from hybridge.types import Operation, Request

_CHAT = Operation.CHAT


async def arrive(front: Front, call: Call) -> None:
    """Wait for the body of a call that is not whole; whoever may not in is told so before.

    Raises `InvalidApiKey`, `Unavailable` (`draining`), `RequestTooLarge`, `ClientGone`.
    """
    key = front.keys.admit(call.secret())
    call.request_id = front.ids.make(key.id)
    if front.traffic.draining:
        raise _draining()
    call.pieces = [await call.body(front.max_body)]


def take_in(front: Front, call: Call, dialect: Dialect, operation: Operation = _CHAT) -> Request:
    """Let the caller in, read the body, which has arrived, and its facts; the call has its request's id from then on.

    Raises `InvalidApiKey`, `Unavailable` (`draining`), `InvalidRequest` and its kin, `RequestTooLarge`.
    """
    key = front.keys.admit(call.secret() if front.keys.matter else None)
    now_us = front.now_us()
    if not call.request_id:
        call.request_id = front.ids.make(key.id, now_us)
    if front.traffic.draining:
        raise _draining()
    body = call.take(front.max_body)
    model = call.params.get("model")
    stream = None if model is None else call.params["verb"] == "streamGenerateContent"
    facts = dialect.client.read_facts(body, model, stream)
    dialect.client.check(facts, operation)
    options, private = read_options(facts, call.headers, front.catalog.providers)
    # By position, which costs half of what names cost.
    return Request(
        call.request_id,
        operation,
        dialect.name,
        facts.model,
        facts.stream,
        body,
        facts,
        key.id,
        key.models,
        options,
        call.headers,
        private,
        now_us,
    )


def _draining() -> Unavailable:
    said = "this gateway is being stopped; send the request again in a moment"
    return Unavailable(said, code="draining", retry_after=1)

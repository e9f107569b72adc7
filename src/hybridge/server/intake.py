"""From an HTTP call to a `Request`: who asks, for what, with which options."""

from __future__ import annotations

from hybridge.access.keys import VirtualKey
from hybridge.dialects.codec import Dialect
from hybridge.errors import Unavailable
from hybridge.server.call import Call
from hybridge.server.front import Front
from hybridge.server.options import read_options
from hybridge.types import Operation, Request


async def take_in(
    front: Front, call: Call, dialect: Dialect, key: VirtualKey, operation: Operation = Operation.CHAT
) -> Request:
    """Read the body and its facts. Raises `InvalidRequest` and its kin, `RequestTooLarge`, `ClientGone`."""
    if front.draining:
        raise Unavailable(
            "this gateway is being stopped; send the request again in a moment", code="draining", retry_after=1
        )
    body = await call.body(front.max_body)
    model = call.params.get("model")
    stream = None if model is None else call.params["verb"] == "streamGenerateContent"
    facts = dialect.client.read_facts(body, model, stream)
    dialect.client.check(facts, operation)
    options, private = read_options(facts, call.headers, front.provider_ids)
    return Request(
        id=call.request_id,
        operation=operation,
        dialect=dialect.name,
        model=facts.model,
        stream=facts.stream,
        body=body,
        facts=facts,
        key=key.id,
        allowed=key.models,
        options=options,
        headers=call.headers,
        private=private,
        created=front.now_us(),
    )

"""`/v1/route/explain`: the plan for a chat request, and why; nobody is called."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from hybridge.dialects.codec import Dialect
from hybridge.routing.explain import explain as explained
from hybridge.server.call import Call
from hybridge.server.discreet import discreet
from hybridge.server.front import Front
from hybridge.server.intake import arrive, take_in


async def explain(front: Front, call: Call, dialect: Dialect) -> None:
    """The same body as a chat request, the plan as the answer."""
    if not call.whole:
        await arrive(front, call)
    request = take_in(front, call, dialect)
    found = front.router.consider(request)
    if not front.reveal and found.error is not None:
        found = replace(found, error=discreet(found.error))
    record = explained(request, found, front.rates)
    if not front.reveal:
        for hidden in ("candidates", "chain", "clamp"):
            del record[hidden]
    call.reply(200, msgspec.json.encode(record))

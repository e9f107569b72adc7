"""`/v1/route/explain`: the plan for a chat request, and why; nobody is called."""

from __future__ import annotations

import msgspec

from hybridge.dialects.codec import Dialect
from hybridge.routing.explain import explain as explained
from hybridge.server.call import Call
from hybridge.server.front import Front
from hybridge.server.intake import take_in


async def explain(front: Front, call: Call, dialect: Dialect) -> None:
    """The same body as a chat request, the plan as the answer."""
    key = front.keys.admit(call.secret())
    call.request_id = front.ids.make(key.id)
    request = await take_in(front, call, dialect, key)
    record = explained(request, front.router.consider(request), front.rates)
    await call.reply(200, msgspec.json.encode(record))

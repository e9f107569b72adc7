"""What the endpoints may use: the rooms behind the counter, made by `app.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from msgspec import Struct, field

from hybridge.access.keys import Keys
from hybridge.access.request_ids import RequestIds
from hybridge.exchange import Exchange
from hybridge.money import Rates
from hybridge.observers.samples import Sample
from hybridge.providers.catalog import Catalog
from hybridge.routing.router import Router
from hybridge.routing.tokens import Splintr
from hybridge.server.guard import Guard
from hybridge.server.keep_alive import Watch


class Traffic(Struct):
    """What is under way in this process, over all configurations that it had.

    `draining` turns true when no new request may begin; `watching` are the requests that only look at the metrics.
    """

    in_flight: int = 0
    watching: int = 0
    draining: bool = False


async def _nothing() -> Sequence[Sample]:
    return ()


class Front(Struct):
    """One for each configuration; requests end on the one that they began on.

    `find_request` reads a ledger entry off the event loop; `samples` gathers those of all processes; `admin_token`
    opens what is not for everybody, and where `is_local` the machine's own users need none.
    """

    exchange: Exchange
    router: Router
    catalog: Catalog
    keys: Keys
    ids: RequestIds
    guard: Guard
    rates: Rates
    counter: Splintr
    find_request: Callable[[str], dict[str, Any] | None]
    now_us: Callable[[], int]
    max_body: int
    concurrency: int
    watch: Watch = field(default_factory=lambda: Watch(15.0))
    reveal: bool = True
    demo: bool = False
    traffic: Traffic = field(default_factory=Traffic)
    samples: Callable[[], Awaitable[Sequence[Sample]]] = _nothing
    is_local: bool = True
    admin_token: str = ""

"""What the endpoints may use: the rooms behind the counter, made by `app.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from hybridge.access.keys import Keys
from hybridge.access.request_ids import RequestIds
from hybridge.exchange import Exchange
from hybridge.money import Rates
from hybridge.providers.catalog import Catalog
from hybridge.routing.router import Router
from hybridge.server.guard import Guard
from hybridge.types import TokenCounter


class Front(Struct):
    """One for the life of a server.

    `find_request` reads a ledger entry off the event loop; `draining` turns true when no new request may begin.
    """

    exchange: Exchange
    router: Router
    catalog: Catalog
    keys: Keys
    ids: RequestIds
    guard: Guard
    rates: Rates
    counter: TokenCounter
    find_request: Callable[[str], dict[str, Any] | None]
    now_us: Callable[[], int]
    max_body: int
    concurrency: int
    reveal: bool = True
    demo: bool = False
    draining: bool = False
    in_flight: int = 0

    @property
    def provider_ids(self) -> frozenset[str]:
        """The ids of the configured providers."""
        return frozenset(self.catalog.providers)

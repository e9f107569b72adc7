"""The life of a request. It calls the rooms in order and decides nothing.

The router makes a plan; the walk says whom to ask next; the attempt pushes the answer into the sink; once the sink
has started there is no way back. In the end, whatever the end was, one entry is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hybridge.attempts.attempt import Attempting
from hybridge.attempts.race import Race
from hybridge.errors import ClientGone, GatewayError, ProviderError, StreamBroken
from hybridge.ledger.books import Books
from hybridge.ledger.entry import LedgerEntry
from hybridge.providers.upstream import Upstream
from hybridge.resilience.hedge import Hedging
from hybridge.resilience.retry import Walk
from hybridge.routing.router import Router
from hybridge.types import Plan, Request, Sink


class Exchange:
    """Answers requests. `walk` starts the way over a plan, `hedging` says which requests may have a copy."""

    def __init__(
        self,
        router: Router,
        walk: Callable[[Plan, Request], Walk],
        upstream: Upstream,
        books: Books,
        hedging: Callable[[Request], Hedging | None] | None = None,
    ) -> None:
        self._router = router
        self._walk = walk
        self._upstream = upstream
        self._books = books
        self._hedging = hedging

    async def run(self, request: Request, sink: Sink) -> LedgerEntry:
        """Answer a request into its sink. Raises a `GatewayError`; if the sink has started, as its last word."""
        entry = self._books.open(request)
        try:
            plan = self._router.plan(request)
            self._books.planned(entry, plan)
            await self._follow(plan, request, entry, sink)
            entry.status = 200
        except GatewayError as error:
            entry.status, entry.error_code = error.status, error.code
            error.attempts = entry.attempts
            raise
        except (ClientGone, asyncio.CancelledError):
            entry.status, entry.error_code = 499, "client_gone"
            raise
        except BaseException:
            entry.status, entry.error_code = 500, "internal_error"
            raise
        finally:
            self._books.close(entry)
        return entry

    async def _follow(self, plan: Plan, request: Request, entry: LedgerEntry, sink: Sink) -> None:
        """Ask one deployment after the other until one has answered, or nobody is left."""
        walk = self._walk(plan, request)
        attempting = self._attempting(
            request, walk, Attempting(request, plan, entry, self._upstream, self._books.now_us)
        )
        broken: StreamBroken | None = None
        while step := walk.next():
            try:
                if step.delay:
                    await asyncio.sleep(step.delay)
                step = await attempting.make(step, sink)
            except ProviderError as error:
                walk.failed(step, error)
                if sink.started:
                    broken = StreamBroken(error)
                    if not attempting.goes_on:
                        break
            except BaseException:
                walk.released(step)
                raise
            else:
                walk.succeeded(step)
                return
        raise broken or walk.verdict(request.dialect)

    def _attempting(self, request: Request, walk: Walk, attempting: Attempting) -> Attempting | Race:
        hedging = None if self._hedging is None else self._hedging(request)
        return attempting if hedging is None else Race(attempting, walk, hedging)

"""One attempt: a step of the walk is called, and what it did and cost is written into the entry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hybridge.errors import ClientGone, ProviderError
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.pricing import cut_short, settle
from hybridge.providers.upstream import Call, Upstream
from hybridge.resilience.retry import Step
from hybridge.types import Attempt, Head, Plan, Request, Sink

log = logging.getLogger(__name__)

#: Characters of content per token, for the bill of a stream that was cut short.
_CHARACTERS_PER_TOKEN = 4


class Attempting:
    """The attempts of one request, one after the other. `now_us` is UTC in microseconds."""

    __slots__ = ("_attempt", "_entry", "_now_us", "_plan", "_request", "_sink", "_upstream")

    def __init__(
        self, request: Request, plan: Plan, entry: LedgerEntry, upstream: Upstream, now_us: Callable[[], int]
    ) -> None:
        self._request = request
        self._plan = plan
        self._entry = entry
        self._upstream = upstream
        self._now_us = now_us
        self._attempt: Attempt
        self._sink: Sink

    async def make(self, step: Step, sink: Sink) -> None:
        """Call the step's deployment, into the sink. Raises what `Upstream.call` raises."""
        deployment, key = step.deployment, step.key
        call = Call(self._request, deployment, key.id, key.secret, self._plan.clamp.get(deployment.id))
        began = self._now_us()
        attempt = self._attempt = Attempt(deployment.id, deployment.provider, deployment.kind, key.id, 0, "", "", began)
        self._sink = sink
        try:
            await self._upstream.call(call, sink, self._commit)
        except ProviderError as error:
            # A provider that refuses a key may quote it.
            said = error.message.replace(call.secret, "***") if call.secret else error.message
            attempt.error_class, attempt.error = error.error_class, said
            log.warning("request %s: %s: %s: %s", self._request.id, deployment.id, error.error_class, said)
            raise
        except (ClientGone, asyncio.CancelledError):
            attempt.error_class = "client_gone"
            raise
        except BaseException:
            attempt.error_class = "internal"
            raise
        finally:
            if call.sent:
                self._close(call, attempt)

    def _commit(self, call: Call) -> None:
        """This attempt is the answer: a whole one is priced first, so that its cost can be told."""
        attempt, attempts = self._attempt, self._entry.attempts
        attempt.first_content_us = self._now_us()
        attempt.status = call.status
        attempts.append(attempt)
        head = Head(call.content_type, call.deployment, self._plan, attempts, call.dropped, call.headers)
        if self._request.stream:
            self._sink.start(head)
        else:
            attempt.ended_us = attempt.first_content_us
            attempt.usage = call.usage
            settle(attempt, call.deployment)
            self._sink.whole(head, call.body)

    def _close(self, call: Call, attempt: Attempt) -> None:
        if attempt.ended_us and not attempt.error_class:
            return
        attempt.ended_us = self._now_us()
        attempt.status = call.status
        if not attempt.first_content_us:
            self._entry.attempts.append(attempt)
        attempt.usage = call.usage
        cut = attempt.error_class == "client_gone" or (attempt.error_class and (call.said or call.usage))
        prompt = self._entry.input_estimate or 0
        consumed = cut_short(call.usage, prompt, call.said // _CHARACTERS_PER_TOKEN) if cut else None
        settle(attempt, call.deployment, consumed)

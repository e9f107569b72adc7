"""One attempt: a step of the walk is called, and what it did and cost is written into the entry."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hybridge.attempts.recovery import Recovery
from hybridge.errors import ClientGone, ForeignReasoning, ProviderError, Rejected
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.pricing import cut_short, settle
from hybridge.providers.upstream import Call, Upstream
from hybridge.resilience.retry import Step
from hybridge.types import Attempt, Head, Plan, Request, Sink

log = logging.getLogger(__name__)

#: Characters of content per token, for the bill of a stream that was cut short.
_CHARACTERS_PER_TOKEN = 4


class Attempting:
    """The attempts of one request, one after the other. `now_us` is UTC in microseconds.

    `claim` is asked when an attempt is about to become the answer, and raises where another one has.
    """

    __slots__ = (
        "_attempt",
        "_call",
        "_entry",
        "_now_us",
        "_plan",
        "_recovery",
        "_request",
        "_sink",
        "_upstream",
        "claim",
    )

    def __init__(
        self, request: Request, plan: Plan, entry: LedgerEntry, upstream: Upstream, now_us: Callable[[], int]
    ) -> None:
        self._request = request
        self._plan = plan
        self._entry = entry
        self._upstream = upstream
        self._now_us = now_us
        wanted = request.options.stream_recovery
        self._recovery = Recovery(wanted) if wanted != "error" and request.stream else None
        self._attempt: Attempt
        self._call: Call
        self._sink: Sink
        self.claim: Callable[[], None] | None = None

    def beside(self) -> Attempting:
        """Attempts of the same request at the same time; they share what is known of its stream."""
        other = Attempting(self._request, self._plan, self._entry, self._upstream, self._now_us)
        other._recovery = self._recovery
        return other

    async def make(self, step: Step, sink: Sink, *, without_reasoning: bool = False) -> Step:
        """Call the step's deployment, into the sink, and give the step back. Raises what `Upstream.call` raises."""
        deployment, key = step.deployment, step.key
        call = Call(self._request, deployment, key.id, key.secret, self._plan.clamp.get(deployment.id))
        call.rest = step.pool.rest
        call.without_reasoning = without_reasoning
        if self._recovery is not None:
            self._recovery.prepare(call)
        began = self._now_us()
        attempt = self._attempt = Attempt(deployment.id, deployment.provider, deployment.kind, key.id, 0, "", "", began)
        self._call = call
        self._sink = sink
        try:
            await self._upstream.call(call, sink, self._commit)
            return step
        except ProviderError as error:
            # A provider that refuses a key may quote it.
            said = error.message.replace(call.secret, "***") if call.secret else error.message
            attempt.error_class, attempt.error = error.error_class, said
            log.warning("request %s: %s: %s: %s", self._request.id, deployment.id, error.error_class, said)
            foreign = isinstance(error, ForeignReasoning) and not without_reasoning
            if not foreign and not self._may_ask_otherwise(error):
                raise
        except (ClientGone, asyncio.CancelledError):
            attempt.error_class = attempt.error_class or "client_gone"
            raise
        except BaseException:
            attempt.error_class = "internal"
            raise
        finally:
            if call.sent:
                self._close(call, attempt)
        return await self.make(step, sink, without_reasoning=foreign)

    def _may_ask_otherwise(self, error: ProviderError) -> bool:
        """Whether a model that refused words put into its mouth is to be told to go on with them instead.

        Nobody keeps a list of all models that refuse them.
        """
        recovery, call = self._recovery, self._call
        if recovery is None or not (isinstance(error, Rejected) and call.goes_on and recovery.prefills(call)):
            return False
        recovery.prefill = False
        return True

    @property
    def stream(self) -> bool:
        """Whether the client wants a stream."""
        return self._request.stream

    @property
    def goes_on(self) -> bool:
        """Whether the stream, which has begun and broken off, may go on at the next deployment."""
        recovery = self._recovery
        if recovery is None:
            return False
        if self._attempt.first_content_us:
            recovery.broke = self._attempt.deployment
        return recovery.may_go_on

    def lose(self) -> None:
        """Another attempt is the answer: this one is over, and billed for what it used."""
        if hasattr(self, "_call"):
            self._attempt.error_class = "hedged"
            if self._call.sent:
                self._close(self._call, self._attempt)

    def _commit(self, call: Call) -> None:
        """This attempt is the answer: a whole one is priced first, so that its cost can be told."""
        if self.claim is not None:
            self.claim()
        attempt, attempts = self._attempt, self._entry.attempts
        attempt.first_content_us = self._now_us()
        attempt.status = call.status
        attempts.append(attempt)
        if not self._request.stream:
            attempt.ended_us = attempt.first_content_us
            attempt.usage = call.usage
            settle(attempt, call.deployment)
            self._sink.whole(self._head(call), call.body)
        elif not self._sink.started:
            if self._recovery is not None:
                self._recovery.said = call.transcript
            self._sink.start(self._head(call))
        else:
            assert self._recovery is not None
            self._sink.recovered(self._recovery.wanted, self._recovery.broke, call.deployment.id)

    def _head(self, call: Call) -> Head:
        return Head(call.content_type, call.deployment, self._plan, self._entry.attempts, call.dropped, call.headers)

    def _close(self, call: Call, attempt: Attempt) -> None:
        if attempt.ended_us and (not attempt.error_class or attempt.error_class == "hedged"):
            return
        attempt.ended_us = self._now_us()
        attempt.status = call.status
        if not attempt.first_content_us:
            self._entry.attempts.append(attempt)
        attempt.usage = call.usage
        cut = call.cut or attempt.error_class in ("client_gone", "hedged")
        cut = cut or bool(attempt.error_class and (call.said or call.usage))
        prompt = self._entry.input_estimate or 0
        consumed = cut_short(call.usage, prompt, call.said // _CHARACTERS_PER_TOKEN) if cut else None
        settle(attempt, call.deployment, consumed)

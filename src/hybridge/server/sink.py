"""The client's side of an answer: ASGI messages out, and our headers on its head."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from hybridge.money import Rates, plain
from hybridge.server.call import Call, header_value
from hybridge.types import Attempt, Deployment, Head, Request

Headers = list[tuple[bytes, bytes]]


class HttpSink:
    """Pushes one answer to one client; back-pressure is the server's own flow control.

    `reveal`: the client may see which deployments were asked.
    """

    __slots__ = ("_call", "_rates", "_request", "_reveal", "started")

    def __init__(self, call: Call, request: Request, rates: Rates, *, reveal: bool) -> None:
        self._call = call
        self._request = request
        self._rates = rates
        self._reveal = reveal
        self.started = False

    async def start(self, head: Head) -> None:
        """Send the head."""
        self.started = True
        headers: Headers = [(b"content-type", head.content_type), *head.headers]
        if self._reveal:
            headers += _names(head.deployment)
            headers.append((b"x-hybridge-attempts", trail(head.attempts)))
        headers.append((b"x-hybridge-policy", head.plan.policy.encode()))
        if head.plan.variant:
            headers.append((b"x-hybridge-variant", head.plan.variant.encode()))
        if head.dropped:
            headers.append((b"x-hybridge-dropped", header_value(", ".join(head.dropped))))
        if head.length is not None:
            headers.append((b"content-length", b"%d" % head.length))
            headers += self._money(head.attempts)
        await self._call.head(200, headers)

    async def write(self, chunk: bytes) -> None:
        """Send a piece of the body."""
        await self._call.piece(chunk, more=True)

    async def end(self, last: bytes = b"") -> None:
        """The answer is whole; `last` is its last piece."""
        await self._call.piece(last, more=False)

    def _money(self, attempts: Sequence[Attempt]) -> Headers:
        """What a whole answer cost, over all attempts, and what that leaves of the request's own budget."""
        total = 0
        for attempt in attempts:
            if attempt.cost_nano_usd is None:
                return [(b"x-hybridge-cost", b"unpriced")]
            total += attempt.cost_nano_usd
        headers = [(b"x-hybridge-cost", self._rates.text(total).encode())]
        budget = self._request.options.budget
        if budget is not None:
            left = budget.amount - self._rates.amount(total, budget.currency)
            headers.append((b"x-hybridge-budget-remaining", f"{plain(left)} {budget.currency}".encode()))
        return headers


@lru_cache(maxsize=4096)
def _names(deployment: Deployment) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
    return (
        (b"x-hybridge-deployment", header_value(deployment.id)),
        (b"x-hybridge-kind", deployment.kind.encode()),
    )


def trail(attempts: Sequence[Attempt]) -> bytes:
    """`openai/gpt-4o-mini=503;openrouter/openai/gpt-4o-mini=200`: the status, or the error where that says more."""
    return header_value(";".join([f"{attempt.deployment}={_outcome(attempt)}" for attempt in attempts]))


def _outcome(attempt: Attempt) -> str:
    if attempt.error_class and attempt.status in (0, 200):
        return attempt.error_class
    return str(attempt.status)

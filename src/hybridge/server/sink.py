"""The client's side of an answer, and our headers on its head."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from hybridge.dialects import dialect
from hybridge.errors import ClientGone
from hybridge.money import Rates, plain
from hybridge.server.call import Call, header, header_value
from hybridge.server.keep_alive import KeepAlive
from hybridge.types import Attempt, Deployment, Head, Request


class HttpSink:
    """Pushes one answer to one client; back-pressure is the server's own flow control.

    `reveal`: the client may see which deployments were asked. `keep_alive` watches a stream.
    """

    __slots__ = ("_call", "_keep_alive", "_rates", "_request", "_reveal", "started")

    def __init__(
        self, call: Call, request: Request, rates: Rates, *, reveal: bool, keep_alive: KeepAlive | None = None
    ) -> None:
        self._call = call
        self._request = request
        self._rates = rates
        self._reveal = reveal
        self._keep_alive = keep_alive
        self.started = False

    async def drain(self) -> None:
        """Wait while the client is slow."""
        await self._call.drain()

    def whole(self, head: Head, body: bytes) -> None:
        """Send a whole answer, and what it cost."""
        self.started = True
        lines = self._lines(head)
        self._add_money(head.attempts, lines)
        self._call.answer(200, lines, body)

    def start(self, head: Head) -> None:
        """Send the head of a stream, if it has not gone out while the client waited."""
        self.started = True
        if not self._call.answered:
            self._call.head(200, self._lines(head))

    def recovered(self, how: str, origin: str, to: str) -> None:
        """Send the event that says where the stream goes on."""
        self.write(self.recovery(how, origin, to))

    def recovery(self, how: str, origin: str, to: str) -> bytes:
        """The event that says so."""
        request = self._request
        told = {"event": how, "from": origin, "to": to} if self._reveal else {"event": how}
        created = request.created // 1_000_000
        encode = dialect(request.dialect).client.encode_recovery
        return encode(told, model=request.model, request_id=request.id, created=created)

    def _lines(self, head: Head) -> list[bytes]:
        attempts = head.attempts
        if self._reveal and len(attempts) == 1 and not attempts[0].error_class:
            lines = [_usual(head.content_type, head.plan.policy, head.deployment, attempts[0].status)]
        else:
            lines = [_content_type(head.content_type), _policy(head.plan.policy)]
            if self._reveal:
                lines += _names(head.deployment)
                lines.append(header(b"x-hybridge-attempts", trail(attempts)))
        for name, value in head.headers:
            lines.append(header(name, value))
        if head.plan.variant:
            lines.append(header(b"x-hybridge-variant", header_value(head.plan.variant)))
        if head.dropped:
            lines.append(header(b"x-hybridge-dropped", header_value(", ".join(head.dropped))))
        return lines

    def write(self, chunk: bytes) -> bool:
        """Send a piece of the body; `False` where the client is slow."""
        if self._keep_alive is not None:
            self._keep_alive.spoke = True
        call = self._call
        if call.gone:
            raise ClientGone("the client left")
        # As `Call.piece` does: nearly all that streams bring comes here.
        return call.wire.send(chunk, True)

    def end(self, last: bytes = b"") -> None:
        """The answer is whole; `last` is its last piece."""
        if self._keep_alive is not None:
            # What is done after the answer, such as ending its copy, may take as long as a silence.
            self._keep_alive.over = True
        self._call.piece(last, False)

    def _add_money(self, attempts: Sequence[Attempt], lines: list[bytes]) -> None:
        """What a whole answer cost, over all attempts, and what that leaves of the request's own budget."""
        total = 0
        for attempt in attempts:
            if attempt.cost_nano_usd is None:
                lines.append(b"x-hybridge-cost: unpriced\r\n")
                return
            total += attempt.cost_nano_usd
        lines.append(b"x-hybridge-cost: %b\r\n" % self._rates.text(total).encode())
        budget = self._request.options.budget
        if budget is not None:
            left = budget.amount - self._rates.amount(total, budget.currency)
            lines.append(f"x-hybridge-budget-remaining: {plain(left)} {budget.currency}\r\n".encode())


@lru_cache(maxsize=4096)
def _names(deployment: Deployment) -> tuple[bytes, bytes]:
    return (
        header(b"x-hybridge-deployment", header_value(deployment.id)),
        header(b"x-hybridge-kind", deployment.kind.encode()),
    )


@lru_cache(maxsize=256)
def _content_type(value: bytes) -> bytes:
    return header(b"content-type", value)


@lru_cache(maxsize=256)
def _policy(name: str) -> bytes:
    return header(b"x-hybridge-policy", header_value(name))


@lru_cache(maxsize=4096)
def _usual(content_type: bytes, policy: str, deployment: Deployment, status: int) -> bytes:
    """The lines of an answer that the first one asked has given."""
    asked = header(b"x-hybridge-attempts", header_value(f"{deployment.id}={status}"))
    return b"".join((_content_type(content_type), _policy(policy), *_names(deployment), asked))


def trail(attempts: Sequence[Attempt]) -> bytes:
    """`openai/gpt-4o-mini=503;openrouter/openai/gpt-4o-mini=200`: the status, or the error where that says more."""
    return header_value(";".join([f"{attempt.deployment}={_outcome(attempt)}" for attempt in attempts]))


def _outcome(attempt: Attempt) -> str:
    if attempt.error_class and attempt.status in (0, 200):
        return attempt.error_class
    return str(attempt.status)

"""What is written down of an attempt when our own code fails."""

from __future__ import annotations

import pytest

from hybridge.attempts.attempt import Attempting
from hybridge.ledger.entry import LedgerEntry
from hybridge.providers.upstream import Call, Commit, Upstream
from hybridge.resilience.breaker import CircuitBreaker
from hybridge.resilience.gate import Gate
from hybridge.resilience.keys import Key, KeyPool
from hybridge.resilience.retry import Step
from hybridge.types import Deployment, Facts, Head, Kind, Operation, Plan, Request, Sink, Surface

DEPLOYMENT = Deployment("p/x", "p", "x", "x", Kind.DIRECT, Surface("openai", "http://127.0.0.1:9/v1"))
GATE = Gate(CircuitBreaker(), CircuitBreaker(), 1, lambda: 0.0)
STEP = Step(DEPLOYMENT, Key("id", "secret"), 0.0, 1, 0, GATE, KeyPool(["secret"], lambda: 0.0))
REQUEST = Request("req_1", Operation.CHAT, "openai", "x", False, b"{}", Facts("x", False, {}))


class Nowhere:
    """A sink that nobody reads."""

    started = False

    async def drain(self) -> None:
        """Nothing."""

    def whole(self, head: Head, body: bytes) -> None:
        """Nothing."""

    def start(self, head: Head) -> None:
        """Nothing."""

    def recovered(self, how: str, origin: str, to: str) -> None:
        """Nothing."""

    def write(self, chunk: bytes) -> bool:
        """Nothing."""
        return True

    def end(self, last: bytes = b"") -> None:
        """Nothing."""


class Defective(Upstream):
    """Fails as only a defect does, before or after the provider was called."""

    def __init__(self, *, sent: bool) -> None:
        self._sent = sent

    async def call(self, call: Call, sink: Sink, commit: Commit) -> None:
        call.sent = self._sent
        raise ZeroDivisionError


async def entry_after(upstream: Upstream) -> LedgerEntry:
    """The entry of a request whose only attempt ended in a defect."""
    entry = LedgerEntry("req_1", 1, "chat", "openai", "x", attempts=[])
    attempting = Attempting(REQUEST, Plan((DEPLOYMENT,), "hybrid"), entry, upstream, lambda: 7)
    with pytest.raises(ZeroDivisionError):
        await attempting.make(STEP, Nowhere())
    return entry


async def test_a_defect_of_ours_is_no_client_that_left() -> None:
    (attempt,) = (await entry_after(Defective(sent=True))).attempts
    assert (attempt.error_class, attempt.ended_us) == ("internal", 7)


async def test_what_was_never_sent_is_no_attempt() -> None:
    assert (await entry_after(Defective(sent=False))).attempts == []

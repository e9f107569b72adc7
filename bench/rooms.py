"""What each room costs per request, in process: `python -m bench.rooms`. CPU microseconds, the best of several runs."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.cases import body
from bench.upstream import _UNARY, _openai_events
from hybridge import app
from hybridge.access.request_ids import RequestIds
from hybridge.attempts.attempt import Attempting
from hybridge.config import load
from hybridge.dialects import dialect
from hybridge.dialects.codec import Target
from hybridge.dialects.continuing import Transcript
from hybridge.ledger.books import Books
from hybridge.ledger.entry import encoded
from hybridge.ledger.journal import Journal
from hybridge.ledger.pricing import settle
from hybridge.ledger.store import MemoryLedger
from hybridge.observers.health import Health
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.keys import KeyPool
from hybridge.resilience.retry import Walk
from hybridge.server.options import read_options
from hybridge.types import NO_QUIRKS, Attempt, Operation, Request

_CONFIG = {
    "providers": {"p": {"kind": "direct", "dialect": "openai", "base_url": "http://127.0.0.1:1/v1", "keys": ["k"]}},
    "models": {"burst": {"deployments": ["p/gpt-4o-mini"], "price": {"p/gpt-4o-mini": {"input": 0.15, "output": 0.6}}}},
}


def cost(work: Callable[[], object], times: int = 5000, rounds: int = 5) -> float:
    """CPU microseconds of one call."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time_ns()
        for _ in range(times):
            work()
        best = min(best, (time.process_time_ns() - began) / times / 1000)
    return best


def rooms() -> dict[str, Callable[[], object]]:
    """What a request asks of each room, by name."""
    assembled = app.assemble(load(_CONFIG, {}))
    codec = dialect("openai")
    wire = body("burst", False).encode()
    facts = codec.client.read_facts(wire)
    request = Request("req_1", Operation.CHAT, "openai", "burst", False, wire, facts, created=1)
    plan = assembled.router.plan(request)
    (deployment,) = plan.deployments
    target = Target(deployment.model, deployment.name, False, limits=deployment.limits)
    ids = RequestIds(b"x" * 32, now_us=app.now_us)
    breakers = Breakers(clock=time.monotonic, chance=random.Random(1))
    pools = {"p": KeyPool(["k"], time.monotonic)}
    books = Books(MemoryLedger(), assembled.rates, app.now_us)
    answer = _UNARY[False].partition(b"\r\n\r\n")[2]
    usage = codec.provider.peek_reply(answer, NO_QUIRKS).usage
    headers = {b"host": b"127.0.0.1:8080", b"content-type": b"application/json"}
    known = frozenset(("p",))

    def walked() -> None:
        walk = Walk(plan.deployments, breakers, pools)
        step = walk.next()
        assert step is not None
        walk.succeeded(step)

    def settled() -> None:
        attempt = Attempt(deployment.id, "p", "direct", usage=usage)
        settle(attempt, deployment)

    health = Health(lambda: 2_000_000)
    answered = Attempt(deployment.id, "p", "direct", started_us=1_000_000, ended_us=1_800_000, usage=usage)
    entry = books.open(request)
    entry.ended_us = 2_000_000
    entry.attempts.append(answered)
    event = _openai_events()[5]
    listener = codec.provider.listener(withhold_usage=False, quirks=NO_QUIRKS)
    decoder, transcript = codec.provider.stream_decoder(NO_QUIRKS), Transcript()
    # What is mapped stays when its name is gone.
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "ledger.db")

    def journalled() -> None:
        journal.add(encoded(entry))
        journal.kept += 1

    def taken_down() -> None:
        transcript.hear(decoder.feed(event))
        transcript.pieces.clear()

    return {
        "access: request id": lambda: ids.make("open"),
        "dialects: facts": lambda: codec.client.read_facts(wire),
        "server: options": lambda: read_options(facts, headers, known),
        "routing: plan": lambda: assembled.router.plan(request),
        "resilience: walk": walked,
        "dialects: adapt": lambda: codec.provider.adapt(facts, target),
        "dialects: peek at the answer": lambda: codec.provider.peek_reply(answer, NO_QUIRKS),
        "ledger: settle": settled,
        "ledger: open and close": lambda: books.close(books.open(request)),
        "ledger: into the journal": journalled,
        "observers: health": lambda: health.count(entry),
        "money: cost as text": lambda: assembled.rates.text(85_500),
        "dialects: listen to a chunk": lambda: listener.feed(event),
        "attempts: take a chunk down, for `continue`": taken_down,
        "attempts: set up": lambda: Attempting(request, plan, books.open(request), None, app.now_us),  # type: ignore[arg-type]
    }


def main() -> None:
    """Print a line for each room."""
    total = 0.0
    for name, work in rooms().items():
        spent = cost(work)
        total += spent
        print(f"{name:46}{spent:8.2f} us")
    print(f"{'all of them':46}{total:8.2f} us")


if __name__ == "__main__":
    main()

"""`python -m bench.soak`: many requests of all sorts, what memory does meanwhile, and whether the accounts are whole.

Exits 1 if memory grows by more than 1 MB per 100,000 requests (told only of a run of at least as many), or if the
ledger does not have one entry for each request and one attempt for each call that reached a provider.
"""

from __future__ import annotations

import argparse
import contextlib
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.cases import BURST, CHAT, MESSAGES, TRANSLATED, UNARY, Case
from bench.gateways import Gateway, hybridge, upstream
from bench.processes import end_in_order, resident_mb, tree
from bench.report import Cell, Table, introduction, show, write
from bench.rounds import SETTLED_S, counts, load

#: Of ten requests: five pass through, two are translated, two fail at first, one where the breaker soon is open.
MIXTURE = (
    UNARY,
    BURST,
    UNARY,
    TRANSLATED,
    UNARY,
    Case("every fifth call fails", "flaky", CHAT, False, 0),
    BURST,
    Case("stream, OpenAI to Anthropic", "translated", CHAT, True, 0, straight=MESSAGES),
    Case("stream, every fifth call fails", "flaky", CHAT, True, 0),
    Case("every call fails", "dead", CHAT, False, 0),
)

#: Requests between two looks at the memory.
PART = 4000
CONNECTIONS = 32
MOST_MB = 1.0
LONG_ENOUGH = 100_000

_GAPS = """
    SELECT count(*) FROM (
        SELECT id FROM requests LEFT JOIN attempts ON request_id = id
        GROUP BY id HAVING count(number) = 0 OR max(number) <> count(*)
    )
"""


class Sample(NamedTuple):
    """Resident memory in MB after so many requests."""

    requests: int
    supervisor_mb: float
    worker_mb: float


class Accounts(NamedTuple):
    """What the ledger has. `gaps` are entries without an attempt, or with a number left out."""

    entries: int
    attempts: int
    failed: int
    gaps: int


def main() -> None:
    """Send the requests, print what there is to tell, exit 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=20.0, help="it ends then, with fewer requests if need be")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    end_in_order()
    print(introduction(), flush=True)
    with tempfile.TemporaryDirectory() as name:
        table, wrong = soaked(given.requests, given.minutes * 60, Path(name))
    show(table)
    if given.json:
        write(given.json, [table])
    for sentence in wrong:
        print(f"wrong: {sentence}", file=sys.stderr)
    sys.exit(1 if wrong else 0)


def soaked(requests: int, seconds: float, folder: Path) -> tuple[Table, list[str]]:
    """What was measured, and what is wrong with it."""
    ledger = folder / "soak" / "bench.db"
    began = time.perf_counter()
    with upstream() as provider:
        with hybridge(provider, folder / "soak") as gateway:
            while not accounts(ledger).entries:
                time.sleep(0.05)  # The first answer's entry is on its way.
            before, reached = accounts(ledger), counts(provider)
            samples = []
            for sample in _samples(gateway, requests, time.perf_counter() + seconds):
                samples.append(sample)
                print(f"{sample.requests:9,}: {sample.supervisor_mb:.2f} + {sample.worker_mb:.2f} MB", flush=True)
        # It has ended by now, so all is written.
        after, calls = accounts(ledger), counts(provider)
    kept = Accounts(*(new - old for new, old in zip(after, before, strict=True)))
    called, failures = (calls[name] - reached[name] for name in ("requests", "failed"))
    sent = samples[-1].requests
    slopes = [slope(samples, figure) for figure in (1, 2)]
    rows: list[Sequence[Cell]] = [
        ["requests answered", str(sent)],
        ["seconds", time.perf_counter() - began],
        ["calls that reached the provider", str(called)],
        ["of them answered 500", str(failures)],
        ["entries in the ledger", str(kept.entries)],
        ["attempts in the ledger", str(kept.attempts)],
        ["of them failed", str(kept.failed)],
        ["supervisor, resident at last, MB", samples[-1].supervisor_mb],
        ["worker, resident at last, MB", samples[-1].worker_mb],
        ["supervisor, MB per 100,000 requests", slopes[0]],
        ["worker, MB per 100,000 requests", slopes[1]],
    ]
    judged = "" if sent >= LONG_ENOUGH else f" Below {LONG_ENOUGH:,} requests the slope is no verdict."
    note = f"Slopes are least squares over all but the first quarter.{judged}"
    return Table("Soak", ("", "Hybridge"), rows, note), wrong_with(kept, Accounts(sent, called, failures, 0), samples)


def _samples(gateway: Gateway, requests: int, until: float) -> Iterator[Sample]:
    """Memory after each part of the requests; fewer are sent if time runs out."""
    asked = [gateway.asked(case) for case in MIXTURE]
    (worker,) = tree(gateway.pid)[1:]
    done = 0
    while done < requests and (left := until - time.perf_counter()) > 0:
        part = min(PART, requests - done, max(100, requests // 4))
        done += load(gateway, asked, CONNECTIONS, part, seconds=left).requests
        time.sleep(SETTLED_S)
        own = resident_mb(worker)
        yield Sample(done, resident_mb(gateway.pid) - own, own)


def slope(samples: Sequence[Sample], figure: int) -> float:
    """MB per 100,000 requests: a straight line through all samples but those of the first quarter."""
    later = [each for each in samples if each.requests > samples[-1].requests / 4]
    if len(later) < 2:
        return 0.0
    line = statistics.linear_regression([each.requests for each in later], [each[figure] for each in later])
    return line.slope * 100_000


def accounts(file: Path) -> Accounts:
    """What a ledger has so far."""
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        questions = (
            "SELECT count(*) FROM requests",
            "SELECT count(*) FROM attempts",
            "SELECT count(*) FROM attempts WHERE status = 500",
            _GAPS,
        )
        return Accounts(*(database.execute(question).fetchone()[0] for question in questions))


def wrong_with(kept: Accounts, right: Accounts, samples: Sequence[Sample]) -> list[str]:
    """A sentence for each account that is not right, and for memory that grows too much in a run long enough."""
    named = zip(("entries", "attempts", "failed attempts"), kept, right, strict=False)
    wrong = [f"{found} {what} in the ledger, {due} are right" for what, found, due in named if found != due]
    if kept.gaps:
        wrong.append(f"{kept.gaps} entries of the ledger lack an attempt")
    if not kept.failed:
        wrong.append("nothing failed, so no fallback was tried")
    grown = slope(samples, 1) + slope(samples, 2)
    if samples and samples[-1].requests >= LONG_ENOUGH and grown > MOST_MB:
        wrong.append(f"memory grows by {grown:.2f} MB per 100,000 requests, {MOST_MB:.0f} MB is allowed")
    return wrong


if __name__ == "__main__":
    main()

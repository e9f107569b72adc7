"""Entries are opened and closed; what the router considered is told once for all requests that share it."""

from __future__ import annotations

import datetime as dt
import gc
from decimal import Decimal

from hybridge.ledger.books import Books
from hybridge.ledger.entry import LedgerEntry, record_of
from hybridge.ledger.store import MemoryLedger
from hybridge.money import Money, Rate, rates
from hybridge.types import Considered, Facts, Operation, Options, Plan, Request

from .records import NOON, deployment

RATES = rates("EUR", {"EUR": Rate("EUR", Decimal("0.90"), dt.date(2026, 11, 22))})


def request(**more: object) -> Request:
    made = Request(
        "req_1", Operation.CHAT, "openai", "m", True, b"", Facts("m", True, {}, input_bytes=43), created=NOON
    )
    for name, value in more.items():
        setattr(made, name, value)
    return made


def told(entry: LedgerEntry) -> list[tuple[str, str]]:
    return [(one["deployment"], one["reason"]) for one in record_of(entry)["considered"]]


def test_an_entry_says_who_asked_what() -> None:
    seen: list[LedgerEntry] = []
    ledger = MemoryLedger()
    books = Books(ledger, RATES, lambda: NOON + 5, [seen.append])
    options = Options(user="u", session="s", tags=("t",), budget=Money(Decimal("1E-7"), "VND"))
    entry = books.open(request(key="vk", options=options))
    books.close(entry)
    assert ledger.entries == seen == [entry]
    record = record_of(entry)
    assert (record["started_us"], record["ended_us"], record["input_estimate"]) == (NOON, NOON + 5, 10)
    assert (record["operation"], record["dialect"], record["model"], record["stream"]) == ("chat", "openai", "m", True)
    assert (record["key_id"], record["user"], record["session"], record["tags"]) == ("vk", "u", "s", ["t"])
    assert (record["budget_amount"], record["budget_currency"]) == ("0.0000001", "VND")
    assert (entry.currency, entry.rate, entry.rate_date) == ("EUR", "0.90", "2026-11-22")
    assert books.open(request()).budget is None


def test_a_plan_is_noted_with_what_was_considered() -> None:
    books = Books(MemoryLedger(), RATES, lambda: NOON)
    entry = books.open(request())
    assert told(entry) == []
    considered = (Considered(deployment()), Considered(deployment("old"), reason="lacks vision"))
    plan = Plan((), "hybrid", considered, variant="b")
    books.planned(entry, plan)
    assert (entry.policy, entry.variant) == ("hybrid", "b")
    assert told(entry) == [("house/mini", ""), ("house/old", "lacks vision")]
    other = books.open(request())
    books.planned(other, plan)
    assert other.considered is entry.considered, "it was encoded once"


class Watched(tuple[Considered, ...]):
    """Counts those of its kind that live."""

    alive = 0

    def __del__(self) -> None:
        Watched.alive -= 1


def test_each_plan_has_its_own_considered_however_many_there_are() -> None:
    """Objects that are gone leave their place to others, and not all are kept."""
    books = Books(MemoryLedger(), RATES, lambda: NOON)
    for number in range(2000):
        entry = books.open(request())
        Watched.alive += 1
        books.planned(entry, Plan((), "hybrid", Watched([Considered(deployment(), reason=str(number))])))
        assert told(entry) == [("house/mini", str(number))]
    gc.collect()
    assert Watched.alive < 300

"""Questions to the ledger, asked of real files."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.errors import ConfigError
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.reports import GROUPINGS, By, Spend, spend, spent
from hybridge.ledger.store import SqliteLedger
from hybridge.money import Rate, Usage, rates

from .records import NOON, attempt, entry

RATES = rates("VND", {"EUR": Rate("EUR", Decimal("0.9"), dt.date(2026, 11, 22))})
HOUR = 3_600_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def keep(path: Path, *entries: LedgerEntry) -> None:
    ledger = SqliteLedger(path)
    for each in entries:
        ledger.append(each)
    ledger.close()


def by(path: Path, grouping: By, since_us: int = 0, currency: str | None = None, zone: str = "UTC") -> dict[str, Spend]:
    rows = spend(path, grouping, RATES, since_us=since_us, currency=currency, zone=zone)
    return {row.group: row for row in rows}


def test_an_empty_ledger_has_no_rows(path: Path) -> None:
    keep(path)
    assert spend(path, "provider", RATES) == []


def test_a_ledger_that_is_not_there_is_not_made(path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger at"):
        spend(path, "provider", RATES)
    assert not path.exists()


def test_everything_is_counted_where_it_belongs(path: Path) -> None:
    keep(
        path,
        entry(
            1, attempt("house/mini", 0, error="broken"), attempt("shop/mini", 100, Usage(3, 2, output=5, reasoning=1))
        ),
        entry(2, attempt("house/mini", 50), key="app", user="lan"),
        entry(3, attempt("house/mini", None), key="app", model="auto"),
        entry(4, attempt("house/big", 0, error="broken"), status=502, error_code="all_deployments_failed"),
        entry(5, status=402, error_code="budget_exceeded", attempts=[]),
    )
    provider = by(path, "provider")
    assert provider["house"] == Spend("house", 4, 1, 4, 2, 4, 60, 50, 1, Decimal("0.001315"), Decimal(0))
    assert provider["shop"] == Spend("shop", 1, 0, 1, 0, 5, 6, 100, 0, Decimal("0.00263"), Decimal(0))
    assert provider.keys() == {"house", "shop"}
    deployment = by(path, "deployment")
    assert {name: (row.requests, row.attempts) for name, row in deployment.items()} == {
        "house/mini": (3, 3),
        "house/big": (1, 1),
        "shop/mini": (1, 1),
    }
    key = by(path, "key")
    assert {name: (row.requests, row.errors, row.attempts, row.unpriced) for name, row in key.items()} == {
        "open": (3, 2, 3, 0),
        "app": (2, 0, 2, 1),
    }
    assert {name: row.requests for name, row in by(path, "user").items()} == {"": 4, "lan": 1}
    assert {name: row.cost_nano_usd for name, row in by(path, "model").items()} == {"gpt-4o-mini": 150, "auto": 0}
    assert by(path, "model")["auto"].unpriced == 1
    assert by(path, "day")["2026-09-21"].requests == 5


def test_the_most_expensive_comes_first_and_days_in_their_order(path: Path) -> None:
    day = 24 * HOUR
    keep(
        path,
        entry(1, attempt("a/m", 1)),
        entry(2, attempt("b/m", 9), started_us=NOON + day),
        entry(3, attempt("c/m", 5), started_us=NOON - day),
    )
    assert [row.group for row in spend(path, "provider", RATES)] == ["b", "c", "a"]
    assert [row.group for row in spend(path, "day", RATES)] == ["2026-09-20", "2026-09-21", "2026-09-22"]


def test_days_begin_at_midnight_of_a_zone(path: Path) -> None:
    late = NOON + 3 * HOUR  # 17:13 UTC is after midnight in Vietnam
    keep(path, entry(1), entry(2, started_us=late))
    assert {name: row.requests for name, row in by(path, "day").items()} == {"2026-09-21": 2}
    local = by(path, "day", zone="Asia/Ho_Chi_Minh")
    assert {name: row.requests for name, row in local.items()} == {"2026-09-21": 1, "2026-09-22": 1}


def test_only_what_began_since_then(path: Path) -> None:
    keep(path, entry(1), entry(2, started_us=NOON + 1))
    assert by(path, "key", NOON + 1)["open"].requests == 1
    assert by(path, "key", NOON)["open"].requests == 2


def test_an_amount_keeps_the_rate_of_its_own_day(path: Path) -> None:
    keep(
        path,
        entry(1, attempt(cost=1_000_000_000), rate="25000"),
        entry(2, attempt(cost=1_000_000_000), rate="26000.5"),
        entry(3, attempt(cost=1_000_000_000), currency="USD", rate="1"),
    )
    row = by(path, "key")["open"]
    assert (row.amount, row.converted) == (Decimal("77300.5"), Decimal(26300))
    usd = by(path, "key", currency="USD")["open"]
    assert (usd.amount, usd.converted) == (Decimal(3), Decimal(2))
    euro = by(path, "key", currency="EUR")["open"]
    assert (euro.amount, euro.converted) == (Decimal("2.7"), Decimal("2.7"))


def test_the_example_of_the_product_page(path: Path) -> None:
    keep(path, entry(1, attempt(cost=18_300)))
    assert by(path, "model")["gpt-4o-mini"].amount == Decimal("0.48129")


@pytest.mark.parametrize(
    ("grouping", "currency", "zone", "said"),
    [
        ("colour", None, "UTC", "cannot group by 'colour'"),
        ("day", "XYZ", "UTC", "no rate for XYZ"),
        ("day", None, "Middle/Earth", "no time zone 'Middle/Earth'"),
        ("day", None, "../etc/passwd", "no time zone"),
    ],
)
def test_a_question_that_makes_no_sense(path: Path, grouping: By, currency: str | None, zone: str, said: str) -> None:
    keep(path)
    with pytest.raises(ValueError, match=said):
        by(path, grouping, 0, currency, zone)


costs = st.lists(st.lists(st.none() | st.integers(0, 10**12), max_size=4), max_size=12)


@given(costs)
@settings(max_examples=20)
def test_every_grouping_gives_the_same_sum(
    tmp_path_factory: pytest.TempPathFactory, each: list[list[int | None]]
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.db"
    keep(
        path,
        *(
            entry(
                number,
                attempts=[attempt(f"p{place}/m", cost) for place, cost in enumerate(attempts)],
                key=f"key{number % 3}",
                started_us=NOON + number * 7 * HOUR,
            )
            for number, attempts in enumerate(each)
        ),
    )
    known = [cost for attempts in each for cost in attempts if cost is not None]
    for grouping in GROUPINGS:
        rows = spend(path, grouping, RATES)
        assert sum(row.cost_nano_usd for row in rows) == sum(known)
        assert sum(row.amount for row in rows) == RATES.amount(sum(known))
        assert sum(row.attempts for row in rows) == sum(map(len, each))
        assert sum(row.unpriced for row in rows) == sum(attempts.count(None) for attempts in each)


def test_what_one_key_has_spent_since_a_time(path: Path) -> None:
    foreign = attempt(cost=1000)
    foreign.key_id = "probe"
    keep(
        path,
        entry(1, attempt(cost=5), attempt(cost=None), attempt(cost=7), key="probe"),
        entry(2, attempt(cost=100), key="probe", started_us=NOON - 1),
        entry(3, foreign, key="app"),
        entry(4, attempt(cost=3), key='pro"be'),
    )
    assert (spent(path, "probe", NOON), spent(path, "probe", 0)) == (12, 112)
    assert (spent(path, 'pro"be', 0), spent(path, "nobody", 0)) == (3, 0)

"""Looking requests up: the newest first, page by page, only those that are wanted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybridge.errors import ConfigError
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.search import Filter, latest, one
from hybridge.ledger.store import SqliteLedger

from .records import NOON, attempt, entry, full_entry


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def keep(path: Path, *entries: LedgerEntry) -> None:
    ledger = SqliteLedger(path)
    for each in entries:
        ledger.append(each)
    ledger.close()


def numbers(entries: object) -> list[int]:
    return [int(each.id[4:], 16) for each in entries]  # type: ignore[attr-defined]


def test_pages_follow_each_other_without_a_gap_also_within_one_microsecond(path: Path) -> None:
    keep(path, *(entry(number, started_us=NOON + number // 4) for number in range(1, 12)))
    found: list[int] = []
    before: str | None = None
    while True:
        page = latest(path, 3, Filter(), before)
        found += numbers(page.entries)
        if page.next is None:
            break
        before = page.next
    assert found == list(range(11, 0, -1))
    # A request that comes later does not move the pages.
    keep(path, entry(99, started_us=NOON + 99))
    assert numbers(latest(path, 3, Filter(), before).entries) == numbers(page.entries)
    assert numbers(latest(path, 1, Filter()).entries) == [99]


def test_of_many_only_so_many_are_looked_at_and_the_next_page_goes_on_there(path: Path) -> None:
    keep(path, *(entry(number, started_us=NOON + number, status=500 if number == 1 else 200) for number in range(1, 9)))
    page = latest(path, 5, Filter(status=500), most=4)
    assert (page.entries, page.next) == ([], f"req_{5:032x}")
    page = latest(path, 5, Filter(status=500), page.next, most=5)
    assert (numbers(page.entries), page.next) == ([1], None)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(), {1, 2, 7}),
        (Filter(deployment="house/mini"), {1, 7}),
        (Filter(deployment="shop/mini"), {2, 7}),
        (Filter(provider="shop"), {2, 7}),
        (Filter(provider="shop", deployment="house/mini"), set()),
        (Filter(model="big"), {2}),
        (Filter(key="vk_app"), {7}),
        (Filter(status=502), {2}),
        (Filter(error_code="all_deployments_failed"), {2}),
        (Filter(status=200, model="gpt-4o-mini"), {1, 7}),
        (Filter(model="gpt"), set()),
    ],
)
def test_only_what_is_wanted(path: Path, wanted: Filter, found: set[int]) -> None:
    failed = entry(2, attempt("shop/mini", 0, error="broken"), model="big", status=502)
    failed.error_code = "all_deployments_failed"
    keep(path, entry(1), failed, full_entry())
    assert set(numbers(latest(path, 9, wanted).entries)) == found


def test_one_request_and_none(path: Path) -> None:
    keep(path, full_entry())
    assert one(path, full_entry().id) == full_entry()
    assert one(path, "req_nobody") is None
    with pytest.raises(ValueError, match="no request 'req_nobody'"):
        latest(path, 1, Filter(), "req_nobody")
    with pytest.raises(ConfigError, match="no ledger"):
        one(path.with_name("none.db"), "x")

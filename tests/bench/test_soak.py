"""A soak, short: the accounts are whole, and what is missing from them is found."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from bench.soak import MIXTURE, Accounts, Sample, accounts, slope, soaked, wrong_with


def test_the_accounts_are_whole_and_what_is_missing_is_found(tmp_path: Path) -> None:
    table, wrong = soaked(120, 60, tmp_path)
    assert wrong == []
    told = {str(row[0]): row[1] for row in table.rows}
    assert told["requests answered"] == told["entries in the ledger"] == "120"
    assert told["calls that reached the provider"] == told["attempts in the ledger"]
    assert int(str(told["of them answered 500"])) > 0
    assert "no verdict" in table.note
    whole = accounts(tmp_path / "soak" / "bench.db")
    ledger = copied(tmp_path / "soak" / "bench.db", tmp_path / "copy.db")
    assert accounts(ledger) == whole
    (twice,) = changed(ledger, "SELECT request_id FROM attempts WHERE number = 2 LIMIT 1")
    changed(ledger, "DELETE FROM attempts WHERE request_id = ? AND number = 1", *twice)
    # The last of the numbers is there, so only a look at the whole finds it.
    assert accounts(ledger) == whole._replace(attempts=whole.attempts - 1, failed=whole.failed - 1, gaps=1)
    changed(ledger, "DELETE FROM attempts WHERE request_id = ?", *twice)
    assert accounts(ledger).gaps == 1
    changed(ledger, "DELETE FROM requests WHERE id = ?", *twice)
    assert accounts(ledger)[::3] == (whole.entries - 1, 0)


def copied(ledger: Path, copy: Path) -> Path:
    """What is in a ledger, as tables that let everything be done to them."""
    with contextlib.closing(sqlite3.connect(copy)) as database:
        database.execute("ATTACH ? AS kept", (str(ledger),))
        for name in ("requests", "attempts"):
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM kept.{name}")
        database.commit()
    return copy


def changed(ledger: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(ledger)) as database, database:
        return database.execute(statement, values).fetchall()


def test_it_ends_in_time(tmp_path: Path) -> None:
    table, wrong = soaked(10**7, 0.5, tmp_path)
    told = {str(row[0]): row[1] for row in table.rows}
    assert 0 < int(str(told["requests answered"])) < 10**6
    assert wrong == []


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (Accounts(10, 12, 2, 0), []),
        (Accounts(9, 12, 2, 0), ["9 entries in the ledger, 10 are right"]),
        (Accounts(11, 12, 2, 0), ["11 entries in the ledger, 10 are right"]),
        (Accounts(10, 11, 2, 0), ["11 attempts in the ledger, 12 are right"]),
        (Accounts(10, 12, 1, 0), ["1 failed attempts in the ledger, 2 are right"]),
        (Accounts(10, 12, 2, 1), ["1 entries of the ledger lack an attempt"]),
    ],
)
def test_what_is_wrong_is_said(kept: Accounts, said: list[str]) -> None:
    assert wrong_with(kept, Accounts(10, 12, 2, 0), []) == said


def test_a_run_without_a_failure_proves_no_fallback() -> None:
    nothing = Accounts(10, 10, 0, 0)
    assert wrong_with(nothing, nothing, []) == ["nothing failed, so no fallback was tried"]


@pytest.mark.parametrize(("last", "growth", "wrong"), [(200_000, 1.1, 1), (200_000, 0.9, 0), (99_000, 50.0, 0)])
def test_memory_that_grows_is_wrong_in_a_run_that_is_long_enough(last: int, growth: float, wrong: int) -> None:
    right = Accounts(10, 12, 2, 0)
    samples = [Sample(at, 30.0 + at * growth / 4e5, 50.0 + at * growth * 3 / 4e5) for at in range(1000, last + 1, 1000)]
    assert len(wrong_with(right, right, samples)) == wrong


def test_the_slope_leaves_the_first_quarter_out() -> None:
    rising = [Sample(at, 0, 50 + at / 1000) for at in range(1000, 5001, 1000)]
    even = [Sample(at, 0, 55) for at in range(6000, 20_001, 1000)]
    assert slope([*rising, *even], 2) == pytest.approx(0)
    assert slope([Sample(at, 10, at / 100_000) for at in (0, 40, 60, 80, 100)], 2) == pytest.approx(1)
    assert slope(even[:1], 2) == 0


def test_every_sort_is_in_the_mixture() -> None:
    models = {(case.model, case.stream) for case in MIXTURE}
    assert models >= {("burst", False), ("burst", True), ("translated", False), ("translated", True)}
    assert models >= {("flaky", False), ("flaky", True), ("dead", False)}

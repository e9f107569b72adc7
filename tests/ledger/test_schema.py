"""Migrations: forward only, once, with a copy of what was there."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from hybridge.errors import ConfigError
from hybridge.ledger import schema
from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS, record_of
from hybridge.ledger.reports import spend
from hybridge.ledger.store import SqliteLedger
from hybridge.money import Usage, rates

from .records import NOON, attempt, entry, full_entry, rows_of_tables

SECOND = "ALTER TABLE requests ADD COLUMN mood TEXT;\n-- why; not\nCREATE TABLE moods (name TEXT);\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def columns(path: Path, table: str) -> list[str]:
    with closing(schema.connect(path)) as database:
        return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def test_a_new_file_gets_all_tables(path: Path) -> None:
    schema.prepare(path)
    assert schema.version(path) == max(schema.migrations())
    assert columns(path, "requests") == list(REQUEST_COLUMNS)
    assert columns(path, "attempts") == list(ATTEMPT_COLUMNS)
    assert columns(path, "entries") == ["id", "started_us", "entry"]
    assert columns(path, "settings") == ["name", "value"]
    with closing(schema.connect(path)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (1,)
    assert [file.name for file in path.parent.iterdir() if ".v" in file.name] == []


def test_migrations_are_numbered_without_a_gap() -> None:
    assert list(schema.migrations()) == list(range(1, len(schema.migrations()) + 1))


def test_an_existing_file_is_copied_and_brought_forward(path: Path) -> None:
    first = schema.migrations()[1]
    schema.prepare(path, {1: first})
    with closing(schema.connect(path)) as database:
        database.execute("INSERT INTO settings VALUES ('a', 'b')")
    schema.prepare(path, {1: first, 2: SECOND})
    assert schema.version(path) == 2
    assert columns(path, "requests")[-1] == "mood"
    copy = Path(f"{path}.v1")
    assert schema.version(copy) == 1
    with closing(schema.connect(copy)) as database:
        assert database.execute("SELECT * FROM settings").fetchall() == [("a", "b")]


def rows(path: Path, table: str) -> list[dict[str, object]]:
    with closing(schema.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]


KEPT = [
    full_entry(),
    entry(1, attempt(cost=None), attempt(cost=0), attempt(usage=Usage())),
    entry(2, attempt(cost=2**53 + 1, usage=Usage(input=2**63 - 1, cache_read=2**53 + 1))),
    entry(3, attempts=[], status=402, error_code="budget_exceeded", currency="USD", rate="1", rate_date=""),
    entry(4, attempt(error="broken", cost=0), model='q"\\\nđ', key="", started_us=NOON - 1, input_estimate=0),
    entry(5, *(attempt(f"p/{number}") for number in range(12))),
]


def first_version(path: Path) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """A ledger as the first version wrote it, and its rows."""
    schema.prepare(path, {1: schema.migrations()[1]})
    with closing(schema.connect(path)) as database:
        for kept in KEPT:
            request, attempts = rows_of_tables(kept)
            for table, row in [("requests", request), *[("attempts", attempt) for attempt in attempts]]:
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))
        database.execute("INSERT INTO settings VALUES ('seal', 'secret')")
    return rows(path, "requests"), rows(path, "attempts")


def test_a_ledger_of_the_first_version_is_brought_forward_with_everything(path: Path) -> None:
    requests, attempts = first_version(path)
    with closing(SqliteLedger(path)) as ledger:
        for kept in KEPT:
            assert ledger.find(kept.id) == record_of(kept)
        assert ledger.setting("seal", lambda: "another") == "secret"
    assert rows(path, "requests") == requests
    assert rows(path, "attempts") == attempts
    copy = Path(f"{path}.v1")
    assert schema.version(copy) == 1
    assert (rows(copy, "requests"), rows(copy, "attempts")) == (requests, attempts)


def test_views_tell_of_new_entries_what_the_tables_told_of_old_ones(path: Path) -> None:
    requests, attempts = first_version(path)
    new = path.with_name("new.db")
    with closing(SqliteLedger(new)) as ledger:
        for kept in KEPT:
            ledger.append(kept)
    assert rows(new, "requests") == requests
    assert rows(new, "attempts") == attempts


def test_who_only_reads_changes_no_older_file(path: Path) -> None:
    first_version(path)
    with pytest.raises(ConfigError, match="made by an older Hybridge; `hybridge serve` brings it forward"):
        spend(path, "provider", rates())
    assert schema.version(path) == 1
    schema.prepare(path)
    assert sum(row.attempts for row in spend(path, "provider", rates())) == sum(len(kept.attempts) for kept in KEPT)
    with closing(schema.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="made by a newer Hybridge"):
        spend(path, "provider", rates())


def test_a_current_file_is_left_alone(path: Path) -> None:
    schema.prepare(path)
    schema.prepare(path)
    assert not Path(f"{path}.v1").exists()


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    first = schema.migrations()[1]
    schema.prepare(path, {1: first})
    with pytest.raises(ConfigError, match="no such table: nowhere"):
        schema.prepare(path, {1: first, 2: SECOND, 3: "DROP TABLE nowhere;"})
    assert schema.version(path) == 1
    assert columns(path, "moods") == []
    assert "mood" not in columns(path, "requests")


def test_a_newer_file_is_refused(path: Path) -> None:
    with closing(schema.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match=r"newer Hybridge .its version is 99, this one knows"):
        schema.prepare(path)


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.write_text("dear diary, " * 100)
    with pytest.raises(ConfigError, match=r"cannot use .*ledger.db: file is not a database"):
        schema.prepare(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot use .*nowhere.ledger\.db: unable to open"):
        schema.prepare(tmp_path / "nowhere" / "ledger.db")


def test_many_may_come_at_once(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(schema.prepare, [path] * 16))
    assert schema.version(path) == max(schema.migrations())


def test_a_transaction_is_whole_or_nothing(path: Path) -> None:
    schema.prepare(path)
    with closing(schema.connect(path)) as database:
        with pytest.raises(sqlite3.IntegrityError), schema.transaction(database):
            database.execute("INSERT INTO settings VALUES ('a', 'b')")
            database.execute("INSERT INTO settings VALUES ('a', 'c')")
        assert database.execute("SELECT * FROM settings").fetchall() == []

"""Migrations: forward only, once, with a copy of what was there."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from hybridge.errors import ConfigError
from hybridge.ledger import schema
from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS

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

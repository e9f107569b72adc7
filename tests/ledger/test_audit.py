"""The audit: what was changed stays written, in its order."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from hybridge.errors import ConfigError
from hybridge.ledger import schema
from hybridge.ledger.audit import Change, changes, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    schema.prepare(tmp_path / "ledger.db")
    return tmp_path / "ledger.db"


def test_changes_come_back_as_they_were_the_newest_first(path: Path) -> None:
    told = [
        Change(at_us, "admin token 0a1b2c3d", "breaker", "openai/gpt-4o-mini", {"state": "auto"}, {"until": None})
        for at_us in range(1, 6)
    ]
    for each in told:
        record(path, each)
    found = changes(path, 100)
    assert [(each.number, each.at_us) for each in found] == [(5, 5), (4, 4), (3, 3), (2, 2), (1, 1)]
    assert (found[0].who, found[0].subject, found[0].before) == (told[4].who, told[4].subject, {"state": "auto"})
    assert [each.number for each in changes(path, 2)] == [5, 4]
    assert [each.number for each in changes(path, 2, before=4)] == [3, 2]
    assert changes(path, 2, before=1) == []


def test_nothing_of_it_can_be_changed_or_taken_away(path: Path) -> None:
    record(path, Change(1, "who", "what"))
    with contextlib.closing(schema.connect(path)) as database:
        for statement in ("UPDATE audit SET who = 'nobody'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.IntegrityError, match="append only"):
                database.execute(statement)
    assert [each.who for each in changes(path, 9)] == ["who"]


def test_where_there_is_no_ledger_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no ledger"):
        changes(tmp_path / "none.db", 1)
    assert list(tmp_path.iterdir()) == []


def test_who_only_looks_cannot_write(path: Path) -> None:
    with contextlib.closing(schema.look(path)) as database, pytest.raises(sqlite3.OperationalError, match="readonly"):
        database.execute("INSERT INTO settings (name, value) VALUES ('a', 'b')")


def test_a_setting_is_made_once(path: Path) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return f"value {len(made)}"

    with contextlib.closing(schema.connect(path)) as one, contextlib.closing(schema.connect(path)) as other:
        assert {schema.setting(each, "name", make) for each in (one, other, one)} == {"value 1"}
    assert made == ["x"]

"""The journal: what was added and is not kept elsewhere is read back, whenever its process dies."""

from __future__ import annotations

import fcntl
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.ledger.journal import Journal, read_back

HALF = 64


def dead(journal: Journal) -> None:
    """Do what the end of its process would do: let go of the lock."""
    fcntl.flock(journal._file, fcntl.LOCK_UN)


def back(database: Path) -> list[str]:
    found: list[str] = []
    read_back(database, found.extend, HALF)
    return found


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "l.db"


def test_what_was_added_is_read_back_once(database: Path) -> None:
    journal = Journal(database, HALF)
    for line in (b"one", b"two", "bốn".encode()):
        journal.add(line)
    assert back(database) == [], "its process lives"
    dead(journal)
    assert back(database) == ["one", "two", "bốn"]
    assert back(database) == []
    journal.close()


def test_a_closed_journal_leaves_nothing(database: Path) -> None:
    journal = Journal(database, HALF)
    journal.add(b"one")
    journal.close()
    journal.close()
    journal.add(b"two")
    assert list(database.parent.iterdir()) == []


@given(
    steps=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 12)), max_size=60),
)
def test_of_the_unkept_none_is_missing_while_there_is_room(
    tmp_path_factory: pytest.TempPathFactory, steps: Sequence[tuple[int, int]]
) -> None:
    database = tmp_path_factory.mktemp("j") / "l.db"
    journal = Journal(database, HALF)
    lines: list[str] = []
    # So many bytes of the latest entries always have room: a half, but for what its end cuts off.
    for size, kept in steps:
        lines.append(f"{len(lines):03d}".ljust(size, "x"))
        journal.add(lines[-1].encode())
        journal.kept = min(len(lines), journal.kept + kept)
    dead(journal)
    found = back(database)
    assert set(found) <= set(lines), "nothing is invented"
    unkept = lines[journal.kept :]
    if sum(len(line) + 2 for line in unkept) <= HALF // 4:
        assert set(unkept) <= set(found)
    journal.close()


def test_what_has_no_room_is_left_out_and_the_rest_stays_whole(database: Path) -> None:
    journal = Journal(database, HALF)
    lines = [f"entry {number}" for number in range(40)]
    for line in [*lines, "x" * 200]:
        journal.add(line.encode())
    dead(journal)
    found = back(database)
    assert found == lines[: len(found)]
    assert 10 < len(found) < len(lines)
    journal.close()


def test_without_a_disk_there_is_no_journal(database: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(database.parent / "nowhere" / "l.db", HALF)
    journal.add(b"one")
    assert "no journal" in caplog.text
    journal.close()


def test_half_a_line_is_no_entry(database: Path) -> None:
    path = database.with_name("l.db.journal-1-0")
    path.write_bytes((b'{"whole"}\n{"hal' + b"\0" * HALF)[:HALF] + b"\0" * HALF)
    assert back(database) == ['{"whole"}']
    assert not path.exists()

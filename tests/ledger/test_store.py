"""The ledger in a file: what is appended is kept, whatever happens."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.ledger import schema
from hybridge.ledger.entry import record_of
from hybridge.ledger.store import ROWS, Ledger, MemoryLedger, SqliteLedger, _size
from hybridge.money import Usage

from .records import attempt, entry, full_entry

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(path, busy=0.05)
    yield opened
    opened.close()


def count(path: Path, table: str = "requests") -> int:
    with closing(schema.connect(path)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture(params=["file", "memory"])
def any_ledger(request: pytest.FixtureRequest, path: Path) -> Iterator[Ledger]:
    opened: Ledger = SqliteLedger(path) if request.param == "file" else MemoryLedger()
    yield opened
    opened.close()


def test_what_is_appended_is_found_at_once_and_for_ever(any_ledger: Ledger) -> None:
    any_ledger.append(full_entry())
    expected = record_of(full_entry())
    assert any_ledger.find(full_entry().id) == expected
    assert any_ledger.flush()
    assert any_ledger.pending == 0
    assert any_ledger.find(full_entry().id) == expected
    assert any_ledger.find("req_unknown") is None


def test_a_setting_is_made_once(any_ledger: Ledger) -> None:
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return f"secret-{len(made)}"

    assert [any_ledger.setting("seal", make) for _ in range(3)] == ["secret-1"] * 3
    assert any_ledger.setting("other", make) == "secret-2"


def test_a_setting_is_shared_by_all_who_use_the_file(path: Path) -> None:
    with closing(SqliteLedger(path)) as one, closing(SqliteLedger(path)) as two:
        seen: list[str] = []
        other = threading.Thread(target=lambda: seen.append(two.setting("seal", lambda: "two's")))

        def make() -> str:
            other.start()
            other.join(0.3)  # it has to wait until this one is made
            return "one's"

        assert one.setting("seal", make) == "one's"
        other.join(10)
    assert seen == ["one's"]


def test_an_entry_is_found_at_each_moment_of_its_way(ledger: SqliteLedger) -> None:
    for number in range(2000):
        ledger.append(entry(number))
        assert ledger.find(entry(number).id), number
        assert ledger.find(entry(number // 2).id), number


def test_it_is_written_without_being_asked(ledger: SqliteLedger, path: Path) -> None:
    ledger.append(entry(1))
    began = time.monotonic()
    while count(path) == 0:
        assert time.monotonic() - began < 5
    assert time.monotonic() - began < 1


def test_many_entries_are_written_at_once(path: Path) -> None:
    with closing(SqliteLedger(path)) as ledger:
        for number in range(1000):
            ledger.append(entry(number, attempt(), attempt()))
        assert ledger.flush()
        assert (count(path), count(path, "attempts")) == (1000, 2000)


def test_closing_writes_what_is_left(path: Path) -> None:
    ledger = SqliteLedger(path)
    for number in range(5000):
        ledger.append(entry(number))
    ledger.close()
    ledger.close()
    assert (ledger.pending, count(path)) == (0, 5000)


def test_the_same_request_is_kept_once(ledger: SqliteLedger, path: Path) -> None:
    ledger.append(entry(1))
    ledger.append(entry(1, model="another"))
    ledger.append(entry(2))
    assert ledger.flush()
    assert (count(path), count(path, "attempts")) == (2, 2)
    assert [file.name for file in path.parent.iterdir() if "refused" in file.name] == []
    found = ledger.find(entry(1).id)
    assert found is not None
    assert found["model"] == "gpt-4o-mini"


def test_a_locked_database_is_waited_for(ledger: SqliteLedger, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(schema.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(500):
            ledger.append(entry(number))
        assert [ledger.flush(0.2) for _ in range(3)] == [False] * 3
        assert ledger.pending == 500
        assert ledger.find(entry(3).id)
        other.execute("ROLLBACK")
    assert ledger.flush()
    assert count(path) == 500
    assert caplog.text.count("database is locked") == 1, "told once, not in each round"


def test_too_much_waits_in_a_file_and_comes_back(path: Path) -> None:
    spill = path.with_name("ledger.db.spill.jsonl")
    with closing(SqliteLedger(path, busy=0.05, most_waiting=100)) as ledger:
        assert ledger.flush()
        with closing(schema.connect(path)) as other:
            other.execute("BEGIN IMMEDIATE")
            for number in range(1000):
                ledger.append(entry(number))
            began = time.monotonic()
            while ledger.pending and time.monotonic() - began < 10:
                ledger.flush(0.1)
            assert ledger.pending == 0
            assert len(spill.read_bytes().splitlines()) == 1000
            assert not ledger.flush(0.1), "what is in the spill is not written"
            assert ledger.find(entry(1).id) is None
            other.execute("ROLLBACK")
        assert ledger.flush()
        assert not spill.exists()
        assert ledger.find(entry(1).id) == record_of(entry(1))
    assert count(path) == 1000


def test_what_cannot_be_written_at_the_end_is_read_at_the_next_start(path: Path) -> None:
    ledger = SqliteLedger(path, busy=0.05)
    with closing(schema.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.append(full_entry())
        ledger.append(entry(1))
        ledger.close()
        other.execute("ROLLBACK")
    assert count(path) == 0
    spill = path.with_name("ledger.db.spill.jsonl")
    # Half a line of a process that was killed, and a line from nowhere.
    spill.write_bytes(spill.read_bytes() + b'{"id": "x"}\n{"id": "req_')
    with closing(SqliteLedger(path)) as again:
        assert again.flush()
        assert again.find(full_entry().id) == record_of(full_entry())
    assert count(path) == 2
    assert not spill.exists()


def test_half_a_line_does_not_spoil_the_next(path: Path) -> None:
    spill = path.with_name("ledger.db.spill.jsonl")
    schema.prepare(path)
    ledger = SqliteLedger(path, busy=0.05)
    assert ledger.flush()
    with closing(schema.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.append(entry(1))
        spill.write_bytes(b'{"id": "req_')
        ledger.close()
        other.execute("ROLLBACK")
    with closing(SqliteLedger(path)) as again:
        assert again.flush()
    assert count(path) == 1


def test_a_spill_that_cannot_be_written_loses_nothing_while_it_lives(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spill = path.with_name("ledger.db.spill.jsonl")
    ledger = SqliteLedger(path, busy=0.05, most_waiting=10)
    assert ledger.flush()
    spill.mkdir()
    with closing(schema.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(50):
            ledger.append(entry(number))
        assert not ledger.flush(0.5)
        assert ledger.pending == 50
        other.execute("ROLLBACK")
    assert ledger.flush()
    assert count(path) == 50
    with closing(schema.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.append(entry(51))
        ledger.close()
        other.execute("ROLLBACK")
    assert "1 ledger entries are lost" in caplog.text


def test_one_entry_that_cannot_be_kept_holds_up_no_other(
    ledger: SqliteLedger, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    ledger.append(entry(1))
    ledger.append(entry(2, started_us=None))  # breaks a rule of the table
    ledger.append(entry(3, started_us=2**80))  # larger than a column
    ledger.append(entry(4, model="\ud800"))  # no text at all
    ledger.append(entry(5, user=object()))
    ledger.append(entry(6, attempts=None))  # is kept, but tells nothing
    ledger.append(entry(7))
    assert ledger.flush()
    assert count(path) == 3
    refused = path.with_name("ledger.db.refused.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["id"][-1] for line in refused) == ["2", "3", "4", "5"]
    assert caplog.text.count("a ledger entry goes to ") == 4
    assert ledger.find(entry(6).id) is None
    assert "this is no ledger entry" in caplog.text
    found = ledger.find(entry(7).id)
    assert found == record_of(entry(7))


def test_a_number_of_any_size_is_kept_exactly(ledger: SqliteLedger) -> None:
    numbers = [2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30]
    for number, large in enumerate(numbers):
        ledger.append(entry(number, attempt(cost=large, usage=Usage(input=large)), input_estimate=large))
    assert ledger.flush()
    for number, large in enumerate(numbers):
        found = ledger.find(entry(number).id)
        assert found is not None
        assert (found["cost_nano_usd"], found["input_estimate"], found["attempts"][0]["input"]) == (large,) * 3


@given(st.integers(1, 5000))
def test_any_number_of_rows_needs_few_statements(rows: int) -> None:
    sizes = []
    while rows:
        sizes.append(_size(rows))
        rows -= sizes[-1]
        assert 0 < sizes[-1] <= ROWS
    assert rows == 0
    assert len([size for size in sizes if size < ROWS]) <= 4
    assert {size for size in sizes if size > 32} <= {64, 128, 256}


def test_a_file_that_went_away_and_came_back(ledger: SqliteLedger, path: Path) -> None:
    """The folder is on a disk that is gone for a moment."""
    assert ledger.flush()
    elsewhere = path.parent.rename(path.parent.with_name("elsewhere"))
    with closing(sqlite3.connect(elsewhere / path.name, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # so that the connection that is open fails too
        ledger.append(entry(1))
        assert not ledger.flush(0.5)
        other.execute("ROLLBACK")
    assert not ledger.flush(1.5)
    elsewhere.rename(path.parent)
    assert ledger.flush()
    assert count(path) == 1


# Other processes

WRITER = """
import sys
from hybridge.ledger.store import SqliteLedger
from tests.ledger.records import attempt, entry
ledger, first, entries = SqliteLedger(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + entries):
    ledger.append(entry(number, attempt(), attempt()))
ledger.close()
"""

VICTIM = """
import sys
from hybridge.ledger.store import SqliteLedger
from tests.ledger.records import entry
ledger = SqliteLedger(sys.argv[1])
number = 0
while True:
    ledger.append(entry(number))
    print(number, flush=True)
    number += 1
"""

FULL_DISK = """
import resource, sys
from hybridge.ledger.store import SqliteLedger
from tests.ledger.records import entry
ledger = SqliteLedger(sys.argv[1])
assert ledger.flush()
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
for number in range(2000):
    ledger.append(entry(number))
assert not ledger.flush(0.6)
kept = ledger.pending
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
assert ledger.flush(20)
ledger.close()
print(kept)
"""


def python(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )


def test_several_processes_write_to_one_file(path: Path) -> None:
    writers = [python(WRITER, path, 10_000 * number, 3000) for number in range(4)]
    assert [writer.wait(50) for writer in writers] == [0, 0, 0, 0]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.close()
    assert (count(path), count(path, "attempts")) == (12_000, 24_000)
    assert not path.with_name("ledger.db.spill.jsonl").exists()


def test_a_killed_process_loses_nothing(path: Path) -> None:
    victim = python(VICTIM, path)
    assert victim.stdout is not None
    with victim.stdout as told:
        numbers = []
        for line in told:
            numbers.append(int(line))
            if len(numbers) == 300:
                break
        with suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait(10) == -signal.SIGKILL
    written = count(path)
    assert written < len(numbers), "it was killed too late to show anything"
    with closing(SqliteLedger(path)) as ledger:
        assert ledger.flush()
        assert [number for number in numbers if ledger.find(entry(number).id) is None] == []
        assert len(list(path.parent.glob("*.journal-*"))) == 1
    assert list(path.parent.glob("*.journal-*")) == []


def test_a_full_disk_keeps_entries_in_memory(path: Path) -> None:
    process = python(FULL_DISK, path)
    out, _ = process.communicate(timeout=50)
    assert process.returncode == 0
    assert int(out) > 0
    assert count(path) == 2000

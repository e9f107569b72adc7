"""The file beside the database, shared by processes."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybridge.ledger.entry import LedgerEntry, Row, entry_of, record_of, rows_of
from hybridge.ledger.spill import Spill

from .records import attempt, entry, full_entry, rows_of_tables

FULL, PLAIN = (row[2] for row in rows_of([full_entry(), entry(1)]))


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    return Spill(tmp_path / "spill.jsonl")


def drained(spill: Spill) -> list[str]:
    rows: list[Row] = []
    spill.drain(rows.extend)
    return [line for _, _, line in rows]


def test_what_goes_in_comes_out_once(spill: Spill) -> None:
    spill.add([FULL])
    spill.add([PLAIN, FULL])
    assert drained(spill) == [FULL, PLAIN, FULL]
    assert not spill.path.exists()
    assert drained(spill) == []


def test_it_is_kept_while_nobody_takes_it(spill: Spill) -> None:
    def refuse(rows: Sequence[Row]) -> None:
        raise OSError("full")

    spill.add([PLAIN])
    with pytest.raises(OSError, match="full"):
        spill.drain(refuse)
    assert drained(spill) == [PLAIN]


def test_it_is_kept_by_name(spill: Spill) -> None:
    """So that a program with further columns can read it."""
    spill.add([FULL])
    line = json.loads(spill.path.read_text())
    assert (line["model"], line["attempts"][1]["cost_nano_usd"]) == ("gpt-4o-mini", 77)


@pytest.mark.parametrize("kept", [full_entry(), entry(1, attempt(cost=None)), entry(2, attempts=[]), entry(3, key="x")])
def test_what_was_spilled_as_rows_of_two_tables_is_read(spill: Spill, kept: LedgerEntry) -> None:
    request, attempts = rows_of_tables(kept)
    spill.path.write_text(json.dumps({**request, "attempts": attempts}) + "\n")
    (line,) = drained(spill)
    read = entry_of(line)
    assert read is not None
    if not kept.attempts:
        # It said nothing of the rate.
        read.currency, read.rate, read.rate_date = kept.currency, kept.rate, kept.rate_date
    assert record_of(read) == record_of(kept)


@pytest.mark.parametrize(
    "line", ['{"budget_amount": null}', '{"budget_amount": 1, "attempts": 3}', "{", "[]", "\udcff"]
)
def test_a_line_that_is_no_entry_spoils_no_other(spill: Spill, line: str, caplog: pytest.LogCaptureFixture) -> None:
    spill.add([PLAIN])
    with spill.path.open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n\n")
    spill.add([FULL])
    assert drained(spill) == [PLAIN, FULL]
    assert "no entry" in caplog.text or "no ledger entry" in caplog.text


def test_a_writer_waits_for_who_reads_and_then_begins_a_new_file(spill: Spill) -> None:
    spill.add([PLAIN])
    with spill.path.open("rb") as reader:
        fcntl.flock(reader, fcntl.LOCK_EX)
        writer = threading.Thread(target=spill.add, args=([FULL],))
        writer.start()
        writer.join(0.2)
        assert writer.is_alive()
        spill.path.unlink()
    writer.join(10)
    assert drained(spill) == [FULL]

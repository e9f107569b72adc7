"""The file beside the database, shared by processes."""

from __future__ import annotations

import fcntl
import json
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybridge.ledger.entry import Rows, rows_of
from hybridge.ledger.spill import Spill

from .records import entry, full_entry

FULL, PLAIN = rows_of(full_entry()), rows_of(entry(1))


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    return Spill(tmp_path / "spill.jsonl")


def drained(spill: Spill) -> list[Rows]:
    entries: list[Rows] = []
    spill.drain(entries.extend)
    return entries


def test_what_goes_in_comes_out_once(spill: Spill) -> None:
    spill.add([FULL])
    spill.add([PLAIN, FULL])
    assert drained(spill) == [FULL, PLAIN, FULL]
    assert not spill.path.exists()
    assert drained(spill) == []


def test_it_is_kept_while_nobody_takes_it(spill: Spill) -> None:
    def refuse(entries: Sequence[Rows]) -> None:
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

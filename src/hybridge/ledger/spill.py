"""The file beside the database for entries that it could not take: an entry as JSON in each line."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hybridge.ledger.entry import LedgerEntry, Row, entry_of, rows_of
from hybridge.money import BUCKETS

log = logging.getLogger(__name__)


class Spill:
    """Shared by all processes that write to one database; a lock on the file keeps them apart."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entries: Sequence[str]) -> None:
        """Write entries, each as JSON, to the end of the file. Raises `OSError`; half a line is skipped by `drain`."""
        with self._locked("a+b") as file:
            # A writer that was killed may have left half a line, which must not spoil ours.
            lines = b"\n" if _torn(file) else b""
            file.write(lines + "".join([f"{entry}\n" for entry in entries]).encode())

    def drain(self, insert: Callable[[Sequence[Row]], None]) -> int:
        """Hand all entries to `insert`, then delete the file; how many they were. Keeps it if `insert` raises."""
        try:
            with self._locked("rb") as file:
                rows = rows_of([entry for line in file if (entry := _entry(line))])
                insert(rows)
                self.path.unlink()
                return len(rows)
        except FileNotFoundError:
            return 0

    @contextmanager
    def _locked(self, mode: str) -> Iterator[IO[bytes]]:
        while True:
            with self.path.open(mode) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # While we waited, another process may have drained and deleted the file that we opened.
                if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    yield file
                    return


def _torn(file: IO[bytes]) -> bool:
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _entry(line: bytes) -> LedgerEntry | None:
    text = line.decode(errors="replace").strip()
    try:
        return entry_of(_of_columns(text) if '"budget_amount":' in text else text) if text else None
    except (ValueError, KeyError, TypeError):
        log.error("skipped a line of the ledger's spill that is no entry: %.200r", text)
        return None


def _of_columns(line: str) -> str:
    """An entry as it was spilled while the database kept it in two tables: a member for each of their columns."""
    named = json.loads(line)
    for attempt in named["attempts"]:
        if attempt["requests"] is not None:
            attempt["usage"] = {bucket: attempt[bucket] for bucket in (*BUCKETS, "requests")}
        named |= {kept: attempt[kept] for kept in ("currency", "rate", "rate_date")}
    if named["budget_amount"] is not None:
        named["budget"] = f"{named['budget_amount']} {named['budget_currency']}"
    named |= {kept: json.loads(named[kept]) for kept in ("tags", "considered")}
    return json.dumps({**named, "stream": bool(named["stream"])})

"""The file beside the database for entries that it could not take: one JSON object per line."""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS, Rows

log = logging.getLogger(__name__)


class Spill:
    """Shared by all processes that write to one database; a lock on the file keeps them apart."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entries: Sequence[Rows]) -> None:
        """Write entries to the end of the file. Raises `OSError`; half a line is skipped by `drain`."""
        with self._locked("a+b") as file:
            # A writer that was killed may have left half a line, which must not spoil ours.
            lines = b"\n" if _torn(file) else b""
            file.write(lines + b"".join(_line(rows) for rows in entries))

    def drain(self, insert: Callable[[Sequence[Rows]], None]) -> int:
        """Hand all entries to `insert`, then delete the file; how many they were. Keeps it if `insert` raises."""
        try:
            with self._locked("rb") as file:
                entries = list(_entries(file))
                insert(entries)
                self.path.unlink()
                return len(entries)
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


def _line(rows: Rows) -> bytes:
    # By name, so that a later program with other columns can read it.
    named: dict[str, Any] = dict(zip(REQUEST_COLUMNS, rows.request, strict=True))
    named["attempts"] = [dict(zip(ATTEMPT_COLUMNS, row, strict=True)) for row in rows.attempts]
    return json.dumps(named, default=str).encode() + b"\n"


def _entries(file: IO[bytes]) -> Iterator[Rows]:
    for line in file:
        try:
            named = json.loads(line)
            yield Rows(
                [named[column] for column in REQUEST_COLUMNS],
                [[attempt[column] for column in ATTEMPT_COLUMNS] for attempt in named["attempts"]],
            )
        except (ValueError, KeyError, TypeError):
            if line.strip():
                log.error("skipped a line of the ledger's spill that is no entry: %.200r", line)

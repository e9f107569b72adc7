"""Where entries are kept: appended at once, written in batches by one thread.

`append` puts an entry into a queue, and its JSON into memory that outlives the process. A thread writes what has come,
every fifth of a second, in few statements. What cannot be written waits and is tried again; too much of it goes to a
file beside the database, which is read back when the database can be written again. Nothing is dropped.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Any, Protocol

from hybridge.ledger import schema
from hybridge.ledger.entry import LedgerEntry, Row, encoded, entry_of, plainly, record_of
from hybridge.ledger.journal import Journal, read_back
from hybridge.ledger.spill import Spill

#: Seconds between two writes, and after a failed one.
PAUSE = 0.2
PAUSE_AFTER_FAILURE = 1.0
#: Entries that wait in memory before they go to the spill.
MOST_WAITING = 20_000

log = logging.getLogger(__name__)


class Ledger(Protocol):
    """Keeps what happened and what it cost."""

    def append(self, entry: LedgerEntry) -> None:
        """Keep an entry, which nobody changes any more. Never waits, never fails."""

    def find(self, request_id: str) -> dict[str, Any] | None:
        """The record of one request (see `record_of`), also while it waits to be written."""

    @property
    def pending(self) -> int:
        """Entries that wait to be written."""

    def flush(self, timeout: float = 10.0) -> bool:
        """Wait up to `timeout` seconds until all that was appended is written; whether it is."""

    def setting(self, name: str, make: Callable[[], str]) -> str:
        """A value shared by all who use this ledger: `make` makes it the first time it is asked for."""

    def close(self) -> None:
        """Write what is left and let go."""


class MemoryLedger:
    """Keeps entries in a list, for the library and for tests; it ends with the program."""

    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []
        self._settings: dict[str, str] = {}

    def append(self, entry: LedgerEntry) -> None:
        self.entries.append(entry)

    def find(self, request_id: str) -> dict[str, Any] | None:
        found = (entry for entry in reversed(self.entries) if entry.id == request_id)
        entry = next(found, None)
        return record_of(entry) if entry else None

    @property
    def pending(self) -> int:
        return 0

    def flush(self, timeout: float = 10.0) -> bool:
        return True

    def setting(self, name: str, make: Callable[[], str]) -> str:
        if name not in self._settings:
            self._settings[name] = make()
        return self._settings[name]

    def close(self) -> None:
        """Nothing to do."""


#: Rows that are encoded in one go and written by at most a few statements. Each statement lets go of the interpreter's
#: lock and takes it again, which costs the threads that answer requests more than the row itself; but they must not
#: wait long while so many rows are encoded.
ROWS = 256
#: Statements of every length up to this one are prepared and kept; of the longer ones, those of a power of two.
_EVERY = 32


def _size(rows: int) -> int:
    """How many of so many rows the next statement takes."""
    return rows if rows <= _EVERY else min(ROWS, 1 << rows.bit_length() - 1)


@cache
def _statement(rows: int) -> str:
    # Not `OR IGNORE`, which would also swallow a row that breaks a rule.
    values = ", ".join(["(?, ?, ?)"] * rows)
    return f"INSERT INTO entries (id, started_us, entry) VALUES {values} ON CONFLICT (id) DO NOTHING"


#: What SQLite and its binding raise for a value that no try will make fit.
_UNFIT = (
    OverflowError,
    TypeError,
    ValueError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)


class SqliteLedger:
    """A ledger in an SQLite file, which several processes may share.

    Raises `ConfigError` if the file cannot be used. `busy` is for how many seconds a write waits for another
    process before it is put off; `most_waiting` how many entries may wait in memory. An entry in the spill (the
    file `<path>.spill.jsonl`) is not found until it is read back; one that can never be written, which is a defect,
    is kept in `<path>.refused.jsonl`.
    """

    def __init__(self, path: Path | str, *, busy: float = schema.BUSY, most_waiting: int = MOST_WAITING) -> None:
        self.path = Path(path)
        self._busy = busy
        self._most_waiting = most_waiting
        schema.prepare(self.path)
        self._spill = Spill(self.path.with_name(f"{self.path.name}.spill.jsonl"))
        self._refused = Spill(self.path.with_name(f"{self.path.name}.refused.jsonl"))
        self._spilled = True
        #: Entries with their JSON; that is empty where there can be none.
        self._waiting: deque[tuple[LedgerEntry, bytes]] = deque()
        read_back(self.path, self._spill.add)
        self._journal = Journal(self.path)
        self._reading = Lock()
        self._reader = schema.connect(self.path, busy)
        self._writer: sqlite3.Connection | None = None
        self._failing = False
        self._closing = False
        self._wake = Event()
        self._round = Condition()
        self._thread = Thread(target=self._run, name="hybridge-ledger", daemon=True)
        self._thread.start()

    def append(self, entry: LedgerEntry) -> None:
        try:
            line = encoded(entry)
        except Exception:
            # Who writes it will find out what is wrong with it.
            line = b""
        self._journal.add(line)
        self._waiting.append((entry, line))

    @property
    def pending(self) -> int:
        return len(self._waiting)

    def find(self, request_id: str) -> dict[str, Any] | None:
        # An entry waits until the database or the spill has it.
        for entry, _ in self._waiting.copy():
            if entry.id == request_id:
                return record_of(entry)
        with self._reading:
            row = self._reader.execute("SELECT entry FROM entries WHERE id = ?", (request_id,)).fetchone()
        found = entry_of(row[0]) if row else None
        return record_of(found) if found else None

    def setting(self, name: str, make: Callable[[], str]) -> str:
        with self._reading:
            return schema.setting(self._reader, name, make)

    def flush(self, timeout: float = 10.0) -> bool:
        with self._round:
            self._wake.set()
            return self._round.wait_for(lambda: not (self.pending or self._spilled), timeout)

    def close(self) -> None:
        """Write what is left, to the spill if the database does not take it. May be called twice."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        self._journal.close()
        with self._reading:
            self._reader.close()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(PAUSE_AFTER_FAILURE if self._failing else PAUSE)
            self._wake.clear()
            self._write()
        self._write()
        if self._waiting:
            self._spill_waiting()
        if self._waiting:
            log.critical("%d ledger entries are lost: neither database nor spill could be written", self.pending)
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        """One round: write what was appended, and read the spill back."""
        try:
            while self._waiting:
                self._write_some()
            if self._spilled:
                self._spill.drain(self._insert)
                self._spilled = False
            self._failing = False
        except (sqlite3.Error, OSError) as exc:
            self._put_off(exc)
        with self._round:
            self._round.notify_all()

    def _write_some(self) -> None:
        entries = list(islice(self._waiting, ROWS))
        self._insert(self._rows(entries))
        self._drop(len(entries))

    def _rows(self, entries: Sequence[tuple[LedgerEntry, bytes]]) -> list[Row]:
        rows = []
        for entry, line in entries:
            try:
                rows.append((entry.id, entry.started_us, (line or encoded(entry)).decode()))
            except Exception as exc:
                self._refuse(plainly(entry), exc)
        return rows

    def _insert(self, rows: Sequence[Row]) -> None:
        while rows:
            size = _size(len(rows))
            self._insert_at_once(rows[:size])
            rows = rows[size:]

    def _insert_at_once(self, rows: Sequence[Row]) -> None:
        if self._writer is None:
            self._writer = schema.connect(self.path, self._busy)
        try:
            # A statement by itself is a transaction.
            self._writer.execute(_statement(len(rows)), list(chain.from_iterable(rows)))
        except _UNFIT as exc:
            if len(rows) == 1:
                self._refuse(rows[0][2], exc)
                return
            for row in rows:
                self._insert_at_once([row])

    def _refuse(self, line: str, exc: Exception) -> None:
        log.error("a ledger entry goes to %s: %s", self._refused.path, exc)
        self._refused.add([line])

    def _drop(self, entries: int) -> None:
        for _ in range(entries):
            self._waiting.popleft()
        self._journal.kept += entries

    def _put_off(self, exc: Exception) -> None:
        if not self._failing:
            log.error("the ledger cannot be written and is kept until it can: %s: %s", self.path, exc)
        self._failing = True
        if self._writer is not None:
            # The next round opens it anew, which is what helps after an I/O error.
            self._writer.close()
            self._writer = None
        if len(self._waiting) > self._most_waiting:
            self._spill_waiting()

    def _spill_waiting(self) -> None:
        entries = list(self._waiting)
        try:
            self._spill.add([line for _, _, line in self._rows(entries)])
        except OSError as exc:
            log.error("the ledger's spill cannot be written: %s", exc)
        else:
            self._spilled = True
            self._drop(len(entries))

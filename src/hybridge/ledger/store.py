"""Where entries are kept: appended at once, written in batches by one thread.

`append` is an append to a list. A thread writes what has come, every fifth of a second or every 1,000 entries, in one
transaction. What cannot be written waits and is tried again; too much of it goes to a file beside the database,
which is read back when the database can be written again. Nothing is dropped.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Any, Protocol

from hybridge.ledger import schema
from hybridge.ledger.entry import ATTEMPT_COLUMNS, REQUEST_COLUMNS, LedgerEntry, Rows, record_of, rows_of
from hybridge.ledger.spill import Spill

#: Seconds between two writes, and after a failed one; entries that are written at once, and in one transaction.
PAUSE = 0.2
PAUSE_AFTER_FAILURE = 1.0
ENOUGH = 1000
BATCH = 1000
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
        return record_of(rows_of(entry)) if entry else None

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


@cache
def _insert(table: str, columns: tuple[str, ...], unique: str, rows: int) -> str:
    # Not `OR IGNORE`, which would also swallow a row that breaks a rule.
    marks = ", ".join([f"({', '.join('?' * len(columns))})"] * rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {marks} ON CONFLICT ({unique}) DO NOTHING"


def _select(table: str, columns: Sequence[str], where: str) -> str:
    return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"


#: Rows of one statement. Each statement lets go of the interpreter's lock and takes it again, which costs the threads
#: that answer requests more than the row itself.
_ROWS = 50

_FIND_REQUEST = _select("requests", REQUEST_COLUMNS, "id = ?")
_FIND_ATTEMPTS = _select("attempts", ATTEMPT_COLUMNS, "request_id = ? ORDER BY number")

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
        self._appended: deque[LedgerEntry] = deque()
        self._waiting: list[Rows] = []
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
        self._appended.append(entry)
        if len(self._appended) == ENOUGH:
            self._wake.set()

    @property
    def pending(self) -> int:
        return len(self._appended) + len(self._waiting)

    def find(self, request_id: str) -> dict[str, Any] | None:
        # In the order in which an entry moves on: each stage lets go of it after the next has it.
        for entry in self._appended.copy():
            if entry.id == request_id:
                return record_of(rows_of(entry))
        for rows in self._waiting.copy():
            if rows.request[0] == request_id:
                return record_of(rows)
        with self._reading:
            request = self._reader.execute(_FIND_REQUEST, (request_id,)).fetchone()
            if request is None:
                return None
            attempts = self._reader.execute(_FIND_ATTEMPTS, (request_id,)).fetchall()
        return record_of(Rows(list(request), [list(row) for row in attempts]))

    def setting(self, name: str, make: Callable[[], str]) -> str:
        with self._reading, schema.transaction(self._reader):
            found = self._reader.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
            if found is None:
                found = (make(),)
                self._reader.execute("INSERT INTO settings (name, value) VALUES (?, ?)", (name, found[0]))
        return str(found[0])

    def flush(self, timeout: float = 10.0) -> bool:
        with self._round:
            self._wake.set()
            return self._round.wait_for(lambda: not (self.pending or self._spilled), timeout)

    def close(self) -> None:
        """Write what is left, to the spill if the database does not take it. May be called twice."""
        self._closing = True
        self._wake.set()
        self._thread.join()
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
        """One round: take what was appended, write it, and read the spill back."""
        self._collect()
        try:
            while self._waiting:
                batch = self._waiting[:BATCH]
                self._insert(batch)
                del self._waiting[: len(batch)]
            if self._spilled:
                self._spill.drain(self._insert)
                self._spilled = False
            self._failing = False
        except (sqlite3.Error, OSError) as exc:
            self._put_off(exc)
        with self._round:
            self._round.notify_all()

    def _collect(self) -> None:
        while self._appended:
            entry = self._appended[0]
            try:
                self._waiting.append(rows_of(entry))
            except Exception:
                # A defect in one entry must not hold up all that come after it; the log has what it was.
                log.exception("a ledger entry cannot be written: %r", entry)
            self._appended.popleft()

    def _insert(self, batch: Sequence[Rows]) -> None:
        if self._writer is None:
            self._writer = schema.connect(self.path, self._busy)
        try:
            self._insert_all(self._writer, batch)
        except _UNFIT:
            for rows in batch:
                self._insert_one(self._writer, rows)

    def _insert_all(self, database: sqlite3.Connection, batch: Sequence[Rows]) -> None:
        with schema.transaction(database):
            for at in range(0, len(batch), _ROWS):
                part = batch[at : at + _ROWS]
                _insert_rows(database, ("requests", REQUEST_COLUMNS, "id"), [rows.request for rows in part])
                attempts = [row for rows in part for row in rows.attempts]
                for start in range(0, len(attempts), _ROWS):
                    table = ("attempts", ATTEMPT_COLUMNS, "request_id, number")
                    _insert_rows(database, table, attempts[start : start + _ROWS])

    def _insert_one(self, database: sqlite3.Connection, rows: Rows) -> None:
        try:
            self._insert_all(database, [rows])
        except _UNFIT as exc:
            log.error("a ledger entry goes to %s: %s", self._refused.path, exc)
            self._refused.add([rows])

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
        try:
            self._spill.add(self._waiting)
        except OSError as exc:
            log.error("the ledger's spill cannot be written: %s", exc)
        else:
            self._waiting.clear()
            self._spilled = True


def _insert_rows(database: sqlite3.Connection, table: tuple[str, tuple[str, ...], str], rows: list[list[Any]]) -> None:
    database.execute(_insert(*table, len(rows)), [value for row in rows for value in row])

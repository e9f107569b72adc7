"""Looking requests up in the database of another process, which writes on meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from hybridge.ledger import schema
from hybridge.ledger.entry import LedgerEntry, entry_of

#: So many entries are looked through for one page at most.
MOST_LOOKED_AT = 50_000


class Filter(Struct, frozen=True):
    """What a request must be to be found; `None` and empty say nothing.

    `deployment` or `provider` is one that was tried; `model` is the name that was asked for, `key` the id of the
    virtual key, `status` what the client was told.
    """

    deployment: str = ""
    provider: str = ""
    model: str = ""
    key: str = ""
    status: int | None = None
    error_code: str = ""

    def admits(self, entry: LedgerEntry) -> bool:
        """Whether a request is wanted."""
        asked = (
            (self.model, entry.model),
            (self.key, entry.key),
            (self.error_code, entry.error_code),
            ("" if self.status is None else self.status, entry.status),
        )
        if any(wanted != "" and wanted != found for wanted, found in asked):
            return False
        if not self.deployment and not self.provider:
            return True
        return any(
            (not self.deployment or attempt.deployment == self.deployment)
            and (not self.provider or attempt.provider == self.provider)
            for attempt in entry.attempts
        )


class Page(Struct, frozen=True):
    """Requests, the newest first. `next` is where the next page begins; `None` where there is nothing before."""

    entries: Sequence[LedgerEntry]
    next: str | None


def one(path: Path, request_id: str) -> LedgerEntry | None:
    """The entry of a request, if the database has it by now. Raises `ConfigError`, `sqlite3.Error`."""
    with closing(schema.look(path)) as database:
        row = database.execute("SELECT entry FROM entries WHERE id = ?", (request_id,)).fetchone()
    return entry_of(row[0]) if row else None


def latest(path: Path, limit: int, wanted: Filter, before: str | None = None, most: int = MOST_LOOKED_AT) -> Page:
    """The newest requests that are wanted, of those that began before the request `before` did.

    Looks through `most` entries; `next` goes on there. Raises `ConfigError`, `sqlite3.Error`, and `ValueError` where
    no request is called `before`.
    """
    found: list[LedgerEntry] = []
    with closing(schema.look(path)) as database:
        for looked_at, (request_id, text) in enumerate(_backwards(database, before), 1):
            entry = entry_of(text)
            if entry is not None and wanted.admits(entry):
                found.append(entry)
            if len(found) == limit or looked_at == most:
                return Page(found, request_id)
    return Page(found, None)


def _backwards(database: sqlite3.Connection, before: str | None) -> Iterator[tuple[str, str]]:
    order = "ORDER BY started_us DESC, id DESC"
    if before is None:
        return database.execute(f"SELECT id, entry FROM entries {order}")
    row = database.execute("SELECT started_us FROM entries WHERE id = ?", (before,)).fetchone()
    if row is None:
        raise ValueError(f"before: there is no request {before[:64]!r}")
    where = "WHERE (started_us, id) < (?, ?)"
    return database.execute(f"SELECT id, entry FROM entries {where} {order}", (row[0], before))

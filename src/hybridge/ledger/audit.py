"""What operators changed while the gateway ran: who, when, what, before and after. Nothing of it is ever changed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import Struct, json

from hybridge.ledger import schema


class Change(Struct, frozen=True):
    """One change. `at_us` is UTC in microseconds; `who` names a token by its fingerprint, or the file that changed.

    `what` was done to `subject`, which was `before` and is `after`: values that JSON can hold, `None` where there is
    nothing to say.
    """

    at_us: int
    who: str
    what: str
    subject: str = ""
    before: Any = None
    after: Any = None
    #: Grows with time; given by the database.
    number: int = 0


def record(path: Path, change: Change) -> None:
    """Append a change. Raises `ConfigError` where there is no ledger, `sqlite3.Error`."""
    schema.expect_ledger(path)
    before, after = (json.encode(value).decode() for value in (change.before, change.after))
    with closing(schema.connect(path)) as database:
        database.execute(
            "INSERT INTO audit (at_us, who, what, subject, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            (change.at_us, change.who, change.what, change.subject, before, after),
        )


def changes(path: Path, limit: int, before: int | None = None) -> Sequence[Change]:
    """The newest changes first, only those whose number is below `before` if that is given.

    Raises `ConfigError` where there is no ledger, `sqlite3.Error`.
    """
    with closing(schema.look(path)) as database:
        rows = database.execute(
            "SELECT at_us, who, what, subject, before, after, number FROM audit "
            "WHERE ?1 IS NULL OR number < ?1 ORDER BY number DESC LIMIT ?2",
            (before, limit),
        ).fetchall()
    return [
        Change(at_us, who, what, subject, json.decode(old), json.decode(new), number)
        for at_us, who, what, subject, old, new, number in rows
    ]

"""The database's file: opening it, and bringing it to the shape that this program knows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path

from hybridge.errors import ConfigError

#: Seconds to wait for another process that writes.
BUSY = 5.0
#: Seconds to wait for another process that brings the file forward, which takes a minute for a million requests.
_UPGRADE = 600.0


def migrations() -> dict[int, str]:
    """The shipped migrations by number, from 1 without a gap."""
    folder = resources.files("hybridge.ledger") / "migrations"
    scripts = {int(file.name[:4]): file for file in folder.iterdir() if file.name.endswith(".sql")}
    return {number: scripts[number].read_text(encoding="utf-8") for number in sorted(scripts)}


def connect(path: Path, busy: float = BUSY) -> sqlite3.Connection:
    """A connection whose transactions are its user's, for use from any one thread at a time."""
    database = sqlite3.connect(path, timeout=busy, isolation_level=None, check_same_thread=False)
    # NORMAL: a killed process loses nothing, a power cut perhaps the last moment, and no commit waits for the disk.
    database.execute("PRAGMA synchronous = NORMAL")
    return database


def look(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises `ConfigError` where there is no ledger, or one of another version."""
    expect_ledger(path)
    expect_current(path)
    database = connect(path)
    database.execute("PRAGMA query_only = ON")
    return database


def expect_ledger(path: Path) -> None:
    """Raises `ConfigError` where there is no file, which connecting would make."""
    if not path.exists():
        raise ConfigError([f"storage: there is no ledger at {path} yet"])


def setting(database: sqlite3.Connection, name: str, make: Callable[[], str]) -> str:
    """A value shared by all who use this database: `make` makes it the first time it is asked for."""
    with transaction(database):
        found = database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        if found is None:
            found = (make(),)
            database.execute("INSERT INTO settings (name, value) VALUES (?, ?)", (name, found[0]))
    return str(found[0])


def version(path: Path) -> int:
    """The number of the last migration in the file; 0 for an empty one."""
    with closing(connect(path)) as database:
        return _version(database)


def prepare(path: Path, known: dict[int, str] | None = None) -> None:
    """Create the database, or bring it forward, keeping a copy `<file>.v<old version>` of one that held something.

    Safe for several processes at once. Raises `ConfigError` if the file cannot be opened, is no database, or was
    made by a newer program.
    """
    known = migrations() if known is None else known
    try:
        with closing(connect(path, _UPGRADE)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            _upgrade(database, path, known)
    except sqlite3.Error as exc:
        raise ConfigError([f"storage: cannot use {path}: {exc}"]) from exc


def expect_current(path: Path) -> None:
    """For who only reads. Raises `ConfigError` for a file that an older or newer program made, else `sqlite3.Error`."""
    held, newest = version(path), max(migrations())
    if held > newest:
        raise _newer(path, held, newest)
    if 0 < held < newest:
        raise ConfigError(
            [f"storage: {path} was made by an older Hybridge; `hybridge serve` brings it forward when it starts"]
        )


def _newer(path: Path, held: int, newest: int) -> ConfigError:
    return ConfigError(
        [f"storage: {path} was made by a newer Hybridge (its version is {held}, this one knows {newest})"]
    )


def _upgrade(database: sqlite3.Connection, path: Path, known: dict[int, str]) -> None:
    newest = max(known)
    if _version(database) == newest:
        return
    with transaction(database):
        # Only now, since another process may have been faster.
        held = _version(database)
        if held > newest:
            raise _newer(path, held, newest)
        if held:
            _copy(path, held)
        for number in range(held + 1, newest + 1):
            for statement in _statements(known[number]):
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {newest}")


def _version(database: sqlite3.Connection) -> int:
    return int(database.execute("PRAGMA user_version").fetchone()[0])


def _copy(path: Path, held: int) -> None:
    with closing(connect(path)) as source, closing(sqlite3.connect(f"{path}.v{held}")) as copy:
        source.backup(copy)


def _statements(script: str) -> Iterator[str]:
    # `executescript` would commit the transaction that it is called in.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """A transaction that may write: committed as a whole, or rolled back."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")

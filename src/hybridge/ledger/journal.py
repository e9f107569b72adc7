"""Entries on their way into the database, in memory that outlives the process: a file that is mapped.

A copy into mapped memory is no call of the system, and what was copied is the system's from then on: a process that is
killed loses no entry. Whoever opens the database next finds the journals of the dead and reads them back.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

#: Bytes of each half. While one is filled, the entries of the other become rows.
HALF = 1 << 20

log = logging.getLogger(__name__)


class Journal:
    """Entries as lines of JSON, in the order in which they are `added`; the first `kept` of them are safe elsewhere.

    A half that is full is begun anew once all of its entries are kept; until then further ones are not in the journal.
    `add` is for one thread, `kept` may be counted by another. Without room on the disk there is no journal.
    """

    def __init__(self, database: Path, half: int = HALF) -> None:
        self.kept = 0
        self._added = 0
        self._half = half
        self._at = 0
        self._end = half
        #: How many had been added when each half was left.
        self._left = [0, 0]
        self._path = database.with_name(f"{database.name}.journal-{os.getpid()}-{secrets.token_hex(4)}")
        self._file = -1
        self._memory: mmap.mmap | None = None
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            # Mapped memory that the disk has no room for would kill us when it is written.
            os.posix_fallocate(self._file, 0, 2 * half)
            self._memory = mmap.mmap(self._file, 2 * half)
        except OSError as exc:
            log.warning("no journal, so a killed process may lose its last moment: %s", exc)
            self.close()

    def add(self, line: bytes) -> None:
        """Keep an entry's line until it is kept elsewhere."""
        self._added += 1
        memory, at = self._memory, self._at
        end = at + len(line) + 2
        if memory is None:
            return
        if end > self._end:
            if not self._turn(len(line)):
                return
            at = self._at
            end = at + len(line) + 2
        # The end is marked for a reader; the next line begins there.
        memory[at:end] = line + b"\n\0"
        self._at = end - 1

    def _turn(self, size: int) -> bool:
        now = (self._end == self._half) ^ 1
        other = now ^ 1
        if size + 2 > self._half or self._left[other] > self.kept:
            return False
        self._left[now] = self._added - 1
        self._at = other * self._half
        self._end = self._at + self._half
        return True

    def close(self) -> None:
        """All is kept elsewhere. May be called twice."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1


def read_back(database: Path, keep: Callable[[Sequence[str]], None], half: int = HALF) -> None:
    """Hand what is in the journals of dead processes to `keep`, and remove them. Raises what `keep` raises."""
    for path in database.parent.glob(f"{database.name}.journal-*"):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                # Its process lives.
                continue
            lines = _lines(file.read(half)) + _lines(file.read(half))
            if lines:
                log.warning("%d ledger entries of a process that was killed are read back", len(lines))
                keep(lines)
            path.unlink(missing_ok=True)


def _lines(half: bytes) -> list[str]:
    # What follows the last line break was never finished.
    *lines, _ = half.partition(b"\0")[0].split(b"\n")
    return [line.decode(errors="replace") for line in lines]

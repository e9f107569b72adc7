"""Which of several processes makes the probes."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class Turn:
    """It is the turn of the process that holds the lock on a file, until that process ends; without a file, ours."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: int | None = None

    def __repr__(self) -> str:
        return f"<Turn {'without a file' if self._path is None else 'ours' if self._file is not None else 'not ours'}>"

    def is_ours(self) -> bool:
        """Whether it is ours; taken now if nobody has it."""
        if self._path is None or self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as exc:
            log.warning("no probes are made: %s: %s", self._path, exc.strerror)
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def pass_on(self) -> None:
        """Let another process have it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

"""Problems of a configuration, each with its place. All are gathered, so that a user mends the file once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from msgspec import Struct

from hybridge.errors import ConfigError

#: Where a value stands: keys and positions from the top of the file.
Path = tuple[str | int, ...]


class Problem(Struct, frozen=True, order=True):
    """What is wrong and where; `str` is one line for the user. `line` is 0 where a problem has none."""

    source: str
    line: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class Report:
    """Errors and warnings on one source, and the line of every path that was read."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._lines: dict[Path, int] = {}
        self._origins: dict[Path, str] = {}
        self._errors: list[Problem] = []
        self._warnings: list[Problem] = []

    def __repr__(self) -> str:
        return f"<Report on {self.source}, {len(self._errors)} errors, {len(self._warnings)} warnings>"

    def place(self, path: Path, line: int) -> None:
        """Remember the line of a path."""
        self._lines[path] = line

    def override(self, path: Path, source: str) -> None:
        """Remember that a value did not come from the file."""
        self._origins[path] = source

    def written(self, path: Path) -> bool:
        """Whether the file has this key."""
        return path in self._lines

    def given(self, path: Path) -> bool:
        """Whether the file or the command line has this key."""
        return path in self._lines or path in self._origins

    def error(self, path: Path, message: str) -> None:
        """Something that the configuration cannot be used with."""
        self._errors.append(self._problem(path, message))

    def warn(self, path: Path, message: str) -> None:
        """Something that the user should know."""
        self._warnings.append(self._problem(path, message))

    @property
    def clean(self) -> bool:
        """Whether there is no error so far."""
        return not self._errors

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """In the order of the file."""
        return tuple(sorted(set(self._warnings)))

    def settle(self) -> None:
        """Raises `ConfigError` with every error, in the order of the file, if there is one."""
        if self._errors:
            raise ConfigError([str(problem) for problem in sorted(set(self._errors))])

    def _problem(self, path: Path, message: str) -> Problem:
        if path in self._origins:
            return Problem(self._origins[path], 0, dotted(path), message)
        near = path
        while near and near not in self._lines:
            near = near[:-1]
        return Problem(self.source, self._lines.get(near, 0), dotted(path), message)


def dotted(path: Path) -> str:
    """`providers.mine.keys[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean keys?`, or nothing where no known word is near."""
    found = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""

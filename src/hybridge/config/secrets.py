"""Where secrets come from: `env:NAME` and `file:/path`. Nothing here ever tells a value, only its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hybridge.config import report
from hybridge.config.units import Secret

#: Written for a provider that asks for no key.
NO_KEY = "none"


class Missing(Exception):
    """A secret that is not there, and why."""


class Secrets:
    """Fetches secrets from the environment and from files; a relative path begins at the configuration's folder."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._environ = environ
        self._folder = folder
        self._missing: dict[report.Path, str] = {}

    def fetch(self, text: str, path: report.Path) -> Secret:
        """The secret that `text` at `path` means. Raises `Missing`."""
        scheme, _, rest = text.partition(":")
        if scheme == "env":
            value, reason = self._variable(rest)
            wanted = rest
        elif scheme == "file":
            value, reason = self._file(rest)
            wanted = text
        elif text == NO_KEY and _is_key(path):
            return Secret("", NO_KEY)
        else:
            return self._written(text)
        if value:
            return Secret(value, text)
        self._missing[path] = wanted
        raise Missing(reason)

    def missing_below(self, path: report.Path) -> list[str]:
        """The variables and files that were wanted below a path and are not there."""
        return [wanted for place, wanted in self._missing.items() if place[: len(path)] == path]

    @staticmethod
    def _written(text: str) -> Secret:
        if not text.strip():
            raise Missing("the secret is empty")
        return Secret(text)

    def _variable(self, name: str) -> tuple[str, str]:
        return self._environ.get(name, "").strip(), f"the variable {name} is not set"

    def _file(self, name: str) -> tuple[str, str]:
        try:
            return (self._folder / name).read_text(encoding="utf-8").strip(), f"the file {name} is empty"
        except OSError as error:
            return "", f"the file {name} cannot be read: {error.strerror}"
        except UnicodeDecodeError:
            return "", f"the file {name} is not UTF-8"


def _is_key(path: report.Path) -> bool:
    return len(path) == 4 and path[0] == "providers" and path[2] == "keys"

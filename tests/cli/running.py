"""Runs the command as a user does: in a folder of its own, with an environment of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from msgspec import Struct

from hybridge.cli import main

#: Set as a key wherever a test needs one; no output may ever hold it.
CANARY = "sk-canary-8f3a"

#: Of the surroundings a test sees only these: where programs are, and what coverage needs.
_KEPT = ("PATH", "HOME", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "LANG")


class Outcome(Struct, frozen=True):
    """What a command did."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Lasting:
    """A command that goes on until it is told to stop."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def address(self) -> str:
        """The address in the next line that it prints."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"https?://[^\s)]+", line)
        assert found, (line, self._process.communicate())
        return found[0]

    def stop(self) -> Outcome:
        """Send SIGTERM and wait for the end."""
        self._process.send_signal(signal.SIGTERM)
        out, err = self._process.communicate(timeout=30)
        return _clean(Outcome(self._process.returncode, out, err))


class Shell:
    """A folder in which commands run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        """A file in the folder."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def environ(self, more: Mapping[str, str]) -> dict[str, str]:
        """What the command sees of the environment."""
        return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(more)

    def run(self, *arguments: str, **environ: str) -> Outcome:
        """Run `hybridge` with these arguments within this process, from the same door as a process of its own."""
        out, err = io.StringIO(), io.StringIO()
        with (
            mock.patch.dict(os.environ, self.environ(environ), clear=True),
            mock.patch.object(sys, "argv", ["hybridge", *arguments]),
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
                code = 0
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return _clean(Outcome(code, out.getvalue(), err.getvalue()))

    @contextlib.contextmanager
    def lasting(self, *arguments: str, **environ: str) -> Iterator[Lasting]:
        """Run it in a process of its own that goes on; whatever happens, it does not outlive the test."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hybridge", *arguments],
            cwd=self.folder,
            env=self.environ(environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Lasting(process)
        finally:
            process.kill()
            process.communicate()

    def process(self, *arguments: str, **environ: str) -> Outcome:
        """Run it in a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "hybridge", *arguments],
            check=False,
            cwd=self.folder,
            env=self.environ(environ),
            capture_output=True,
            text=True,
            timeout=50,
        )
        return _clean(Outcome(done.returncode, done.stdout, done.stderr))


def _clean(outcome: Outcome) -> Outcome:
    """Nothing that is printed may hold the canary or a traceback."""
    printed = outcome.out + outcome.err
    assert CANARY not in printed
    assert "Traceback" not in printed
    return outcome

"""`hybridge serve` in processes of its own, for as long as a run lasts."""

from __future__ import annotations

import asyncio
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from hybridge.chaos.client import get

_READY = re.compile(r"https?://[^\s)]+")

#: Seconds until it must be ready, and until it must have left.
_PATIENCE_S = 30.0

LEDGER = "accounts.db"


class Gateway:
    """Serves a configuration in a folder while it is entered (`async with`)."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._folder = folder
        self._config = config
        self._process: asyncio.subprocess.Process | None = None
        self.address = ""

    async def __aenter__(self) -> Gateway:
        written = {**self._config, "storage": f"sqlite:///{LEDGER}"}
        path = self._folder / "hybridge.yaml"
        path.write_bytes(msgspec.json.encode(written))
        with (self._folder / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "hybridge", "serve", "--config", str(path)),
                cwd=self._folder,
                env={name: value for name, value in os.environ.items() if not name.startswith("HYBRIDGE_")},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        try:
            assert self._process.stdout is not None
            line = (await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE_S)).decode()
            found = _READY.search(line)
            if found is None:
                raise RuntimeError(f"the gateway did not start: {self.log.strip() or line.strip()}")
        except BaseException:
            await self._end()
            raise
        self.address = found[0]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        assert self._process is not None
        listed = subprocess.run(
            ("ps", "-A", "-ww", "-o", "pid=,ppid=,args="), capture_output=True, text=True, check=True
        )
        lines = (line.split(None, 2) for line in listed.stdout.splitlines())
        return [
            int(parts[0])
            for parts in lines
            if len(parts) == 3 and int(parts[1]) == self._process.pid and "supervisor.worker" in parts[2]
        ]

    async def leave(self) -> None:
        """End as SIGTERM does it: the ledger is written."""
        await self._end()

    def rows(self) -> dict[str, int]:
        """The calls of each request in the ledger, by request id."""
        with closing(sqlite3.connect(self._folder / LEDGER)) as database:
            select = "SELECT requests.id, count(request_id) FROM requests LEFT JOIN attempts ON request_id = id"
            return dict(database.execute(f"{select} GROUP BY id").fetchall())

    async def metric(self, name: str) -> float:
        """The highest value of a metric over its labels, of all workers together; not a number where there is none."""
        values = [
            float(line.rpartition(" ")[2])
            for line in (await get(f"{self.address}/metrics")).splitlines()
            if line.startswith((f"{name}{{", f"{name} "))
        ]
        return max(values, default=math.nan)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), _PATIENCE_S)
        except TimeoutError:
            process.kill()
            await process.wait()

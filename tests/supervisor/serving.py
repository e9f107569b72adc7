"""`hybridge serve` in processes of its own, in front of upstreams that live in the test."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.gateway.harness import Received, Script, Upstream, openai_chunks, openai_reply, provider

#: Of the surroundings a served gateway sees only these: where programs are, and what coverage needs.
_KEPT = ("PATH", "HOME", "LANG", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")

MODEL = "mine/m"
Values = Mapping[str, object]


def values(upstream: Upstream, **more: object) -> dict[str, object]:
    """A configuration: two workers, one provider, one model with a price."""
    return {
        "server": {"port": 0, "workers": 2, "drain": "20s"},
        "storage": "sqlite:///accounts.db",
        "providers": {"mine": provider(upstream)},
        "models": {"m": {"deployments": [MODEL], "price": {MODEL: {"input": 1, "output": 2}}}},
        **more,
    }


class Served:
    """A gateway that runs. `client` makes a new connection for each request, so that every worker gets some."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        folder: Path,
        client: httpx2.AsyncClient,
        url: str,
        admin_url: str = "",
    ) -> None:
        self.process = process
        self.folder = folder
        self.client = client
        self.url = url
        self.admin_url = admin_url

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def workers(self) -> list[int]:
        """The process ids of the workers."""
        return self._of("hybridge.supervisor.worker")

    def control(self) -> list[int]:
        """The process id of the control plane, if there is one."""
        return self._of("hybridge.supervisor.control")

    def _of(self, module: str) -> list[int]:
        return [pid for pid, parent, command in processes() if parent == self.process.pid and module in command]

    def configure(self, text: str | Values) -> None:
        """Put another configuration in the place of the old one, as editors do."""
        new = self.folder / "hybridge.yaml.new"
        new.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        new.replace(self.folder / "hybridge.yaml")

    async def chat(self, **more: object) -> httpx2.Response:
        """One chat."""
        return await self.client.post("/v1/chat/completions", json=asked(**more))

    async def get(self, path: str) -> httpx2.Response:
        """A request that is made again where its connection is lost, as a worker that leaves may do to it."""
        while True:
            with contextlib.suppress(httpx2.TransportError):
                return await self.client.get(path)

    async def metrics(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """`/metrics`: values by name and the labels' values."""
        answer = await self.get("/metrics")
        assert answer.status_code == 200, answer.text
        return parsed(answer.text)

    async def counted(self, name: str) -> float:
        """The sum of a metric over its labels."""
        return sum(value for (found, _), value in (await self.metrics()).items() if found == name)

    async def until_logged(self, text: str) -> None:
        """Wait for a line of the log."""
        await until(lambda: text in self.log)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 30)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The requests in the ledger, by id, each with what its attempts cost."""
        select = "SELECT requests.*, sum(cost_nano_usd) AS cost FROM requests LEFT JOIN attempts ON request_id = id"
        with contextlib.closing(sqlite3.connect(self.folder / "accounts.db")) as database:
            database.row_factory = sqlite3.Row
            return {row["id"]: dict(row) for row in database.execute(f"{select} GROUP BY id")}


def asked(**more: object) -> dict[str, object]:
    """The body of a chat."""
    return {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **more}


def parsed(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Prometheus' text as its own parser reads it."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, tuple(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


def processes() -> list[tuple[int, int, str]]:
    """Every process: id, parent, command."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    found = (line.split(None, 2) for line in listed.stdout.splitlines())
    return [(int(parts[0]), int(parts[1]), parts[2]) for parts in found if len(parts) == 3]


async def until(holds: Callable[[], bool], within: float = 20.0) -> None:
    """Wait for what another process does."""
    async with asyncio.timeout(within):
        while not holds():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(folder: Path, text: Values, *arguments: str) -> AsyncIterator[Served]:
    """Serve a configuration in a folder, without a control plane unless `arguments` give it a port.

    Whatever happens, no process outlives the test.
    """
    (folder / "hybridge.yaml").write_text(json.dumps(text), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hybridge", "serve", "--admin-port", "off", *arguments),
            cwd=folder,
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    pids: set[int] = set()
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
        found = re.findall(r"https?://[^\s),]+", line)
        assert found, (line, (folder / "log").read_text(encoding="utf-8"))
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(base_url=found[0], timeout=30, trust_env=False, limits=limits) as client:
            served = Served(process, folder, client, *found)
            pids.update(served.workers())
            yield served
            pids.update(served.workers(), served.control())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        for pid, _, command in processes():
            if pid in pids and "hybridge.supervisor" in command:
                os.kill(pid, signal.SIGKILL)


def answering() -> Script:
    """A provider that answers whole or in a stream, as it is asked."""

    async def script(received: Received, link: Any) -> None:
        if received.json.get("stream"):
            await link.stream(openai_chunks("Hi", " there."))
        else:
            await link.reply(200, openai_reply())

    return script


class Slow:
    """A provider whose streams wait for `go` after their first word; `begun` is set once one has begun."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, received: Received, link: Any) -> None:
        if not received.json.get("stream"):
            await link.reply(200, openai_reply())
            return
        first, *rest = openai_chunks("Hi", " there.")[1:]
        await link.stream([first], end=False)
        self.begun.set()
        await self.go.wait()
        for piece in (*rest, b""):
            await link.send(b"%x\r\n%s\r\n" % (len(piece), piece))

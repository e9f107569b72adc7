"""The supervisor within this process, its workers in processes of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx2
import pytest

from hybridge.config import Found, Overrides, read
from hybridge.supervisor.supervisor import Supervisor
from tests.gateway.harness import Upstream
from tests.supervisor.serving import answering, asked, values


async def test_every_worker_gets_some_of_the_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said: asyncio.Queue[str] = asyncio.Queue()
    async with Upstream(answering()) as upstream:

        def find() -> Found:
            return read(values(upstream), {}, overrides=Overrides(admin_port="off"))

        supervisor = Supervisor(find, lambda _: None, said.put_nowait)
        running = asyncio.create_task(supervisor.run())
        line = await said.get()
        url = line.split(" on ")[1].split(" ")[0]
        assert line == f"Hybridge is ready on {url} (1 provider)"
        # A connection each: the kernel deals out connections, not requests.
        limits = httpx2.Limits(max_keepalive_connections=0)
        async with httpx2.AsyncClient(base_url=url, trust_env=False, limits=limits) as client:
            for _ in range(40):
                assert (await client.post("/v1/chat/completions", json=asked())).status_code == 200
        await supervisor.samples()
        counted = [
            sum(sample.value for sample in link.latest if sample.family == "hybridge_requests_total")
            for link in supervisor.links
        ]
        assert len(counted) == 2
        assert sum(counted) == 40
        assert min(counted) > 0
        supervisor.stop()
        await running
    assert supervisor.links == []

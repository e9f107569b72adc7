"""A configuration that changes while requests are under way."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from tests.gateway.harness import Upstream, provider
from tests.supervisor.serving import MODEL, Served, Slow, answering, asked, serving, values

DEARER = {"m": {"deployments": [MODEL], "price": {MODEL: {"input": 1000, "output": 2000}}}}


async def test_a_new_price_holds_for_new_requests_and_nobody_is_dropped(tmp_path: Path) -> None:
    slow, over, asked_of = Slow(), asyncio.Event(), 0

    async def ask(served: Served) -> int:
        count = 0
        while not over.is_set():
            answer = await served.chat()
            assert answer.status_code == 200, answer.text
            count += 1
        return count

    async with Upstream(slow) as upstream, serving(tmp_path, values(upstream)) as served:
        cheap = (await served.chat()).headers["x-hybridge-cost"]
        async with served.client.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as answer:
            pieces = answer.aiter_bytes()
            said = await anext(pieces)
            asking = [asyncio.create_task(ask(served)) for _ in range(3)]
            served.configure(values(upstream, models=DEARER))
            await served.until_logged("a new configuration is in force")
            served.configure(values(upstream, models=DEARER, routing={"unknown_models": "reject"}))
            while await served.counted("hybridge_config_reloads_total") < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            over.set()
            asked_of = sum(await asyncio.gather(*asking))
            slow.go.set()
            async for piece in pieces:
                said += piece
        assert asked_of > 20
        assert said.endswith(b"data: [DONE]\n\n")
        dear = {(await served.chat()).headers["x-hybridge-cost"] for _ in range(6)}
        assert dear != {cheap}
        assert len(dear) == 1
        assert (await served.chat(model="nobody-knows-it")).status_code == 404
        assert await served.end() == 0
        rows = served.rows()
        assert len(rows) == asked_of + 9
        # It began under the old price, and ends under it.
        assert rows[answer.headers["x-hybridge-request-id"]]["cost"] == 9 * 1000 + 2 * 2000


async def test_a_bad_file_changes_nothing_and_its_problems_are_logged(tmp_path: Path) -> None:
    async with Upstream(answering()) as upstream, serving(tmp_path, values(upstream)) as served:
        served.configure("providers:\n  mine: {kind: direct, dialect: opnai}\nbudgts: []\n")
        await served.until_logged("hybridge.yaml:3: budgts: unknown key; did you mean budgets?")
        assert "the configuration is not changed: hybridge.yaml:2: providers.mine.dialect: " in served.log
        cheap = (await served.chat()).headers["x-hybridge-cost"]
        # What only the catalogue finds out, in the workers.
        off = {"mine": provider(upstream), "groq": {"keys": ["env:NOT_SET"]}}
        served.configure(values(upstream, models=DEARER, providers=off, routing={"unknown_models": "pass:groq"}))
        await served.until_logged("the configuration is not changed: routing.unknown_models: no provider 'groq' is on")
        (served.folder / "hybridge.yaml").unlink()
        served.process.send_signal(signal.SIGHUP)
        await served.until_logged("hybridge.yaml: the file is gone")
        counted = await served.metrics()
        assert counted["hybridge_config_reloads_total", ("error",)] == 3
        assert ("hybridge_config_reloads_total", ("success",)) not in counted
        assert {(await served.chat()).headers["x-hybridge-cost"] for _ in range(6)} == {cheap}


async def test_sighup_reads_again_and_what_needs_a_restart_is_named(tmp_path: Path) -> None:
    async with (
        Upstream(answering()) as first,
        Upstream(answering()) as second,
        serving(tmp_path, values(first)) as served,
    ):
        changed = values(first, providers={"mine": provider(second)}, storage="sqlite:///other.db")
        served.configure(changed | {"server": {"port": 1, "workers": 5, "concurrency": 7}})
        served.process.send_signal(signal.SIGHUP)
        await served.until_logged("a new configuration is in force")
        for key in ("server.port", "server.workers", "storage"):
            assert f"hybridge.yaml: {key} changes with the next start only" in served.log
        asked_before = len(first.received)
        assert {(await served.chat()).status_code for _ in range(6)} == {200}
        assert (len(first.received), len(second.received)) == (asked_before, 6)
        assert len(served.workers()) == 2


async def test_a_worker_that_comes_later_gets_the_configuration_in_force(tmp_path: Path) -> None:
    async with Upstream(answering()) as upstream, serving(tmp_path, values(upstream)) as served:
        served.configure(values(upstream, models=DEARER))
        await served.until_logged("a new configuration is in force")
        dear = (await served.chat()).headers["x-hybridge-cost"]
        for pid in served.workers():
            # One after the other: a worker that is told to go is replaced too.
            restarts = await served.counted("hybridge_worker_restarts_total")
            os.kill(pid, signal.SIGTERM)
            while True:
                counted = await served.metrics()
                if counted["hybridge_worker_restarts_total", ()] > restarts and counted["hybridge_workers", ()] == 2:
                    break
        assert {(await served.chat()).headers["x-hybridge-cost"] for _ in range(6)} == {dear}
        assert await served.counted("hybridge_requests_total") == 7

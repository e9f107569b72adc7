"""Several workers on one port: they share the work, survive each other, and end together."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import httpx2
import pytest

from tests.gateway.harness import Upstream
from tests.supervisor.serving import MODEL, Served, Slow, answering, asked, processes, serving, until, values


async def test_metrics_are_those_of_all_workers(tmp_path: Path) -> None:
    async with Upstream(answering()) as upstream, serving(tmp_path, values(upstream)) as served:
        assert len(served.workers()) == 2
        answers = [await served.chat() for _ in range(12)]
        assert {answer.status_code for answer in answers} == {200}
        labels = ("chat", "openai", MODEL, "direct", "200")
        for _ in range(4):
            counted = await served.metrics()
            assert counted["hybridge_requests_total", labels] == 12
            assert counted["hybridge_attempts_total", (MODEL, "success")] == 12
            assert counted["hybridge_workers", ()] == 2
            assert counted["hybridge_inflight_requests", ()] == 0
            assert counted["hybridge_breaker_state", (MODEL,)] == 0
        (channel,) = {Path(command.split()[-1]) for pid, _, command in processes() if pid in served.workers()}
        assert channel.parent.stat().st_mode & 0o077 == 0
        assert await served.end() == 0
        assert not channel.parent.exists()
        assert len(served.rows()) == 12


async def test_a_worker_that_is_killed_costs_nobody_else_anything(tmp_path: Path) -> None:
    answered: dict[str, float] = {}
    broken: list[float] = []
    over = asyncio.Event()

    async def ask(served: Served) -> None:
        while not over.is_set():
            try:
                answer = await served.chat()
            except httpx2.TransportError:
                broken.append(time.monotonic())
            else:
                assert answer.status_code == 200, answer.text
                answered[answer.headers["x-hybridge-request-id"]] = time.monotonic()

    async with Upstream(answering()) as upstream, serving(tmp_path, values(upstream)) as served:
        before = set(served.workers())
        asking = [asyncio.create_task(ask(served)) for _ in range(4)]
        await until(lambda: len(answered) > 200)
        counted = await served.counted("hybridge_requests_total")
        began = time.monotonic()
        await until(lambda: time.monotonic() > began + 1.2)
        killed, at = min(before), time.monotonic()
        os.kill(killed, signal.SIGKILL)
        await served.until_logged("ended with -9; it is started again at once")
        while await served.counted("hybridge_workers") < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        after = len(answered)
        await until(lambda: len(answered) > after + 50)
        over.set()
        await asyncio.gather(*asking)
        assert killed not in served.workers()
        assert len(served.workers()) == 2
        assert await served.counted("hybridge_worker_restarts_total") == 1
        assert await served.counted("hybridge_requests_total") >= counted
        assert await served.end() == 0
        # What was on its way to the killed one, and nothing later.
        assert len(broken) <= 4 + 4
        assert all(moment < at + 1 for moment in broken)
        rows = served.rows()
        assert [at - moment for key, moment in answered.items() if key not in rows and moment < at - 1] == []
        assert all(key in rows for key, moment in answered.items() if moment > at + 1)


async def test_sigterm_lets_a_stream_end_and_sends_others_away(tmp_path: Path) -> None:
    slow = Slow()
    async with Upstream(slow) as upstream, serving(tmp_path, values(upstream) | ONE) as served:
        async with served.client.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as answer:
            pieces = answer.aiter_bytes()
            said = await anext(pieces)
            served.process.send_signal(signal.SIGTERM)
            late = await served.chat()
            while late.status_code == 200:
                late = await served.chat()
            assert (late.status_code, late.headers["x-hybridge-error"]) == (503, "draining")
            # And the port stays open as long as the stream lasts.
            began = time.monotonic()
            await until(lambda: time.monotonic() > began + 0.5)
            assert (await served.client.get("/readyz")).status_code == 503
            slow.go.set()
            async for piece in pieces:
                said += piece
        assert b" there." in said
        assert said.endswith(b"data: [DONE]\n\n")
        assert await asyncio.wait_for(served.process.wait(), 20) == 0
        assert served.rows()[answer.headers["x-hybridge-request-id"]]["status"] == 200


async def test_a_second_sigint_does_not_wait_and_the_ledger_is_whole(tmp_path: Path) -> None:
    slow = Slow()
    async with Upstream(slow) as upstream, serving(tmp_path, values(upstream)) as served:
        with pytest.raises(httpx2.TransportError):
            async with served.client.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as answer:
                pieces = answer.aiter_bytes()
                await anext(pieces)
                served.process.send_signal(signal.SIGINT)
                while (await served.get("/readyz")).status_code == 200:
                    pass
                assert served.process.returncode is None
                served.process.send_signal(signal.SIGINT)
                async with asyncio.timeout(10):
                    async for _ in pieces:
                        pass
        assert await asyncio.wait_for(served.process.wait(), 10) == 0
        assert answer.headers["x-hybridge-request-id"] in served.rows()


async def test_workers_whose_supervisor_was_killed_end_their_streams_and_leave(tmp_path: Path) -> None:
    slow = Slow()
    async with Upstream(slow) as upstream, serving(tmp_path, values(upstream)) as served:
        workers = set(served.workers())
        async with served.client.stream("POST", "/v1/chat/completions", json=asked(stream=True)) as answer:
            pieces = answer.aiter_bytes()
            said = await anext(pieces)
            served.process.kill()
            while (await served.get("/readyz")).status_code == 200:
                pass
            slow.go.set()
            async for piece in pieces:
                said += piece
        assert said.endswith(b"data: [DONE]\n\n")
        await until(lambda: not workers & {pid for pid, _, _ in processes()})
        assert answer.headers["x-hybridge-request-id"] in served.rows()


async def test_a_start_that_fails_says_why_and_leaves_nobody(tmp_path: Path) -> None:
    (tmp_path / "accounts.db").write_text("this is no database, and long enough to be told from an empty one" * 20)
    with pytest.raises(AssertionError) as raised:
        async with Upstream(answering()) as upstream, serving(tmp_path, values(upstream)):
            pass
    assert "Error: storage: cannot use accounts.db: file is not a database" in str(raised.value)
    assert not [command for _, _, command in processes() if str(tmp_path) in command]


#: One worker, so that it is known who is asked.
ONE = {"server": {"port": 0, "workers": 1, "drain": "20s"}}

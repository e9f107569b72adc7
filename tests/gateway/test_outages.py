"""Outages seen from outside: over real sockets, in a time that tests move."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import httpx2
import pytest

from hybridge import app
from tests.gateway.asking import ask, chain, refused
from tests.gateway.harness import Gateway, Link, Received, Script, Upstream, answering, gateway, openai_reply, provider

BAD = answering(500, b"")
GOOD = answering(200, openai_reply())


class Clock:
    """Monotonic seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(app, "time", SimpleNamespace(monotonic=clock, time=time.time, time_ns=time.time_ns))
    return clock


@pytest.mark.parametrize("legs", [1, 2, 3])
async def test_when_all_come_back_they_are_used_within_two_seconds(clock: Clock, legs: int) -> None:
    async with Upstream(BAD) as one, Upstream(BAD) as two, Upstream(BAD) as three:
        upstreams = [one, two, three][:legs]
        async with gateway(chain(*upstreams)) as running:
            for _ in range(3):
                refused(await ask(running, "openai"), 502, "all_deployments_failed")
            calls = sum(len(each.received) for each in upstreams)
            for second in range(1, 20):
                clock.now += 1
                refused(await ask(running, "openai"), 502, "all_deployments_failed")
                told = await ask(running, "openai")
                refused(told, 503, "no_healthy_deployment")
                assert int(told.headers["retry-after"]) >= 1
                assert sum(len(each.received) for each in upstreams) == calls + second, "one probe a second"
            for each in upstreams:
                each.scripts = [GOOD]
            clock.now += 1
            assert (await ask(running, "openai")).status_code == 200
            assert (await ask(running, "openai")).status_code == 200


@asynccontextmanager
async def beside_a_dead_provider() -> AsyncIterator[tuple[Gateway, Upstream]]:
    """Three models of a provider that refuses connections, and another provider behind each of them."""
    async with Upstream(GOOD) as dead, Upstream(GOOD) as well:
        names = ("x", "y", "z")
        values = {
            "providers": {"dead": provider(dead), "well": provider(well)},
            "models": {name: {"deployments": [f"dead/{name}", f"well/{name}"]} for name in names},
        }
        async with gateway(values) as running:
            port = dead.url.rpartition(":")[2]
            await dead.__aexit__()
            with pytest.raises(httpx2.ConnectError):
                await httpx2.AsyncClient(trust_env=False).get(f"http://127.0.0.1:{port}")
            yield running, well


async def test_a_provider_that_is_gone_is_known_by_all_its_models(clock: Clock) -> None:
    async with beside_a_dead_provider() as (running, _):
        trails = [(await running.chat(name)).headers["x-hybridge-attempts"] for name in ("x", "y", "z", "x", "y", "z")]
        assert [trail.count(";") for trail in trails] == [1, 1, 1, 0, 0, 0]
        (told,) = [each for each in running.running.breakers.states() if each.id == "dead"]
        assert (told.state, told.why) == ("open", "3 failures in a row, last: connect_failed")
        clock.now += 75
        trails = [(await running.chat(name)).headers["x-hybridge-attempts"] for name in ("x", "y", "z")]
        assert [trail.count(";") for trail in trails] == [1, 0, 0], "one of them is its probe"


def silent(asked: asyncio.Event) -> Script:
    """A script that says that it was asked, and then nothing until the gateway gives up."""

    async def script(received: Received, link: Link) -> None:
        asked.set()
        await link.until_closed()

    return script


async def test_one_that_has_all_the_calls_it_can_take_is_passed_over_or_told_of_at_once(clock: Clock) -> None:
    one, two = asyncio.Event(), asyncio.Event()
    async with (
        Upstream(silent(one)) as first,
        Upstream(GOOD, silent(two)) as second,
        gateway(chain(first, second, breaker={"concurrency": 1})) as running,
    ):
        waiting = [asyncio.create_task(ask(running, "openai"))]
        await one.wait()
        assert (await ask(running, "openai")).headers["x-hybridge-attempts"] == "b/x=200"
        waiting.append(asyncio.create_task(ask(running, "openai")))
        await two.wait()
        told = await ask(running, "openai")
        refused(told, 429, "overloaded")
        assert told.headers["retry-after"] == "1"
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_key_rests_until_the_date_that_a_provider_names(clock: Clock) -> None:
    late = {"retry_after": "Sun, 22 Nov 2026 12:00:30 GMT", "date": "Sun, 22 Nov 2026 12:00:00 GMT"}
    async with Upstream(answering(429, b"", **late)) as upstream, gateway(chain(upstream)) as running:
        for _ in range(2):
            told = await ask(running, "openai")
            refused(told, 429, "rate_limit_exceeded")
            assert told.headers["retry-after"] == "30"
        assert len(upstream.received) == 1

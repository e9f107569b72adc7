"""Probes that cost money: whom they ask, what the ledger has of them, and that the day's amount holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hybridge import app
from hybridge.config import load
from hybridge.errors import ConfigError
from hybridge.ledger.reports import spent
from hybridge.ledger.store import SqliteLedger
from hybridge.probes.paid import NAME, Allowance
from tests.gateway.harness import Gateway, Upstream, answering, gateway, openai_reply, provider

#: 9 tokens in and 3 out, at 1 and 2 USD per million.
COST = 15_000
FAILING = answering(500, {"error": {"message": "no"}})
WELL = answering(200, openai_reply())


def values(upstream: Upstream, cap: str = "1 USD", **more: object) -> dict[str, Any]:
    return {
        "providers": {"mine": provider(upstream)},
        "models": {
            "m": {"deployments": ["mine/m"], "price": {"mine/m": {"input": 1, "output": 2}}},
            "n": {"deployments": ["mine/n"], "price": {"mine/n": {"input": 1, "output": 2}}},
            "free": {"deployments": ["mine/unpriced"]},
        },
        "health": {"probes": "paid", "paid_per_day": cap, "every": "1h"},
        **more,
    }


def chats(upstream: Upstream) -> list[Any]:
    """What was asked in chats."""
    return [each.json for each in upstream.received if each.method == "POST"]


async def rounds(running: Gateway, times: int = 1) -> None:
    made = running.running.rounds
    assert made is not None
    assert made._paid is not None
    for _ in range(times):
        await made._paid.round()


async def test_each_deployment_without_calls_is_asked_for_one_token_and_entered() -> None:
    async with Upstream(WELL) as upstream, gateway(values(upstream)) as running:
        await rounds(running, 5)
        # What nobody has a price of is not asked; what was answered is known for a while.
        assert [(each["model"], each["max_tokens"]) for each in chats(upstream)] == [("m", 1), ("n", 1)]
        entry, _ = running.entries
        assert (entry.key, entry.user, entry.tags, entry.status) == (NAME, NAME, (NAME,), 200)
        assert (entry.deployment, entry.cost_nano_usd) == ("mine/m", COST)
        assert running.running.health.window("mine/m").success_ratio == 1


async def test_a_deployment_with_traffic_is_left_alone() -> None:
    async with Upstream(WELL) as upstream, gateway(values(upstream)) as running:
        await running.chat("m")
        await rounds(running, 3)
        assert [each["model"] for each in chats(upstream)] == ["m", "n"]


async def test_the_days_amount_holds() -> None:
    # One probe may cost 300 µUSD at most and costs 15: with 310 the second one might be too much.
    async with Upstream(WELL) as upstream, gateway(values(upstream, "0.000310 USD")) as running:
        await rounds(running, 3)
        assert len(chats(upstream)) == 1
    async with Upstream(WELL) as upstream, gateway(values(upstream, "0 USD")) as running:
        await rounds(running, 3)
        assert chats(upstream) == []


async def test_a_bill_that_nobody_knows_counts_as_the_most_it_may_be() -> None:
    silent = answering(200, {key: value for key, value in openai_reply().items() if key != "usage"})
    async with Upstream(silent) as upstream, gateway(values(upstream, "0.000599 USD")) as running:
        await rounds(running, 3)
        assert len(chats(upstream)) == 1


async def test_a_failed_probe_is_made_once_and_opens_nothing() -> None:
    async with Upstream(FAILING) as upstream, gateway(values(upstream, breaker={"failures": 1})) as running:
        await rounds(running, 4)
        assert [each["model"] for each in chats(upstream)] == ["m", "n"]
        assert {breaker.state for _, breaker in running.running.breakers} <= {"closed"}
        assert [entry.status for entry in running.entries] == [502, 502]


async def test_a_probe_closes_a_breaker_that_waits_for_somebody_to_try() -> None:
    async with (
        Upstream(FAILING) as upstream,
        gateway(values(upstream, breaker={"failures": 1, "reset_after": "300ms"})) as running,
    ):
        await running.chat("m")
        breaker = running.running.breakers["mine/m"]

        def state() -> str:
            return breaker.state

        assert state() == "open"
        upstream.scripts = [WELL]
        asked = len(chats(upstream))
        await rounds(running)
        # Too early; the others have their turn meanwhile.
        while state() == "open":  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await rounds(running, 3)
        assert state() == "closed"
        assert "m" in [each["model"] for each in chats(upstream)[asked:]]


async def test_a_refused_key_is_set_aside() -> None:
    refusing = answering(401, {"error": {"message": "no", "code": "invalid_api_key"}})
    async with Upstream(refusing) as upstream, gateway(values(upstream)) as running:
        await rounds(running)
        assert running.running.pools["mine"].all_refused


@asynccontextmanager
async def restarted(upstream: Upstream, path: Path, cap: str) -> AsyncIterator[app.Running]:
    running = app.start(app.assemble(load(values(upstream, cap), {})), SqliteLedger(path))
    try:
        yield running
    finally:
        await running.aclose()


async def test_a_restart_remembers_what_the_day_has_cost(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with Upstream(WELL) as upstream:
        for _ in range(2):
            async with restarted(upstream, path, "0.000310 USD") as running:
                assert running.rounds is not None
                await running.rounds.round()
        assert len(chats(upstream)) == 1
        assert spent(path, NAME, 0) == COST
        assert spent(path, "open", 0) == 0
        assert spent(path, NAME, app.now_us()) == 0


async def test_another_configuration_knows_what_was_just_spent(tmp_path: Path) -> None:
    async with Upstream(WELL) as upstream:
        assembled = app.assemble(load(values(upstream, "0.000310 USD"), {}))
        running = app.start(assembled, SqliteLedger(tmp_path / "x.db"))
        for _ in range(2):
            assert running.rounds is not None
            await running.rounds.round()
            running = app.start(assembled, running.ledger, running)
        await running.aclose()
        assert len(chats(upstream)) == 1


async def test_a_new_day_has_a_new_amount() -> None:
    day, asked = 86_400_000_000, []
    now = 20_000 * day + 5

    def before(since_us: int) -> int:
        asked.append(since_us)
        return 90

    allowance = Allowance(100, before, lambda: now)
    assert await allowance.has(10)
    assert not await allowance.has(11)
    allowance.spend(10)
    assert not await allowance.has(1)
    now += day
    assert await allowance.has(10)
    assert asked == [20_000 * day, 20_001 * day]


def test_what_the_configuration_says_of_it() -> None:
    config = load({"providers": {"ollama": {}}, "health": {"probes": "paid", "paid_per_day": "0.01 USD"}}, {})
    assert (config.health.probes, config.health.every) == ("paid", 60.0)
    with pytest.raises(ConfigError, match=r"health\.every"):
        load({"providers": {"ollama": {}}, "health": {"every": "0s"}}, {})
    with pytest.raises(ConfigError, match="the name 'probe' is taken"):
        load({"providers": {"ollama": {}}, "access": {"keys": [{"name": "probe", "key": "x"}]}}, {})

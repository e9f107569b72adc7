"""Rounds of free probes: who is probed, what is learnt, and what is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import cast

import pytest

from hybridge import app
from hybridge.config import load
from hybridge.ledger.store import MemoryLedger, SqliteLedger
from hybridge.observers.samples import exposition
from hybridge.probes.rounds import Rounds
from hybridge.probes.turn import Turn
from hybridge.resilience.keys import fingerprint
from tests.gateway.harness import Gateway, Link, Received, Upstream, Values, gateway, openai_reply, provider
from tests.supervisor.serving import parsed

INVALID = {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}


class House:
    """A provider that lists models with `listing` and answers chats with `chat` as their status."""

    def __init__(self) -> None:
        self.listing = 200
        self.chat = 200
        self.upstream = Upstream(self._answer)

    async def _answer(self, received: Received, link: Link) -> None:
        if received.method == "POST":
            await link.reply(self.chat, openai_reply() if self.chat == 200 else {"error": {"message": "no"}})
        else:
            answers: dict[int, Values] = {200: {"data": []}, 401: INVALID}
            told = answers.get(self.listing, {"error": {"message": "no"}})
            await link.reply(self.listing, told)

    @property
    def probes(self) -> list[str]:
        """The keys of the probes that came."""
        return [each.headers["authorization"] for each in self.upstream.received if each.method == "GET"]


def values(house: House, *keys: str, **more: object) -> dict[str, object]:
    given = provider(house.upstream, keys=list(keys or ("k-1",)))
    return {"providers": {"mine": given}, "models": {"m": {"deployments": ["mine/m"]}}, **more}


def rounds(running: Gateway) -> Rounds:
    made = running.running.rounds
    assert made is not None
    return made


async def test_a_provider_that_nobody_asked_is_probed_and_one_that_answers_is_not() -> None:
    house = House()
    async with house.upstream, gateway(values(house)) as running:
        await rounds(running).round()
        assert house.probes == ["Bearer k-1"]
        ((place, probed),) = rounds(running).results.items()
        assert place == ("mine", fingerprint("k-1"))
        assert (probed.verdict, probed.status, probed.said) == ("ok", 200, "it answers")
        assert (await running.chat("m")).status_code == 200
        await rounds(running).round()
        assert len(house.probes) == 1
        # Once its breaker is open, its answers of before are no news.
        house.chat = 500
        for _ in range(3):
            await running.chat("m")
        await rounds(running).round()
        assert len(house.probes) == 2


async def test_keys_take_turns() -> None:
    house = House()
    async with house.upstream, gateway(values(house, "k-1", "k-2")) as running:
        for _ in range(3):
            await rounds(running).round()
    assert house.probes == ["Bearer k-1", "Bearer k-2", "Bearer k-1"]


async def test_a_refused_key_is_set_aside_and_no_breaker_hears_of_it(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    house.listing = 401
    async with house.upstream, gateway(values(house, "k-1", "k-2")) as running:
        for _ in range(2):
            await rounds(running).round()
        assert {probed.verdict for probed in rounds(running).results.values()} == {"refused"}
        assert running.running.pools["mine"].all_refused
        assert [breaker.state for _, breaker in running.running.breakers if breaker.state != "closed"] == []
        assert (await running.chat("m")).status_code == 503
    assert "it refuses the key (HTTP 401)" in caplog.text
    assert "k-1" not in caplog.text


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
async def test_other_failures_are_shown_and_change_nothing(status: int) -> None:
    house = House()
    house.listing = status
    async with house.upstream, gateway(values(house, breaker={"failures": 1})) as running:
        for _ in range(5):
            await rounds(running).round()
        assert (await running.chat("m")).status_code == 200


async def test_what_was_found_is_told_in_metrics() -> None:
    house = House()
    async with house.upstream, gateway(values(house)) as running:
        await rounds(running).round()
        house.listing = 401
        found = parsed((await running.client.get("/metrics")).text)
        key = ("mine", fingerprint("k-1"))
        assert found["hybridge_probe_ok", key] == 1
        assert 0 < found["hybridge_probe_seconds", key] < 10
        await rounds(running).round()
        found = parsed(exposition(running.running.metrics.samples()).decode())
        assert found["hybridge_probe_ok", key] == 0


async def test_rounds_come_by_themselves_and_end_with_the_gateway() -> None:
    house = House()
    async with house.upstream:
        async with gateway(values(house, health={"every": "50ms"})) as running:
            while len(house.probes) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            made = rounds(running)
        assert made._timer is not None and made._timer.cancelled()
        assert repr(made) == "<Rounds every 0.05 s, 1 results>"


async def test_a_defect_does_not_end_the_rounds(caplog: pytest.LogCaptureFixture) -> None:
    house = House()
    async with house.upstream, gateway(values(house, health={"every": "20ms"})) as running:
        pools = running.running.pools
        pool = pools.pop("mine")
        while "a defect of the probes" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        pools["mine"] = pool
        while not house.probes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_off_means_that_there_are_none() -> None:
    house = House()
    async with house.upstream, gateway(values(house, health={"probes": "off"})) as running:
        assert running.running.rounds is None


async def test_another_configuration_goes_on_with_what_was_found() -> None:
    house = House()
    async with house.upstream:

        def assembled(*keys: str, **more: object) -> app.Assembled:
            return app.assemble(load(values(house, *keys, **more), {}))

        first = app.start(assembled("k-1", "k-2"), MemoryLedger())
        assert first.rounds is not None
        await first.rounds.round()
        await first.rounds.round()
        second = app.start(assembled("k-2"), first.ledger, first)
        assert second.rounds is not None
        assert list(second.rounds.results) == [("mine", fingerprint("k-2"))]
        third = app.start(assembled("k-2", health={"probes": "off"}), first.ledger, second)
        assert third.rounds is None
        await third.aclose()


async def test_one_of_several_processes_makes_them(tmp_path: Path) -> None:
    house = House()
    async with house.upstream:
        assembled = app.assemble(load(values(house), {}))
        one = app.start(assembled, SqliteLedger(tmp_path / "x.db"))
        other = app.start(assembled, SqliteLedger(tmp_path / "x.db"))
        first, second = cast(tuple[Rounds, Rounds], (one.rounds, other.rounds))
        await first.round()
        await second.round()
        assert (len(house.probes), len(first.results), len(second.results)) == (1, 1, 0)
        # When that one stops, another takes over, and knows better.
        first.stop()
        await second.round()
        await first.round()
        assert (len(house.probes), len(first.results), len(second.results)) == (2, 0, 1)
        await one.aclose()
        await other.aclose()


def test_a_turn_is_one_processs_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, other = Turn(tmp_path / "turn"), Turn(tmp_path / "turn")
    assert repr(one) == "<Turn not ours>"
    assert one.is_ours() and one.is_ours()
    assert not other.is_ours()
    assert (repr(one), repr(other), repr(Turn(None))) == ("<Turn ours>", "<Turn not ours>", "<Turn without a file>")
    one.pass_on()
    assert other.is_ours()
    other.pass_on()
    assert not Turn(tmp_path / "no" / "such" / "folder").is_ours()
    assert "no probes are made" in caplog.text


async def test_the_time_between_rounds_is_moved_by_up_to_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    async with house.upstream, gateway(values(house)) as running:
        waits: list[float] = []
        loop = asyncio.get_running_loop()

        class Handle:
            def cancel(self) -> None: ...

        def later(wait: float, work: Callable[[], None]) -> Handle:
            waits.append(wait)
            return Handle()

        made = Rounds(rounds(running)._watched, rounds(running)._prober, Turn(None), 60.0, Random(1))
        with monkeypatch.context() as patched:
            patched.setattr(loop, "call_later", later)
            for _ in range(100):
                made.begin()
        assert 48 <= min(waits) < 50 and 70 < max(waits) <= 72

"""Every fault, as a socket sees it; and clients that leave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from hybridge.simulator.faults import KINDS, Burst, Fault, Faults
from hybridge.simulator.scenario import DialectName, Latency, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ASKS, ask, call, head, open_to, path_of, read

DIALECTS: list[DialectName] = ["openai", "anthropic", "gemini"]


@pytest.fixture(params=DIALECTS)
async def provider(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedProvider]:
    async with SimulatedProvider(Leg("p", request.param)) as one:
        yield one


@pytest.mark.parametrize("stream", [False, True])
async def test_status(provider: SimulatedProvider, stream: bool) -> None:
    provider.fail_next(Fault("status", status=429, retry_after=2.5), times=2)
    for _ in range(2):
        got = await ask(provider, stream)
        assert (got.status, got.headers["retry-after"]) == (429, "2.5")
        assert b"slow down" in got.body
    assert (await ask(provider, stream)).status == 200
    provider.fail_next(Fault("status", status=500, body="oops"))
    assert (await ask(provider)).body == b"oops"


@pytest.mark.parametrize("stream", [False, True])
async def test_reset(provider: SimulatedProvider, stream: bool) -> None:
    provider.fail_next(Fault("reset"))
    assert (await ask(provider, stream)).ended == "reset"
    assert provider.requests[-1].fault == "reset"
    assert not provider.requests[-1].left_early


async def test_cut(provider: SimulatedProvider) -> None:
    provider.fail_next(Fault("cut", after_events=2), times=2)
    stream = await ask(provider, stream=True)
    assert (stream.status, stream.ended) == (200, "cut")
    assert stream.body.count(b"data: ") == 2
    unary = await ask(provider)
    assert (unary.status, unary.ended) == (200, "cut")
    assert 0 < len(unary.body) < int(unary.headers["content-length"])
    assert provider.left_early == 0


@pytest.mark.parametrize(("stream", "after"), [(False, 0), (True, 0), (True, 1)])
async def test_stall(provider: SimulatedProvider, stream: bool, after: int) -> None:
    provider.fail_next(Fault("stall", after_events=after))
    reader, writer = await open_to(provider)
    body = msgspec.json.encode({**ASKS[provider.leg.dialect], **_streaming(provider, stream)})
    writer.write(head("POST", path_of(provider.leg.dialect, stream), len(body)) + body)
    if after:
        assert b"data: " in await reader.readuntil(b"data: ")
    await _until(lambda: bool(provider.requests) and provider.requests[-1].fault == "stall")
    assert not reader.at_eof()
    writer.close()
    await _until(lambda: provider.left_early == 1)
    assert provider.requests[-1].left_early


def _streaming(provider: SimulatedProvider, stream: bool) -> dict[str, Any]:
    return {"stream": True} if stream and provider.leg.dialect != "gemini" else {}


async def _until(true: Callable[[], bool]) -> None:
    """Let the server's side of this process run until something is seen there."""
    while not true():  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0)


async def test_an_error_inside_a_200(provider: SimulatedProvider) -> None:
    provider.fail_next(Fault("error_in_200", status=529, after_events=2), times=2)
    unary = await ask(provider)
    assert (unary.status, "error" in unary.json) == (200, True)
    stream = await ask(provider, stream=True)
    assert (stream.status, stream.ended) == (200, "whole")
    assert b"Overloaded" in stream.body
    last = stream.body.strip().rsplit(b"data: ", 1)[1]
    assert b'"error"' in last


async def test_html_empty_and_half_a_json(provider: SimulatedProvider) -> None:
    provider.fail_next(Fault("html"))
    page = await ask(provider)
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.body.startswith(b"<!DOCTYPE html>")
    for stream in (False, True):
        provider.fail_next(Fault("empty"))
        empty = await ask(provider, stream)
        assert (empty.status, empty.body, empty.ended) == (200, b"", "whole")
        provider.fail_next(Fault("half_json", after_events=1))
        half = await ask(provider, stream)
        assert (half.status, half.ended) == (200, "whole")
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(half.body.rsplit(b"data: ", 1)[-1])


async def test_an_array_breaks_off_as_an_array() -> None:
    async with SimulatedProvider(Leg("g", "gemini")) as provider:
        provider.fail_next(Fault("error_in_200", status=503, after_events=1))
        got = await call(provider, "/v1beta/models/m:streamGenerateContent", ASKS["gemini"])
    assert got.json[-1]["error"]["status"] == "UNAVAILABLE"


async def test_openrouter_breaks_off_with_a_chunk_and_ends() -> None:
    async with SimulatedProvider(Leg("r", flavour="openrouter")) as provider:
        provider.fail_next(Fault("error_in_200", status=502, after_events=2))
        got = await ask(provider, stream=True)
    assert b'"finish_reason":"error"' in got.body
    assert got.body.endswith(b"data: [DONE]\n\n")


async def test_slow_is_an_answer_after_all() -> None:
    async with SimulatedProvider(Leg("s")) as provider:
        provider.fail_next(Fault("slow", delay_ms=1))
        began = asyncio.get_running_loop().time()
        got = await ask(provider)
    assert got.status == 200
    assert asyncio.get_running_loop().time() - began >= 0.001


async def test_latency_and_pace_are_kept() -> None:
    leg = Leg("s", latency=Latency(5), tokens_per_second=20_000)
    clock = asyncio.get_running_loop().time
    async with SimulatedProvider(leg) as provider:
        for stream in (False, True):
            began = clock()
            got = await ask(provider, stream)
            assert got.status == 200
            assert clock() - began >= 0.005


async def test_a_client_that_leaves_in_mid_stream_is_noticed() -> None:
    async with SimulatedProvider(Leg("s", tokens_per_second=0.5)) as provider:
        reader, writer = await open_to(provider)
        body = msgspec.json.encode({**ASKS["openai"], "stream": True})
        writer.write(head("POST", "/v1/chat/completions", len(body)) + body)
        await reader.readuntil(b"data: ")
        writer.transport.abort()
        await _until(lambda: provider.left_early == 1)
        seen = provider.requests[-1]
        assert seen.left_early and seen.sent > 0 and seen.stream


async def test_a_client_that_leaves_before_its_body_is_whole_is_noticed() -> None:
    async with SimulatedProvider(Leg("s")) as provider:
        _, writer = await open_to(provider)
        writer.write(head("POST", "/v1/chat/completions", 100) + b"{")
        await _until(lambda: provider.count == 1)
        writer.close()
        await _until(lambda: provider.left_early == 1)


async def test_a_client_that_waits_for_the_end_is_not_counted_as_gone() -> None:
    async with SimulatedProvider(Leg("s")) as provider:
        reader, writer = await open_to(provider)
        body = msgspec.json.encode(ASKS["openai"])
        for _ in range(3):
            writer.write(head("POST", "/v1/chat/completions", len(body)) + body)
            assert (await read(reader)).status == 200
        writer.close()
        assert (provider.count, provider.left_early) == (3, 0)
        assert [seen.number for seen in provider.requests] == [1, 2, 3]
        assert provider.requests[0].body == body
        assert provider.requests[0].sent > 0
        assert "3 requests" in repr(provider)


async def test_one_who_is_stalled_does_not_hinder_the_end() -> None:
    async with SimulatedProvider(Leg("s", failures=(Fault("stall"),))) as provider:
        asked = asyncio.ensure_future(ask(provider))
        await _until(lambda: provider.count == 1)
    assert (await asked).ended in ("cut", "reset")


def test_a_schedule() -> None:
    chance = random.Random(0)

    def due(fault: Fault, count: int = 10, stream: bool = True, step: float = 1.0) -> list[int]:
        return [number for number in range(1, count + 1) if fault.is_due(number, stream, number * step, chance)]

    assert due(Fault("reset", first_n=3)) == [1, 2, 3]
    assert due(Fault("reset", after_n=7)) == [8, 9, 10]
    assert due(Fault("reset", after_n=2, first_n=2)) == [3, 4]
    assert due(Fault("reset", only_stream=True), stream=False) == []
    assert due(Fault("reset", burst=Burst(every_s=5, for_s=2))) == [3, 4, 8, 9]
    assert 60 < len(due(Fault("reset", probability=0.1), 1000)) < 140


def test_the_first_that_is_due_is_met_and_what_comes_next_goes_before() -> None:
    faults = Faults([Fault("reset", after_n=1), Fault("cut")])
    faults.fail_next(Fault("html"), times=1)
    kinds = [
        fault.kind if (fault := faults.draw(number, False, 0, random.Random(number))) else "" for number in (1, 2, 3)
    ]
    assert kinds == ["html", "reset", "reset"]
    faults.clear()
    assert faults.draw(4, False, 0, random.Random(4)) is None


async def test_bursts_follow_the_clock() -> None:
    now = 0.0
    leg = Leg("s", failures=(Fault("status", status=500, burst=Burst(every_s=10, for_s=3)),))
    async with SimulatedProvider(leg, clock=lambda: now) as provider:
        statuses = []
        for now in (0.0, 6.9, 7.0, 9.9, 10.0):  # noqa: B007 - the provider's clock reads it
            statuses.append((await ask(provider)).status)
    assert statuses == [200, 200, 500, 500, 200]


async def test_faults_depend_on_the_seed_and_the_number_alone() -> None:
    async def fates(seed: int) -> list[str]:
        leg = Leg("s", seed=seed, failures=(Fault("status", probability=0.3), Fault("empty", probability=0.3)))
        async with SimulatedProvider(leg) as provider:
            for number in range(30):
                await ask(provider, messages=[{"role": "user", "content": str(number * seed)}])
            return [seen.fault for seen in provider.requests]

    assert await fates(1) == await fates(1) != await fates(2)
    assert {"", "status", "empty"} == set(await fates(1))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("status:503@0.1", Fault("status", status=503, probability=0.1)),
        ("status", Fault("status")),
        ("reset@0.05", Fault("reset", probability=0.05)),
        ("cut:4", Fault("cut", after_events=4)),
        ("slow:2000@1", Fault("slow", delay_ms=2000)),
        (" half_json ", Fault("half_json")),
    ],
)
def test_a_fault_on_the_command_line(text: str, fault: Fault) -> None:
    assert Fault.parse(text) == fault


@pytest.mark.parametrize("text", ["", "explode", "status:200", "reset@2", "status:503@x", "status;503", "reset@-1"])
def test_what_is_no_fault_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"not (a|the)"):
        Fault.parse(text)


async def test_every_kind_is_met(provider: SimulatedProvider) -> None:
    met = set()
    for kind in KINDS:
        if kind != "stall":
            provider.fail_next(Fault(kind, delay_ms=0))
            await ask(provider)
            met.add(provider.requests[-1].fault)
    assert met == {*KINDS} - {"stall"}

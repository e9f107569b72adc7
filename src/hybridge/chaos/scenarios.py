"""What is broken, and what must hold then."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from hybridge.chaos.client import Told
from hybridge.chaos.plan import ALLOWED, PHASES, Fault, How, Kind, Plan
from hybridge.chaos.row import Row, tally
from hybridge.chaos.stage import QUICK, Setting, Stage, server, spoilt
from hybridge.simulator.recital import WAYS
from hybridge.simulator.scenario import Latency

#: Requests per second where a scenario has a course in time, and seconds until something breaks.
_RATE = 40.0
_QUIET_S = 1.0
_DOWN_S = 2.5

#: Seconds from the return of all legs to the first answer.
_BACK_S = 2.0
#: Calls per request while nobody is there.
_AMPLIFICATION = 1.2

#: Seconds after an answer's last byte in which its entry comes to be; also where a process must wait for its turn.
_SETTLED_S = 0.1

#: A share of the requests meets the fault, so that those that do not are checked too.
_SHARE = 0.5

#: Answers that take long enough for many to be under way at once.
_SLOWLY = Setting(latency=Latency(1_000, 2_000), tokens_per_second=50, config={"breaker": {}})
#: Answers that last longer than anybody waits for a connection.
_LONG = Setting(latency=Latency(500, 1_000), tokens_per_second=20, config={"breaker": {}})
_SILENT = Plan((Fault("stall"),))
_KEPT = Setting(plan=_SILENT, north={"timeouts": QUICK}, config={"server": server(keep_alive="500ms")})
_SLOW_S = 5.0
_HEDGED = Setting(
    plan=Plan((Fault("latency", probability=0.1, delay_s=_SLOW_S),)),
    config={"hedging": {"least": "400ms", "at_first": "400ms", "share": "100%"}},
    model={"hedge": True},
)
#: So much of what may be under way is, when a provider is killed; and how long to wait for that.
_MOST = 0.5
_PATIENCE_S = 20.0


class Load(Struct, frozen=True):
    """How much is asked."""

    requests: int = 120
    parallel: int = 200


Play = Callable[[Stage, Load, Row], Awaitable[None]]


class Scenario(Struct, frozen=True):
    """A name, what it breaks and when, the stage that it needs, and how it goes."""

    name: str
    phase: str
    fault: str
    setting: Setting
    play: Play


def all_scenarios() -> Iterator[Scenario]:
    """Every fault in every phase, then the accidents."""
    for fault, what in _faults():
        setting = Setting(plan=Plan((fault,)), north={"timeouts": QUICK} if what == "stall" else {})
        yield Scenario(f"{what}-{fault.where}", fault.where, what, setting, _fallen_back)
    for how in ("refuse", "reset", "hang"):
        setting = Setting(config={"breaker": {}}, north={"timeouts": QUICK})
        yield Scenario(f"outage-{how}", "head", f"outage of a leg ({how})", setting, _outage(how))
    yield Scenario("kept-alive", "head", "stall while keep-alives go out", _KEPT, _kept_alive)
    everywhere = replace(_KEPT, south=_SILENT, config={**_KEPT.config, "timeouts": QUICK})
    yield Scenario("kept-alive-in-vain", "head", "stall of all legs while keep-alives go out", everywhere, _in_vain)
    yield Scenario("hedged", "head", "slow first content, hedged", _HEDGED, _hedged)
    yield Scenario("provider-killed", "any", "a provider is killed", _SLOWLY, _provider_killed)
    yield Scenario("streams-broken-error", "content", "streams break", Setting(plan=_BREAKING), _recovered("error"))
    yield Scenario("streams-broken-restart", "content", "streams break", Setting(plan=_BREAKING), _recovered("restart"))
    for way in WAYS:
        setting = Setting(plan=_BREAKING, continues=way)
        name = f"streams-broken-continue-{way}"
        yield Scenario(name, "content", f"streams break, the next goes on: {way}", setting, _recovered("continue"))
    yield Scenario("crowd", "none", "nothing: many long streams at once", _LONG, _crowd)
    yield Scenario("malformed", "none", "30 % malformed requests", Setting(config={"breaker": {}}), _malformed)
    two = Setting(latency=Latency(150, 500), tokens_per_second=300, config={"server": server(workers=2)})
    yield Scenario("worker-killed", "any", "one worker of two is killed", two, _worker_killed)
    yield Scenario(
        "total-outage", "head", "all legs refuse, then return", Setting(config={"breaker": {}}), _total_outage
    )


def planned(plan: Plan) -> Scenario:
    """A plan of one's own at the first leg."""
    return Scenario("plan", "as planned", "as planned", Setting(plan=plan, config={"breaker": {}}), _as_planned)


def _faults() -> Iterator[tuple[Fault, str]]:
    yield Fault("latency", probability=_SHARE, delay_s=0.3), "latency"
    yield Fault("drip", probability=_SHARE, octets=48, every_s=0.002), "drip"
    yield Fault("status", probability=_SHARE, status=429), "status-429"
    yield Fault("status", probability=_SHARE, status=429, retry_after=1), "status-429-seconds"
    yield Fault("status", probability=_SHARE, status=429, retry_after=2, as_date=True), "status-429-date"
    yield Fault("status", from_s=0, to_s=3600, status=500), "status-500-burst"
    yield Fault("status", probability=_SHARE, status=529), "status-529"
    for kind in ("stall", "reset", "cut", "truncate", "error_in_200", "no_end"):
        for phase in sorted(ALLOWED[kind], key=PHASES.index):
            yield Fault(kind, phase, probability=_SHARE), kind
    yield Fault("reset", "content", probability=_SHARE, after_octets=700), "reset-at-700"


_WAYS_TO_BREAK: tuple[Kind, ...] = ("reset", "cut", "error_in_200", "reset", "cut")

#: Every stream breaks: after one to five pieces of content, a fifth of them each, in one of three ways.
_BREAKING = Plan(
    tuple(
        Fault(kind, "content", probability=1 / (6 - pieces), after_content=pieces)
        for pieces, kind in enumerate(_WAYS_TO_BREAK, 1)
    )
)


async def _fallen_back(stage: Stage, load: Load, row: Row) -> None:
    told = await stage.load(stage.questions(load.requests), load.parallel)
    tally(row, told, await stage.calls())
    row.expect(not row.early, f"{row.early} failures before content")
    row.expect(row.phase == "content" or not row.late, f"{row.late} failures after content")
    row.expect(stage.north.injected.total() > 0, "the fault was never met")


async def _as_planned(stage: Stage, load: Load, row: Row) -> None:
    told = await stage.load(stage.questions(load.requests), load.parallel)
    tally(row, told, await stage.calls())
    met = ", ".join(f"{count} x {kind}" for kind, count in sorted(stage.north.injected.items()))
    row.note(f"met: {met or 'nothing'}")


def _outage(how: How) -> Play:
    async def play(stage: Stage, load: Load, row: Row) -> None:
        questions = stage.questions(load.requests)
        asking = asyncio.create_task(stage.paced(questions, _RATE))
        await asyncio.sleep(_QUIET_S)
        await stage.north.go_down(how)
        await asyncio.sleep(_DOWN_S)
        await stage.north.come_back()
        tally(row, await asking, await stage.calls())
        row.expect(not row.early, f"{row.early} failures before content")

    return play


async def _kept_alive(stage: Stage, load: Load, row: Row) -> None:
    told = await stage.load(stage.questions(load.requests, streams=(True,)), load.parallel)
    tally(row, told, await stage.calls())
    kept = sum(one.kept > 0 for one in told)
    row.note(f"{kept} streams were kept alive")
    row.expect(kept > 0, "no stream was kept alive")
    row.expect(row.served == row.requests, f"{row.requests - row.served} streams were not served")


async def _in_vain(stage: Stage, load: Load, row: Row) -> None:
    told = await stage.load(stage.questions(load.requests, streams=(True,)), load.parallel)
    tally(row, told, await stage.calls())
    row.expect(row.early == row.requests, f"{row.requests - row.early} streams did not end in an error")
    row.expect(any(one.status == 200 for one in told), "no head went out before the error")


async def _hedged(stage: Stage, load: Load, row: Row) -> None:
    told = await stage.paced(stage.questions(load.requests), _RATE)
    tally(row, told, await stage.calls())
    met = stage.north.injected["latency"]
    row.note(f"{met} calls were slow by {_SLOW_S:g} s")
    row.expect(row.served == row.requests, f"{row.requests - row.served} requests were not served")
    late = sum(one.first_s is not None and one.first_s > _SLOW_S for one in told)
    row.expect(met > 0 and not late, f"{late} of {met} clients waited for a slow call")


async def _provider_killed(stage: Stage, load: Load, row: Row) -> None:
    """While most are waiting for their first content, and some have had it."""
    asking = asyncio.create_task(stage.load(stage.questions(max(load.requests, 2 * load.parallel)), load.parallel))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE_S):
            while len(stage.north.under_way) < _MOST * load.parallel:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.01)
    await asyncio.sleep(_QUIET_S / 2)
    waiting = len(stage.north.under_way)
    await stage.north.go_down("refuse")
    tally(row, await asking, await stage.calls())
    row.note(f"{waiting} calls were under way there")
    row.expect(waiting > 0, "nobody was being served")
    row.expect(not row.early, f"{row.early} failures before content")


def _recovered(recovery: str) -> Play:
    async def play(stage: Stage, load: Load, row: Row) -> None:
        questions = stage.questions(load.requests, streams=(True,), recovery=recovery)
        tally(row, await stage.load(questions, load.parallel), await stage.calls())
        row.expect(not row.early, f"{row.early} failures before content")
        if recovery == "error":
            row.expect(row.late == row.requests, f"{row.requests - row.late} streams did not end in an error")
        else:
            row.expect(row.served == row.requests, f"{row.requests - row.served} streams were not gone on with")

    return play


async def _crowd(stage: Stage, load: Load, row: Row) -> None:
    told = await stage.load(stage.questions(load.parallel, streams=(True,)), load.parallel)
    opened = await stage.gateway.metric("hybridge_breaker_state")
    tally(row, told, await stage.calls())
    away = sum(not _at_first_leg(one) for one in told)
    row.expect(not away, f"{away} requests were not served by the first leg at once, though it was well")
    row.expect(opened == 0, "a breaker opened")


async def _malformed(stage: Stage, load: Load, row: Row) -> None:
    questions = spoilt(stage.questions(load.requests), 0.3)
    told = await stage.load(questions, load.parallel)
    opened = await stage.gateway.metric("hybridge_breaker_state")
    tally(row, told, await stage.calls())
    bad = [one for one, question in zip(told, questions, strict=True) if question.spoilt]
    good = [one for one, question in zip(told, questions, strict=True) if not question.spoilt]
    row.note(f"{len(bad)} malformed, each refused with 400")
    row.expect(all(one.status == 400 for one in bad), "a malformed request was not refused with 400")
    row.expect(opened == 0, "a breaker opened")
    row.expect(all(_at_first_leg(one) for one in good), "a well-formed request was not served by the first leg at once")


def _at_first_leg(told: Told) -> bool:
    return told.outcome == "whole" and told.deployment.startswith("north-") and told.calls == 1


async def _worker_killed(stage: Stage, load: Load, row: Row) -> None:
    asking = asyncio.create_task(_until_over(stage, load))
    await asyncio.sleep(_QUIET_S)
    (victim, *others) = stage.gateway.workers()
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    told = await asking
    calls = await stage.calls()
    # Nothing can be said on a connection whose process is no more: those that were under way are counted apart.
    lost = [one for one in told if one.outcome == "silent" and abs(one.began_at + one.ended_s - killed) < 1]
    # An entry is made after its answer's last byte: between the two the process may have ended, too.
    missing = [one for one in told if one.outcome == "whole" and one.request_id not in calls]
    ages = [killed - one.began_at - one.ended_s for one in missing]
    unsettled = [one for one, age in zip(missing, ages, strict=True) if age < _SETTLED_S]
    tally(row, [one for one in told if one not in lost and one not in unsettled], calls)
    row.requests += len(lost) + len(unsettled)
    row.served += len(unsettled)
    latest = f", {max(ages) * 1000:.0f} ms before it at most" if ages else ""
    row.note(f"{len(missing)} answers are not in the ledger{latest}")
    after = [one for one in told if one.began_at > killed + 0.1]
    row.note(f"{len(lost)} connections ended with the worker; {len(after)} requests were served after it")
    row.expect(bool(others) and bool(after), "there was no other worker")
    row.expect(all(one.outcome == "whole" for one in after), "a request that came later was not served")
    row.expect(not row.early, f"{row.early} failures before content")


async def _until_over(stage: Stage, load: Load) -> list[Told]:
    """All day long, so to speak."""
    return await stage.paced(stage.questions(max(load.requests, 3 * int(_RATE))), _RATE)


async def _total_outage(stage: Stage, load: Load, row: Row) -> None:
    questions = stage.questions(max(load.requests, int(_RATE * (_QUIET_S + _DOWN_S + 2 * _BACK_S))))
    asking = asyncio.create_task(stage.paced(questions, _RATE))
    await asyncio.sleep(_QUIET_S)
    await asyncio.gather(stage.north.go_down("refuse"), stage.south.go_down("refuse"))
    down = time.monotonic()
    await asyncio.sleep(_DOWN_S)
    await asyncio.gather(stage.north.come_back(), stage.south.come_back())
    back = time.monotonic()
    told, calls = await asking, await stage.calls()
    tally(row, told, calls)
    during = [calls[one.request_id] for one in told if down < one.began_at < back and one.request_id in calls]
    served = [one.began_at + one.ended_s - back for one in told if one.began_at > back and one.outcome == "whole"]
    failed = [one.began_at - back for one in told if one.began_at > back and one.outcome != "whole"]
    amplification = sum(during) / len(during) if during else 0.0
    again = min(served, default=float("inf"))
    row.note(f"{amplification:.2f} calls per request while nobody was there")
    row.note(f"served again {again:.2f} s after the return, everybody {max([*failed, 0.0]):.2f} s after it")
    row.expect(bool(during) and amplification <= _AMPLIFICATION, f"{amplification:.2f} calls per request in the outage")
    row.expect(again <= _BACK_S, f"nobody was served within {_BACK_S:g} s of the return")

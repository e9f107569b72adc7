"""Rounds: gateways take turns, so that each round of one has a round of the others in the same seconds."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.request import urlopen

import msgspec

from bench.cases import Case
from bench.gateways import Gateway, verify
from bench.load import Asked, Plan, Result
from bench.processes import PYTHON, REPOSITORY, cores, cpu_seconds
from bench.upstream import COUNTS

#: Seconds after the load in which a gateway may still do what it put off: the ledger is written every fifth of one.
SETTLED_S = 0.3


class Effort(NamedTuple):
    """How much is done: rounds of `scale` times a case's requests, none of them longer than `seconds`."""

    rounds: int
    connections: int
    scale: float
    seconds: float

    def requests(self, most: int, connections: int) -> int:
        """The requests of a round."""
        return max(int(most * self.scale), 100, 5 * connections)


class Round(NamedTuple):
    """One round of one gateway. CPU is that of its whole process tree, in microseconds per unit of the case.

    `others_us` is what load and upstream spent per request, `share` how many cores the gateway kept busy.
    """

    cpu_us: float
    others_us: float
    rate: float
    share: float
    median_us: float
    p99_us: float


def in_turn(
    gateways: Sequence[Gateway], provider: Gateway, case: Case, effort: Effort, connections: int
) -> dict[str, list[Round]]:
    """The rounds of each gateway, by its name, after one that warms it up. Raises `RuntimeError` at a wrong answer."""
    count = effort.requests(case.requests, connections)
    most = (count, effort.seconds)
    for gateway in gateways:
        verify(gateway, [case])
        load(gateway, [gateway.asked(case)], connections, count, seconds=effort.seconds)
    rounds: dict[str, list[Round]] = {gateway.name: [] for gateway in gateways}
    for _ in range(effort.rounds):
        for gateway in gateways:
            rounds[gateway.name].append(one_round(gateway, provider, case, connections, most))
    for gateway in gateways:
        verify(gateway, [case])
    return rounds


def one_round(
    gateway: Gateway,
    provider: Gateway,
    case: Case,
    connections: int,
    most: tuple[int, float],
    pin: set[int] | None = None,
) -> Round:
    """One round of at most so many requests and seconds. Raises `RuntimeError` if answers and calls are not as many."""
    reached, spent, there = counts(provider)["requests"], cpu_seconds(gateway.pid), cpu_seconds(provider.pid)
    done = load(gateway, [gateway.asked(case)], connections, most[0], seconds=most[1], pin=pin)
    busy = cpu_seconds(gateway.pid) - spent
    others = cpu_seconds(provider.pid) - there + done.cpu_s
    time.sleep(SETTLED_S)
    spent = cpu_seconds(gateway.pid) - spent
    reached = counts(provider)["requests"] - reached
    if reached != done.requests:
        raise RuntimeError(f"{gateway.name}: the upstream had {reached} requests for {done.requests} answers")
    return Round(
        cpu_us=spent / done.requests / case.per * 1e6,
        others_us=others / done.requests * 1e6,
        rate=done.requests / done.seconds,
        share=busy / done.seconds,
        median_us=done.median_us,
        p99_us=done.p99_us,
    )


def added(rounds: Mapping[str, Sequence[Round]], provider: Gateway) -> dict[str, list[tuple[float, float]]]:
    """What each gateway's rounds took longer than those of nothing between: median and p99, in microseconds."""
    straight = rounds[provider.name]
    return {
        who: [
            (each.median_us - base.median_us, each.p99_us - base.p99_us)
            for each, base in zip(of, straight, strict=True)
        ]
        for who, of in rounds.items()
        if who != provider.name
    }


def load(
    gateway: Gateway,
    asked: Sequence[Asked],
    connections: int,
    count: int,
    *,
    seconds: float = 60.0,
    pin: set[int] | None = None,
) -> Result:
    """Run the load generator, on the other cores if nothing else is said. Raises `RuntimeError` at a wrong answer."""
    plan = Plan(gateway.port, asked, connections, count, seconds, sorted(pin or cores()[1]))
    command = [PYTHON, "-m", "bench.load"]
    done = subprocess.run(
        command, input=msgspec.json.encode(plan), cwd=REPOSITORY, capture_output=True, timeout=seconds + 60, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the load generator failed: {done.stderr.decode()[-2000:]}")
    result = msgspec.json.decode(done.stdout, type=Result)
    if result.failures:
        raise RuntimeError(f"{gateway.name}: {result.failures} of {count} requests failed: {result.fault}")
    return result


def counts(provider: Gateway) -> dict[str, int]:
    """What reached the upstream so far: `requests`, and how many of them it answered with a failure (`failed`)."""
    with urlopen(f"http://127.0.0.1:{provider.port}{COUNTS}", timeout=10) as answer:
        told = msgspec.json.decode(answer.read(), type=dict[str, int])
    return {"requests": 0, "failed": 0, **told}

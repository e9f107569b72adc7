"""`python -m bench`: what a request and a streamed chunk cost, in CPU time of the gateway, and what it takes besides.

Load and upstream run on the other core. Gateways take turns within a round; a figure is the median of the rounds, with
the least and the most. The ratio to nginx, where it is installed, is the figure that can be compared between machines.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bench.cases import CASES, UNARY
from bench.gateways import Gateway, has_nginx, hybridge, nginx, upstream
from bench.memory import memory
from bench.processes import PYTHON, end_in_order
from bench.report import Cell, Table, introduction, ratio, show, spread, write
from bench.rounds import Effort, added, in_turn
from bench.workers import two_against_one

R = TypeVar("R")

_COLUMNS = ("", "Hybridge", "nginx", "ratio")
_COSTS = "User and system time of the gateway's whole process tree, all that it puts off included."
_AT_WORK = (
    "The gateway has one core, load and upstream the others. Added is what a request takes longer than without a "
    "gateway. A rate is the gateway's limit only where it keeps its core busy; else load and upstream are the limit, "
    "and what its CPU time is worth tells more."
)
_ITSELF = (
    "Resident memory of supervisor and worker, MB of 10^6 bytes; peaks are the kernel's (`VmHWM`, set back before). "
    "The large body is one vision request with a data URL to a fresh gateway, and the peak is its worker's."
)


def main() -> None:
    """Measure, print tables, and write them as JSON where that is wanted."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32, help="for the CPU time of a request")
    parser.add_argument("--scale", type=float, default=1.0, help="how many requests, as a share of the full count")
    parser.add_argument("--seconds", type=float, default=10.0, help="the longest that a round may take")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    effort = Effort(given.rounds, given.connections, given.scale, given.seconds)
    end_in_order()
    print(introduction(), flush=True)
    tables = []
    with tempfile.TemporaryDirectory() as name:
        for table in measured(effort, Path(name)):
            show(table)
            tables.append(table)
    if given.json:
        write(given.json, tables)


def measured(effort: Effort, folder: Path) -> Iterator[Table]:
    """The tables, as they come."""
    with upstream() as provider:
        with contextlib.ExitStack() as stack:
            both = [stack.enter_context(hybridge(provider, folder / "ours"))]
            if has_nginx():
                both.append(stack.enter_context(nginx(provider, folder / "nginx")))
            yield Table("CPU time", _COLUMNS, list(_costs(both, provider, effort)), _COSTS)
            yield Table("Latency and throughput", _COLUMNS, list(_at_work(both, provider, effort)), _AT_WORK)
        rows = [*starts(provider, folder, effort.rounds), *memory(provider, folder, effort)]
        yield Table("Start and memory", ("", "Hybridge"), rows, _ITSELF)
    yield two_against_one(folder, effort)


def _costs(gateways: Sequence[Gateway], provider: Gateway, effort: Effort) -> Iterator[Sequence[Cell]]:
    for case in CASES:
        rounds = in_turn(gateways, provider, case, effort, effort.connections)
        yield _compared(f"{case.name}, µs", rounds, lambda each: each.cpu_us)


def _at_work(gateways: Sequence[Gateway], provider: Gateway, effort: Effort) -> Iterator[Sequence[Cell]]:
    for connections in (1, 64):
        rounds = in_turn([provider, *gateways], provider, UNARY, effort, connections)
        longer = added(rounds, provider)
        at = f"at {connections} connection{'s' * (connections > 1)}"
        yield _compared(f"added {at}, median, µs", longer, lambda each: each[0])
        yield _compared(f"added {at}, p99, µs", longer, lambda each: each[1])
    del rounds[provider.name]
    yield _compared("requests/s, one worker, 64 connections", rounds, lambda each: each.rate)
    yield _compared("share of its core that is busy then", rounds, lambda each: each.share)
    yield _compared("requests/s that a core's CPU time is worth", rounds, lambda each: 1e6 / each.cpu_us)


def _compared(name: str, rounds: Mapping[str, Sequence[R]], figure: Callable[[R], float]) -> Sequence[Cell]:
    found = {who: [figure(each) for each in of] for who, of in rounds.items()}
    ours, theirs = found["Hybridge"], found.get("nginx", [])
    return [name, spread(ours), spread(theirs) if theirs else None, ratio(ours, theirs)]


def starts(provider: Gateway, folder: Path, times: int) -> list[Sequence[Cell]]:
    """How long an import takes, and a start until the first chat is answered."""
    begun = []
    for number in range(times):
        with hybridge(provider, folder / f"start-{number}") as gateway:
            begun.append(gateway)
    return [
        ["import hybridge, ms", import_seconds("hybridge") * 1e3],
        ["from the start of `hybridge serve` to the first answer, s", spread([each.ready_s for each in begun])],
        ["CPU time of that, s", spread([each.ready_cpu_s for each in begun])],
    ]


def import_seconds(module: str) -> float:
    """How long a fresh process takes to import something, without the interpreter's own start."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    figures = [
        float(subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(5)
    ]
    return min(figures)


if __name__ == "__main__":
    main()

"""One worker against two, at the most that can be had from them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

from bench.cases import UNARY
from bench.gateways import hybridge, upstream
from bench.processes import cores
from bench.report import Cell, Table, ratio, spread
from bench.rounds import Effort, Round, load, one_round

CONNECTIONS = 64

_NOTE = (
    "Unary, {connections} connections. One worker has a core, load and upstream have the others. Two workers share all "
    "{cores} cores with load and upstream, and each process runs where the kernel puts it. What fits is what these "
    "cores would give if a request cost two workers what it cost one, and load and upstream what they took."
)


def two_against_one(folder: Path, effort: Effort) -> Table:
    """Requests per second and CPU per request of one worker on its core and of two on all cores, in turns."""
    own, rest = cores()
    every = own | rest
    most = (effort.requests(UNARY.requests, CONNECTIONS), effort.seconds)
    ones, twos = list[Round](), list[Round]()
    with (
        upstream() as apart,
        upstream(every) as among,
        hybridge(apart, folder / "one") as one,
        hybridge(among, folder / "two", workers=2, pin=every) as two,
    ):
        for gateway, pin in ((one, rest), (two, every)):
            load(gateway, [gateway.asked(UNARY)], CONNECTIONS, max(100, most[0] // 10), pin=pin)
        for _ in range(effort.rounds):
            ones.append(one_round(one, apart, UNARY, CONNECTIONS, most))
            twos.append(one_round(two, among, UNARY, CONNECTIONS, most, every))
    note = _NOTE.format(connections=CONNECTIONS, cores=len(every))
    return Table("Two workers", ("", "one worker", "two workers", "ratio"), _rows(ones, twos, len(every)), note)


def _rows(ones: list[Round], twos: list[Round], together: int) -> list[Sequence[Cell]]:
    fits = [together * 1e6 / (one.cpu_us + two.others_us) for one, two in zip(ones, twos, strict=True)]
    figures = (
        ("requests/s", [each.rate for each in ones], [each.rate for each in twos]),
        ("CPU µs per request, the gateway's", [each.cpu_us for each in ones], [each.cpu_us for each in twos]),
        ("CPU µs per request, load and upstream", [each.others_us for each in ones], [each.others_us for each in twos]),
        ("cores kept busy by the gateway", [each.share for each in ones], [each.share for each in twos]),
        ("requests/s that a core each would give", [1e6 / x.cpu_us for x in ones], [2e6 / x.cpu_us for x in twos]),
    )
    rows: list[Sequence[Cell]] = [
        [name, spread(first), spread(second), ratio(second, first)] for name, first, second in figures
    ]
    fitting = statistics.median(fits)
    return [*rows, ["requests/s that fit on these cores", None, fitting, None]]

"""Rows as tables of words, for a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from hybridge.simulator.reliability.rows import Bar, Row

STEADY = ("legs", "N", "policy", "success %", "lost", "requests", "p50 s", "p99 s", "p99.9 s", "calls/request", "bars")
SCENARIOS = ("scenario", "policy", "requests", "p99 s", "figure", "is", "bar", "met")
#: The columns that hold numbers.
NUMBERS = (*STEADY[3:-1], "N", "is")

_OPENING, _CLOSING = "<!-- simulation -->", "<!-- /simulation -->"

_EXPLAINED = """\
Hybridge's own breakers, walk, retry budgets, keys and hedges, with their default settings and a deadline of 30 s, asked
by events in made-up time: the same seed gives the same figures. A failing call fails at once (85 %, 0.15 s) or hangs
until it is given up (15 %, 10 s). Time to the first token: lognormal, half of the calls within 0.65, 0.80 and 0.90 s by
leg, one in 200 six times later. Outages last 300 s, 98 % of the calls fail in them. *single* and *fallback* (the legs
in order, nothing learnt) are there to compare with; 0 lost of n means a success of at least 1 - 3/n with 95 %
confidence. Not in the model: failures that depend on load, several processes, streams that break after content."""

_SCENES = """\
Scenes that bring a naive breaker down. Each outage happens five times, and the worst counts; legs that are well fail
once in a thousand calls."""


def steady(row: Row) -> tuple[str, ...]:
    """The cells of a row of that part, in the order of `STEADY`."""
    figures = (f"{100 * row.success:.4f}", str(row.lost), str(row.requests))
    times = (f"{row.p50:.2f}", f"{row.p99:.2f}", f"{row.p999:.2f}")
    bars = "; ".join(f"{bar.what} {_figure(bar)} ({_bar(bar)}) {_met(bar)}" for bar in row.bars)
    return row.name, str(row.legs), row.policy, *figures, *times, f"{row.calls_per_request:.3f}", bars


def scenario(row: Row) -> list[tuple[str, ...]]:
    """The lines of a scenario, one for each bar, in the order of `SCENARIOS`."""
    first = (row.name, row.policy, str(row.requests), f"{row.p99:.2f}")
    heads = [first, *[("", "", "", "")] * (len(row.bars) - 1)]
    return [(*head, bar.what, _figure(bar), _bar(bar), _met(bar)) for head, bar in zip(heads, row.bars, strict=True)]


def tables(rows: Sequence[Row]) -> list[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Both tables: columns and lines."""
    return [
        (STEADY, [steady(row) for row in rows if row.part == "steady"]),
        (SCENARIOS, [line for row in rows if row.part == "scenario" for line in scenario(row)]),
    ]


def records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows for programs, each bar with whether it is met."""
    found: list[dict[str, Any]] = msgspec.to_builtins(rows)
    for record, row in zip(found, rows, strict=True):
        record["bars"] = [msgspec.to_builtins(bar) | {"met": bar.met} for bar in row.bars]
    return found


def summary(rows: Sequence[Row]) -> str:
    """How many of the bars are held."""
    missed = sum(len(row.missed) for row in rows)
    count = sum(len(row.bars) for row in rows)
    return f"{count - missed} of {count} bars are held" if missed else f"all {count} bars are held"


def markdown(rows: Sequence[Row], command: str) -> str:
    """A section of a page, between its two marks."""
    total = sum(row.requests for row in rows)
    lines = [_OPENING, "", f"`{command}`: {total:,} requests; {summary(rows)}.", ""]
    for explained, (columns, cells) in zip((_EXPLAINED, _SCENES), tables(rows), strict=True):
        lines += [explained, "", _line(columns), _line(["--:" if name in NUMBERS else "---" for name in columns])]
        lines += [*map(_line, cells), ""]
    return "\n".join([*lines, _CLOSING, ""])


def _figure(bar: Bar) -> str:
    places = 4 if bar.unit == "%" and bar.figure > 99 else 2
    # Adding zero makes a zero of a rounded minus zero.
    return f"{round(bar.figure, places) + 0.0:.{places}f}".removesuffix(".00") + (f" {bar.unit}" if bar.unit else "")


def _bar(bar: Bar) -> str:
    return f"{'≤' if bar.sign == '<=' else '≥'} {bar.bar:g}" + (f" {bar.unit}" if bar.unit else "")


def _met(bar: Bar) -> str:
    return "met" if bar.met else "MISSED"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

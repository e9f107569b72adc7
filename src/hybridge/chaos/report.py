"""Rows as a table of words, for a terminal or a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hybridge.chaos.row import Row

COLUMNS = (
    "phase",
    "fault",
    "requests",
    "served",
    "unseen",
    "gone on",
    "errors before content",
    "errors after content",
    "silent",
    "wrong",
    "first p50 ms",
    "first p99 ms",
    "calls/request",
    "",
)
NUMBERS = COLUMNS[2:-1]

OPENING, CLOSING = "<!-- chaos -->", "<!-- /chaos -->"

_EXPLAINED = """\
Each row is one gateway of `hybridge serve` with two independent legs, asked in all three dialects, streamed and whole,
where nothing is said otherwise. The first leg is broken as the row says; the clients know the text that must come.
*Unseen*: another leg served it and nothing was to be seen. *Gone on*: broken after content and gone on with elsewhere.
*Silent* (an end without end or error) and *wrong* (a text that is not the right one, or half of one twice) must be 0.
Times depend on the machine, and here clients, legs and gateway share it."""


def cells(row: Row) -> tuple[str, ...]:
    """A row's cells, in the order of `COLUMNS`."""
    counts = (row.requests, row.served, row.unseen, row.resumed, row.early, row.late, row.silent, row.wrong)
    times = (f"{row.first_ms[name]:.0f}" if row.first_ms else "" for name in ("p50", "p99"))
    told = "; ".join([*(f"MISSED: {problem}" for problem in row.problems), *row.notes])
    return row.phase, row.fault, *map(str, counts), *times, f"{row.calls_per_request:.2f}", told


def markdown(rows: Sequence[Row], command: str) -> str:
    """A section of a page, between its two marks."""
    missed = sum(bool(row.problems) for row in rows)
    summary = "every bar is held" if not missed else f"bars missed in {missed} of {len(rows)} rows"
    total = sum(row.requests for row in rows)
    lines = [OPENING, "", f"`{command}`: {total:,} requests; {summary}.", "", _EXPLAINED, ""]
    lines += [_line(COLUMNS), _line(["--:" if name in NUMBERS else "---" for name in COLUMNS])]
    lines += [_line(cells(row)) for row in rows]
    return "\n".join([*lines, "", CLOSING, ""])


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"

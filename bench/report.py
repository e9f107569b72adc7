"""Tables: for the terminal and for documents in Markdown, for programs in JSON."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import msgspec

#: Those of the packages that a request goes through.
_PARTS = ("hybridge", "uvicorn", "uvloop", "httptools", "msgspec")


class Spread(msgspec.Struct, frozen=True):
    """The median of several rounds, the least and the most."""

    median: float
    low: float
    high: float


Cell = str | float | Spread | None


class Table(msgspec.Struct):
    """`note` says how it was measured. A cell of `None` could not be measured."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[Cell]]
    note: str = ""


class Report(msgspec.Struct):
    """What `--json` writes."""

    at: str
    command: str
    machine: dict[str, str]
    tables: list[Table]


def spread(figures: Sequence[float]) -> Spread:
    """The median and the ends of at least one figure."""
    return Spread(statistics.median(figures), min(figures), max(figures))


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> Spread | None:
    """Ours by theirs, round by round; `None` where theirs is lost in the noise."""
    if not ours or min(theirs, default=0) <= 0:
        return None
    return spread([one / other for one, other in zip(ours, theirs, strict=True)])


def markdown(table: Table) -> str:
    """A table as Markdown, its columns aligned."""
    rows = [[*map(str, table.columns)], *([_written(cell) for cell in row] for row in table.rows)]
    wide = [max(len(row[at]) for row in rows) for at in range(len(table.columns))]
    head, *body = (
        f"| {row[0]:<{wide[0]}} | "
        + " | ".join(f"{cell:>{width}}" for cell, width in zip(row[1:], wide[1:], strict=True))
        for row in rows
    )
    line = f"|{'-' * (wide[0] + 2)}|" + "|".join(f"{'-' * (width + 1)}:" for width in wide[1:])
    said = [f"### {table.title}", "", *([table.note, ""] if table.note else []), f"{head} |", f"{line}|"]
    return "\n".join([*said, *(f"{row} |" for row in body)])


def show(table: Table) -> None:
    """Print a table."""
    print(f"\n{markdown(table)}", flush=True)


def write(file: Path, tables: list[Table]) -> None:
    """Write what was measured, on what machine and by which command, as JSON."""
    command = f"python -m {Path(sys.argv[0]).parent.name if sys.argv[0].endswith('__main__.py') else 'bench'}"
    report = Report(_now(), " ".join([command, *sys.argv[1:]]), machine(), tables)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def machine() -> dict[str, str]:
    """What the figures depend on."""
    installed = {found.name: found.version for found in metadata.distributions()}
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(": ")[2] if models else platform.machine(),
        "cores": str(os.cpu_count()),
        "kernel": platform.release(),
        "python": platform.python_version(),
        **{part: installed[part] for part in _PARTS if part in installed},
    }


def introduction() -> str:
    """When and on what this runs, in a line."""
    about = machine()
    versions = ", ".join(f"{name} {version}" for name, version in list(about.items())[3:])
    return f"{_now()}, {about['cores']} cores of {about['processor']}, {versions}"


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return "–"
        case Spread(median, low, high) if low == high:
            return _number(median)
        case Spread(median, low, high):
            return f"{_number(median)} ({_number(low)}–{_number(high)})"
        case str():
            return cell
        case _:
            return _number(cell)


def _number(value: float) -> str:
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"

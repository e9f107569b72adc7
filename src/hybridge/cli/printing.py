"""What commands print: tables for people, JSON and CSV for programs, warnings beside both."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence

import click
import msgspec

from hybridge.config import Problem

#: rich takes some 4 ms for a row, so it draws what fits a few screens.
_MOST_DRAWN = 200


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A table; the columns named in `right` hold numbers. What goes to a file or a pipe is never cut or folded."""
    lines = [list(row) for row in rows]
    if sys.stdout.isatty() and len(lines) <= _MOST_DRAWN:
        _draw(columns, lines, right)
    else:
        _align(columns, lines, right)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    Console(highlight=False).print(drawn)


def _align(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    rule = ["-" * width for width in widths]
    for row in (columns, rule, *rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, cell, width in zip(columns, row, widths, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def json(value: object) -> None:
    """Indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def comma_separated(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """CSV with a head (RFC 4180, but with plain line ends)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    click.echo(text.getvalue(), nl=False)


def warn(problems: Iterable[Problem | str]) -> None:
    """Warnings, to stderr."""
    for problem in problems:
        click.echo(f"Warning: {problem}", err=True)

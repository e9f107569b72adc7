"""`hybridge simulate`"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from hybridge.cli import pages, printing
from hybridge.config.units import seconds

if TYPE_CHECKING:
    from hybridge.simulator.reliability.rows import Row

_DIALECTS = ("openai", "anthropic", "gemini")
#: Options of one of the two things that this command does; `--seed` is of both.
_OF_PROVIDERS = ("dialect", "port", "scenario", "latency_ms", "tokens_per_second", "faults")
_OF_RELIABILITY = ("requests", "days", "form", "check", "into")
_A_DAY = 86_400


def _milliseconds(context: click.Context, parameter: click.Parameter, text: str) -> float:
    try:
        return seconds(text) * 1000
    except ValueError:
        raise click.BadParameter(f"expected a duration such as 200ms, got {text!r}") from None


@click.command()
@click.option("--dialect", type=click.Choice([*_DIALECTS, "all"]), default="all", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="The first one's.  [default: any free one]")
@click.option("--scenario", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.yaml")
@click.option("--seed", type=int, default=0, show_default=True, help="Answers and failures depend on it alone.")
@click.option(
    "--latency",
    "latency_ms",
    callback=_milliseconds,
    metavar="DURATION",
    default="200ms",
    show_default=True,
    help="To the first token.",
)
@click.option(
    "--rate",
    "tokens_per_second",
    type=click.FloatRange(0, min_open=True),
    default=80.0,
    show_default=True,
    metavar="N",
    help="Tokens per second.",
)
@click.option("--fail", "faults", multiple=True, metavar="FAULT", help='Such as "status:503@0.1"; may be repeated.')
@click.option("--reliability", is_flag=True, help="Simulate without providers how reliable routes are, and print it.")
@click.option(
    "--requests",
    type=click.IntRange(1000),
    default=100_000,
    show_default=True,
    metavar="N",
    help="In each row of steady weather, one a second.",
)
@click.option("--days", type=click.FloatRange(0.02), metavar="D", help="The same, in days.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
@click.option("--check", is_flag=True, help="Exit 1 if a bar is missed.")
@click.option(
    "--into", type=click.Path(dir_okay=False, path_type=Path), metavar="PAGE.md", help="Put the tables there."
)
@click.pass_context
def simulate(context: click.Context, /, dialect: str, reliability: bool, **given: Any) -> None:
    """Simulated providers: real HTTP servers with set latencies, token rates and failures, until they are stopped.

    One line per provider says where it listens.

    With --reliability nobody is called: Hybridge's own breakers, fallbacks and hedges are played over imperfect legs in
    made-up time, and what comes of it is held against bars. --requests to --into are for this, --seed is for both.
    """
    for name in _OF_PROVIDERS if reliability else _OF_RELIABILITY:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(each.opts[0] for each in context.command.params if each.name == name)
            raise click.UsageError(f"{option} is {'not ' if reliability else 'only '}for --reliability")
    own = {name: given.pop(name) for name in _OF_RELIABILITY}
    if reliability:
        _simulate_reliability(given["seed"], **own)
        return
    from hybridge.simulator.command import simulate as run

    try:
        run(dialects=_DIALECTS if dialect == "all" else (dialect,), **given)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _simulate_reliability(
    seed: int, *, requests: int, days: float | None, form: str, check: bool, into: Path | None
) -> None:
    from hybridge.simulator.reliability import command, report

    requests = requests if days is None else round(days * _A_DAY)
    began = time.monotonic()
    rows = list(_told(command.rows(requests, seed), command.COUNT))
    took = time.monotonic() - began
    total = sum(row.requests for row in rows)
    click.echo(f"{total:,} requests in {took:.0f} s, {total / took:,.0f} a second", err=True)
    section = report.markdown(rows, f"hybridge simulate --reliability --requests {requests} --seed {seed}")
    if into is not None:
        pages.put(into, section)
    if form == "json":
        printing.json(report.records(rows))
    elif form == "markdown":
        click.echo(section, nl=False)
    else:
        for columns, cells in report.tables(rows):
            printing.table(columns, cells, right=report.NUMBERS)
            click.echo()
        click.echo(f"seed {seed}: {report.summary(rows)}")
    if check and any(row.missed for row in rows):
        sys.exit(1)


def _told(rows: Iterator[Row], count: int) -> Iterator[Row]:
    """The rows, and on stderr how far it is: a bar on a terminal, a line a row elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(rows, "Simulating", total=count, console=Console(stderr=True), transient=True)
        return
    for number, row in enumerate(rows, 1):
        click.echo(f"{number}/{count} {row.name}, {row.policy}: {row.lost} of {row.requests} lost", err=True)
        yield row

"""`hybridge chaos`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hybridge.cli import pages, printing

if TYPE_CHECKING:
    from hybridge.chaos.plan import Plan
    from hybridge.chaos.row import Row
    from hybridge.chaos.scenarios import Scenario

_PLAN = click.option(
    "--plan",
    "plan_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.yaml",
    help="The faults, as docs/reference/chaos.md describes them.",
)
_SEED = click.option("--seed", type=int, default=0, show_default=True, help="What is hit depends on it alone.")


@click.group()
def chaos() -> None:
    """Fault injection: a proxy that breaks what passes, and runs that show what a client sees of it."""


@chaos.command()
@click.option("--to", required=True, metavar="URL", help="The provider, such as https://host or http://127.0.0.1:9000.")
@_PLAN
@_SEED
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where it listens.  [default: any free one]")
def proxy(to: str, plan_file: Path | None, seed: int, port: int) -> None:
    """A proxy in front of one provider, until it is stopped. Without a plan it passes everything on.

    Give its address as `base_url` to a provider of the configuration. It prints one line once it listens, and at the
    end what it did.
    """
    from hybridge.chaos.command import proxy as serve

    try:
        serve(to, _plan(plan_file), seed, port)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@chaos.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option(
    "--requests", type=click.IntRange(1), default=120, show_default=True, metavar="N", help="In each scenario."
)
@click.option("--parallel", type=click.IntRange(1), default=200, show_default=True, metavar="N", help="At a time.")
@_SEED
@_PLAN
@click.option("--list", "listing", is_flag=True, help="Only name the scenarios.")
@click.option("--into", type=click.Path(dir_okay=False, path_type=Path), metavar="PAGE.md", help="Put the table there.")
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def run(  # noqa: PLR0913 - they are the options of the command
    names: tuple[str, ...],
    requests: int,
    parallel: int,
    seed: int,
    plan_file: Path | None,
    listing: bool,
    into: Path | None,
    form: str,
) -> None:
    """Break everything that can break, in every phase, in front of a real gateway, and check what its clients get.

    Simulated providers, proxies, `hybridge serve` and the clients run on this machine; nobody else is called. Without
    a SCENARIO all of them are run, with --plan only that plan. Exits 1 if a bar is missed: an end without end or
    error, a wrong text, a failure before content, a row lost from the ledger.
    """
    from hybridge.chaos import report
    from hybridge.chaos.run import run as play
    from hybridge.chaos.scenarios import Load

    scenarios = _scenarios(names, plan_file)
    if listing:
        printing.table(("scenario", "phase", "fault"), [(one.name, one.phase, one.fault) for one in scenarios])
        return
    try:
        rows = play(scenarios, Load(requests, parallel), seed, _progress)
    except RuntimeError as error:
        raise click.ClickException(str(error)) from error
    command = f"hybridge chaos run{''.join(f' {name}' for name in names)} --requests {requests} --seed {seed}"
    section = report.markdown(rows, f"{command} --parallel {parallel}")
    if into is not None:
        pages.put(into, section)
    if form == "json":
        printing.json(msgspec.to_builtins(rows))
    elif form == "markdown":
        click.echo(section, nl=False)
    else:
        printing.table(report.COLUMNS, map(report.cells, rows), right=report.NUMBERS)
    if any(row.problems for row in rows):
        sys.exit(1)


def _plan(path: Path | None) -> Plan:
    from hybridge.chaos.plan import Plan, load

    return Plan() if path is None else load(path)


def _scenarios(names: tuple[str, ...], plan_file: Path | None) -> list[Scenario]:
    from hybridge.chaos.scenarios import all_scenarios, planned

    if plan_file is not None:
        if names:
            raise click.UsageError("a plan is a scenario of its own, so none can be named with --plan")
        try:
            return [planned(_plan(plan_file))]
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    known = {scenario.name: scenario for scenario in all_scenarios()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.UsageError(f"no scenario {unknown[0]!r}; `hybridge chaos run --list` names them")
    return [known[name] for name in names or known]


def _progress(row: Row) -> None:
    if sys.stderr.isatty():
        click.echo(f"{row.scenario}: {row.served} of {row.requests} served {'; '.join(row.problems)}", err=True)

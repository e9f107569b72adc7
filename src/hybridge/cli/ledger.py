"""`hybridge ledger`"""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hybridge.cli import printing
from hybridge.cli.options import config_option, found
from hybridge.config import Config
from hybridge.config.units import since as since_s
from hybridge.money import plain

if TYPE_CHECKING:
    from hybridge.ledger.reports import By, Spend


@click.command()
@config_option
@click.option(
    "--by",
    type=click.Choice(["provider", "model", "key", "day", "deployment", "user"]),
    default="provider",
    show_default=True,
    help="What to sum over.",
)
@click.option("--since", metavar="AGE|DATE", default="7d", show_default=True, help="Such as 24h, 7d or 2026-11-01.")
@click.option("--currency", metavar="CODE", help="Currency of the amounts.  [default: currency.default]")
@click.option("--demo", is_flag=True, help="The accounts of demo mode.")
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def ledger(config_file: Path | None, by: By, since: str, currency: str | None, demo: bool, form: str) -> None:
    """What was spent.

    Amounts are exact. They leave out attempts whose price is unknown, which the column `unpriced` counts. Days begin
    at midnight in Asia/Ho_Chi_Minh for amounts in VND, else in UTC.
    """
    from hybridge.ledger.reports import spend, zone_of

    config = _config(config_file, demo)
    path = Path(config.ledger_path)
    if not path.is_file():
        raise click.ClickException(f"there is no ledger at {path} yet; it is made by `hybridge serve`")
    unit = (currency or config.currency.default).upper()
    try:
        rates = config.currency.in_force()
        rows = spend(path, by, rates, since_us=_since_us(since), currency=unit, zone=zone_of(unit))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except sqlite3.Error as error:
        raise click.ClickException(f"{path} cannot be read as a ledger: {error}") from error
    _print(rows, by, unit, form)


def _config(config_file: Path | None, demo: bool) -> Config:
    """Whose accounts are meant: those of demo mode where they are asked for, or are all there is."""
    from hybridge.config import find

    if demo:
        return find(None, {}, demo=True).config
    holding = found(config_file, need_keys=False, quiet=True)
    usual = Config()
    return usual if holding.demo and Path(usual.ledger_path).is_file() else holding.config


def _since_us(text: str) -> int:
    """UTC microseconds of an age or a date. Raises `ValueError`."""
    try:
        return int(since_s(text, time.time()) * 1_000_000)
    except ValueError as error:
        raise ValueError(f"--since: {error}") from None


def _print(rows: list[Spend], by: By, currency: str, form: str) -> None:
    from hybridge.ledger.reports import COUNTS

    if form == "json":
        printing.json({"by": by, "currency": currency, "rows": [row.record(by) for row in rows]})
        return
    columns = (by, *COUNTS, f"cost ({currency})")
    lines = [(row.group, *(getattr(row, name) for name in COUNTS), plain(row.amount)) for row in rows]
    if form == "csv":
        printing.comma_separated((by, *COUNTS, "cost", "currency"), [(*line, currency) for line in lines])
        return
    if not rows:
        click.echo("nothing was asked in that time")
        return
    printing.table(columns, [[str(cell) for cell in line] for line in lines], right=columns[1:])

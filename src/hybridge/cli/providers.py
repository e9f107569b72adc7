"""`hybridge providers`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hybridge.cli import printing
from hybridge.cli.options import config_option, format_option, found
from hybridge.config import Config, Provider
from hybridge.config.units import percentage
from hybridge.providers.row import Row, load_rows


@click.command()
@config_option
@click.option("--on", "only_on", is_flag=True, help="Only those that are switched on.")
@format_option
def providers(config_file: Path | None, only_on: bool, form: str) -> None:
    """Every provider: how it is reached, whether it is on, and what would switch it on.

    `verified` rows were held against recorded answers of that provider, `community` rows were not yet.
    """
    config = found(config_file, need_keys=False, quiet=True).config
    rows = load_rows()
    own = [name for name in config.providers if name not in rows]
    records = [_of_row(row, config) for row in rows.values()] + [_of_own(name, config) for name in own]
    records = [record for record in records if record["on"] or not only_on]
    if form == "json":
        printing.json(records)
        return
    printing.table(("provider", "on", "kind", "dialect", "row", "fee", "variables", "address"), map(_line, records))


def _of_row(row: Row, config: Config) -> dict[str, Any]:
    setting = config.providers.get(row.id)
    known = {
        "provider": row.id,
        "name": row.name,
        "kind": row.kind.value,
        "dialects": list(dict.fromkeys(door.dialect for door in (row, *row.surfaces))),
        "tier": row.tier,
        "fee_ppm": row.fee_ppm,
        "variables": list(row.env),
        "key_required": row.key_required,
        "base_url": row.base_url,
        "docs": row.docs,
    }
    return known | _said(setting)


def _of_own(name: str, config: Config) -> dict[str, Any]:
    known: dict[str, Any] = {"provider": name, "name": name, "kind": "", "dialects": [], "tier": "own", "fee_ppm": 0}
    known |= {"variables": [], "key_required": False, "base_url": "", "docs": ""}
    return known | _said(config.providers[name])


def _said(setting: Provider | None) -> dict[str, Any]:
    """What the configuration says over the row."""
    if setting is None:
        return {"on": False, "keys": 0}
    said: dict[str, Any] = {"on": True, "keys": len(setting.keys)}
    if setting.kind is not None:
        said["kind"] = setting.kind.value
    if setting.dialect is not None:
        said["dialects"] = [setting.dialect]
    if setting.base_url is not None:
        said["base_url"] = setting.base_url
    if setting.fee is not None:
        said["fee_ppm"] = setting.fee
    return said


def _line(record: dict[str, Any]) -> tuple[str, ...]:
    return (
        record["provider"],
        "on" if record["on"] else "",
        record["kind"],
        " ".join(record["dialects"]),
        record["tier"],
        percentage(record["fee_ppm"]) if record["fee_ppm"] else "",
        " ".join(record["variables"]),
        record["base_url"],
    )

"""`hybridge check`"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from hybridge.cli import printing
from hybridge.cli.options import config_option, format_option, found
from hybridge.config import Found
from hybridge.config.report import Path
from hybridge.errors import ConfigError
from hybridge.providers.describe import capabilities, deployment_record, price_text
from hybridge.types import Deployment, Needs

if TYPE_CHECKING:
    from hybridge.providers.catalog import Catalog

#: What is worth a warning when a model's own deployments have it and a fallback does not.
_MISSED = Needs.VISION | Needs.TOOLS | Needs.JSON_SCHEMA | Needs.AUDIO_INPUT


@click.command()
@config_option
@click.option(
    "--live",
    is_flag=True,
    help="Ask every provider what costs nothing: does it answer, take each key, list the models that are named?",
)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the configuration, for editors.")
@format_option
def check(config_file: FilePath | None, live: bool, schema: bool, form: str) -> None:
    """Validate the configuration; print each route, and each problem with its place.

    Exits 1 on an error; with --live also where a provider cannot be reached or refuses a key. Warnings and errors go
    to stderr.
    """
    if schema:
        from hybridge.config.schema import text

        click.echo(text(), nl=False)
        return
    from hybridge import app

    try:
        holding = found(config_file, quiet=True)
        assembled = app.assemble(holding.config, demo=holding.demo)
    except ConfigError as error:
        if form == "json":
            printing.json({"ok": False, "errors": list(error.problems), "warnings": [], "routes": [], "live": []})
            sys.exit(1)
        raise
    holding, catalog = replace(holding, config=assembled.config), assembled.catalog
    routes = [_route(catalog, name) for name in holding.config.models]
    for place, doubt in _doubts(catalog, holding):
        holding.report.warn(place, doubt)
    warnings = [str(warning) for warning in holding.warnings]
    probes = _probe(holding, catalog) if live else []
    failed = [probe for probe in probes if not probe["ok"]]
    if form == "json":
        errors = [f"{probe['provider']}: {probe['said']}" for probe in failed]
        told = {"ok": not errors, "errors": errors, "warnings": warnings, "routes": routes, "live": probes}
        printing.json(told)
    else:
        _print(holding, catalog, probes)
        printing.warn(warnings)
    if failed:
        sys.exit(1)


def _route(catalog: Catalog, name: str) -> dict[str, Any]:
    found_route = catalog.resolve(name)
    deployments = found_route.deployments if found_route else ()
    return {
        "model": name,
        "deployments": [deployment_record(deployment) for deployment in deployments],
        "fallbacks": list(catalog.fallbacks(name)),
    }


def _doubts(catalog: Catalog, holding: Found) -> Iterator[tuple[Path, str]]:
    """What is allowed and probably not meant."""
    for name, model in holding.config.models.items():
        own = catalog.deployments_of(name)
        if not own:
            yield ("models", name), _unlisted(catalog, name)
        for position, fallback in enumerate(model.fallbacks):
            place = ("models", name, "fallbacks", position)
            behind = catalog.deployments_of(fallback)
            if not behind:
                yield place, f"{fallback}: {_unlisted(catalog, fallback)}"
            elif lost := _lost(own, behind):
                yield place, f"{fallback} offers no {', '.join(lost)}: such requests will not fall back to it"


def _unlisted(catalog: Catalog, name: str) -> str:
    if catalog.resolve(name) is None:
        return "no provider that is on serves it"
    return "no provider that is on lists it, so it goes where routing.unknown_models says"


def _lost(own: tuple[Deployment, ...], behind: tuple[Deployment, ...]) -> list[str]:
    """What every deployment of a model offers and none of its fallback's does."""
    always, ever = _MISSED, Needs.NOTHING
    for deployment in own:
        always &= deployment.offers
    for deployment in behind:
        ever |= deployment.offers
    return capabilities(always & ~ever) if own else []


def _probe(holding: Found, catalog: Catalog) -> list[dict[str, Any]]:
    from hybridge.cli.live import probe

    return probe(holding, catalog)


def _print(holding: Found, catalog: Catalog, probes: list[dict[str, Any]]) -> None:
    source = holding.path or ("demo mode" if holding.demo else "the environment")
    click.echo(f"{source}: {len(catalog.providers)} providers on: {', '.join(catalog.providers)}")
    rows = [row for name in holding.config.models for row in _rows(catalog, name)]
    if rows:
        printing.table(("model", "", "deployment", "kind", "dialect", "price", "can"), rows, right=("", "price"))
    else:
        click.echo("no models are written; names find their deployments in the catalogue (`hybridge models`)")
    if probes:
        columns = ("provider", "key", "fingerprint", "live", "ms", "models", "missing", "balance", "said")
        printing.table(columns, map(_live, probes), right=("ms", "models", "balance"))


def _live(probe: dict[str, Any]) -> tuple[str, ...]:
    counted = ("" if probe[name] is None else str(probe[name]) for name in ("ms", "models"))
    verdict = "ok" if probe["ok"] else "failed"
    missing = " ".join(probe["missing"] or ())
    return (
        probe["provider"],
        probe["key"],
        probe["fingerprint"],
        verdict,
        *counted,
        missing,
        probe["balance"] or "",
        probe["said"],
    )


def _rows(catalog: Catalog, name: str) -> Iterator[tuple[str, ...]]:
    """A model's deployments in order, then its fallbacks."""
    label = name
    for position, deployment in enumerate(catalog.deployments_of(name), 1):
        yield (
            label,
            str(position),
            deployment.id,
            deployment.kind.value,
            deployment.surface.dialect,
            price_text(deployment.price),
            " ".join(capabilities(deployment.offers)),
        )
        label = ""
    for fallback in catalog.fallbacks(name):
        yield label, "then", fallback, "", "", "", ""
        label = ""

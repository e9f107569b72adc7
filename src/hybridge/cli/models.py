"""`hybridge models`"""

from __future__ import annotations

from pathlib import Path

import click

from hybridge.cli import printing
from hybridge.cli.catalogue import catalogue
from hybridge.cli.options import config_option, format_option
from hybridge.providers.describe import capabilities, deployment_record, price_text
from hybridge.types import Deployment


@click.command()
@click.argument("name", required=False, default="")
@config_option
@click.option("--provider", metavar="ID", help="Only what this provider serves.")
@click.option("--all", "everything", is_flag=True, help="Of every provider there is a row for, on or off.")
@format_option
def models(name: str, config_file: Path | None, provider: str | None, everything: bool, form: str) -> None:
    """The models that can be asked for, where each is served, what it can do and costs.

    NAME shows only models whose name contains it. Prices are USD per million tokens, input/output.
    """
    listing = catalogue(config_file, everything=everything).models()
    rows = [
        (model.name, deployment)
        for model in listing
        for deployment in model.deployments
        if name.lower() in model.name.lower() and provider in (None, deployment.provider)
    ]
    if form == "json":
        printing.json([{"model": model, **deployment_record(deployment)} for model, deployment in rows])
        return
    printing.table(
        ("model", "deployment", "kind", "dialect", "context", "output", "price", "can"),
        [_row(*row) for row in rows],
        right=("context", "output", "price"),
    )


def _row(model: str, deployment: Deployment) -> tuple[str, ...]:
    limits = deployment.limits
    return (
        model,
        deployment.id,
        deployment.kind.value,
        deployment.surface.dialect,
        str(limits.context or ""),
        str(limits.output or ""),
        price_text(deployment.price),
        " ".join(capabilities(deployment.offers)),
    )

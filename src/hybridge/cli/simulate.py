"""`hybridge simulate`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hybridge.config.units import seconds

_DIALECTS = ("openai", "anthropic", "gemini")


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
def simulate(dialect: str, **scene: Any) -> None:
    """Simulated providers: real HTTP servers with set latencies, token rates and failures, until they are stopped.

    One line per provider says where it listens.
    """
    from hybridge.simulator.command import simulate as run

    try:
        run(dialects=_DIALECTS if dialect == "all" else (dialect,), **scene)
    except ValueError as error:
        raise click.UsageError(str(error)) from error

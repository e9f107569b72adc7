"""Options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from hybridge.cli import printing
from hybridge.config import Found, find

F = TypeVar("F", bound=Callable[..., Any])

_CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration; else $HYBRIDGE_CONFIG, else ./hybridge.yaml, else the environment.",
)
_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people or for programs.",
)


def config_option(command: F) -> F:
    """`--config FILE`, as `config_file`."""
    return _CONFIG(command)


def format_option(command: F) -> F:
    """`--format table|json`, as `form`."""
    return _FORMAT(command)


def found(config_file: Path | None, *, need_keys: bool = True, quiet: bool = False) -> Found:
    """The configuration that holds, its warnings printed unless `quiet`. Raises `ConfigError`."""
    made = find(config_file, os.environ, need_keys=need_keys)
    if not quiet:
        printing.warn(made.warnings)
    return made

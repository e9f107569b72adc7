"""The reference pages and the JSON Schema, made from the program: `python -m hybridge.cli.reference [FOLDER]`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hybridge.chaos import reference as chaos
from hybridge.cli.program import COMMANDS, hybridge
from hybridge.config import reference, schema
from hybridge.observers.samples import FAMILIES

_INTRODUCTION = """\
# Command line

This page is made from the program (`python -m hybridge.cli.reference`); do not edit it.

`hybridge` and `python -m hybridge` are the same. A command exits 0 when it did what was asked, 1 on an error (one
sentence on stderr), 2 on an option that is wrong.
"""

_METRICS = """\
# Metrics

This page is made from the program (`python -m hybridge.cli.reference`); do not edit it.

`GET /metrics` tells them in Prometheus' text format, all workers together. Deployments are called as the catalogue
calls them, `PROVIDER/other` is what it does not know. Summaries and ratios are of the last five minutes.

| metric | kind | labels | tells |
|---|---|---|---|
"""


def metrics() -> str:
    """The page of the metrics."""
    lines = []
    for family in FAMILIES:
        labels = " ".join(f"`{label}`" for label in family.labels)
        lines.append(f"| `{family.name}` | {family.kind} | {labels} | {family.help.rstrip('.')} |\n")
    return _METRICS + "".join(lines)


def markdown() -> str:
    """The page of the command line."""
    pages = [_INTRODUCTION, _page("hybridge", hybridge)]
    for name in COMMANDS:
        command = hybridge.get_command(click.Context(hybridge), name)
        assert command is not None
        pages.append(_page(f"hybridge {name}", command))
        if isinstance(command, click.Group):
            pages += [_page(f"hybridge {name} {sub}", one) for sub, one in command.commands.items()]
    return "\n".join(pages)


def files() -> dict[str, str]:
    """Every file that is made from the program, by its path in the repository."""
    return {
        "docs/reference/cli.md": markdown(),
        "docs/reference/config.md": reference.markdown(),
        "docs/reference/metrics.md": metrics(),
        "docs/reference/chaos.md": chaos.markdown(),
        "schema/hybridge.schema.json": schema.text(),
    }


def write(folder: Path) -> None:
    """Write those files below `folder`."""
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _page(title: str, command: click.Command) -> str:
    context = click.Context(command, info_name=title, terminal_width=100, help_option_names=["-h", "--help"])
    help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    return f"## `{title}`\n\n```\n{help_text}\n```\n"


if __name__ == "__main__":
    write(Path(*sys.argv[1:2]))

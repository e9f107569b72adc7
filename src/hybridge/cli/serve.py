"""`hybridge serve`"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from hybridge.cli import printing
from hybridge.cli.options import config_option

_PORT = click.IntRange(0, 65535)


@click.command()
@config_option
@click.option("--host", metavar="H", help="Address of the data plane.  [default: server.host, 127.0.0.1]")
@click.option("--port", type=_PORT, help="Its port.  [default: server.port, 8080]")
@click.option("--admin-port", type=_PORT, help="Port of the control plane.  [default: server.admin_port, 8081]")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes.  [default: server.workers, 1]")
@click.option("--demo", is_flag=True, help="Simulated providers: no key, no configuration, no cost.")
def serve(
    config_file: Path | None,
    host: str | None,
    port: int | None,
    admin_port: int | None,
    workers: int | None,
    demo: bool,
) -> None:
    """Start Hybridge; it prints one line when it is ready.

    SIGTERM lets requests in flight end, writes the ledger, and leaves.
    """
    from hybridge import app
    from hybridge.config import Overrides, find

    if demo and config_file is not None:
        raise click.UsageError("--demo has a configuration of its own, so --config cannot be given with it")
    overrides = Overrides(host=host, port=port, admin_port=admin_port, workers=workers)
    found = find(config_file, os.environ, overrides=overrides, demo=demo)
    printing.warn(found.warnings)
    if found.demo and not demo:
        click.echo("neither a configuration file nor a provider's key was found: this is demo mode", err=True)
    try:
        app.serve(found.config, demo=found.demo)
    except SystemExit as stop:
        # uvicorn has said why it cannot listen, and leaves with a code of its own.
        sys.exit(1 if stop.code else 0)

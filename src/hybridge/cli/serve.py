"""`hybridge serve`"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import click

from hybridge.cli import printing
from hybridge.cli.options import config_option
from hybridge.config.units import OFF

_PORT = click.IntRange(0, 65535)


class _PortOrOff(click.IntRange):
    name = "port or off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value if value == OFF else super().convert(value, param, ctx)


@click.command()
@config_option
@click.option("--host", metavar="H", help="Address of the data plane.  [default: server.host, 127.0.0.1]")
@click.option("--port", type=_PORT, help="Its port.  [default: server.port, 8080]")
@click.option(
    "--admin-port",
    type=_PortOrOff(0, 65535),
    metavar="PORT|off",
    help="Port of the control plane.  [default: server.admin_port, 8081]",
)
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Processes.  [default: server.workers, 1]")
@click.option("--demo", is_flag=True, help="Simulated providers: no key, no configuration, no cost.")
def serve(
    config_file: Path | None,
    host: str | None,
    port: int | None,
    admin_port: int | str | None,
    workers: int | None,
    demo: bool,
) -> None:
    """Start Hybridge; it prints one line when it is ready.

    SIGTERM lets requests in flight end, writes the ledger, and leaves. A configuration that changes is taken over
    without losing a request, as soon as its file is written or on SIGHUP; a bad one is not.
    """
    from hybridge.config import Found, Overrides, find
    from hybridge.supervisor.logs import write_logs
    from hybridge.supervisor.supervisor import supervise

    if demo and config_file is not None:
        raise click.UsageError("--demo has a configuration of its own, so --config cannot be given with it")
    overrides = Overrides(host=host, port=port, admin_port=admin_port, workers=workers)

    def tell(found: Found) -> None:
        printing.warn(found.warnings)
        if found.demo and not demo:
            click.echo("neither a configuration file nor a provider's key was found: this is demo mode", err=True)

    write_logs()
    asyncio.run(supervise(lambda: find(config_file, os.environ, overrides=overrides, demo=demo), tell, click.echo))

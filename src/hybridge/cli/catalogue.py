"""The catalogue that a command looks at: of the configured providers, or of every row."""

from __future__ import annotations

from pathlib import Path

from hybridge.cli.options import found
from hybridge.providers.catalog import Catalog
from hybridge.providers.row import load_rows
from hybridge.providers.settings import ProviderSetting


def catalogue(config_file: Path | None, *, everything: bool = False) -> Catalog:
    """What the configuration serves; every row's models where `everything` is asked, or nothing is configured.

    Raises `ConfigError`.
    """
    if not everything:
        holding = found(config_file, need_keys=False)
        if holding.config.providers:
            from hybridge import app

            return app.assemble(holding.config).catalog
    return Catalog([ProviderSetting(id=name) for name in load_rows()])

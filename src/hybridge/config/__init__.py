"""The configuration: what a user wrote, checked and in base units."""

from __future__ import annotations

from hybridge.config.report import Problem
from hybridge.config.settings import (
    Access,
    AccessKey,
    Admin,
    Breaker,
    Config,
    Currency,
    DatedRate,
    Health,
    Ledger,
    Model,
    OwnPrice,
    OwnRetries,
    OwnTimeouts,
    Provider,
    Retries,
    Routing,
    Server,
    Timeouts,
    Tls,
)
from hybridge.config.sources import Found, Overrides, find, from_environment, load, read
from hybridge.config.units import Allowance, Secret

__all__ = [
    "Access",
    "AccessKey",
    "Admin",
    "Allowance",
    "Breaker",
    "Config",
    "Currency",
    "DatedRate",
    "Found",
    "Health",
    "Ledger",
    "Model",
    "Overrides",
    "OwnPrice",
    "OwnRetries",
    "OwnTimeouts",
    "Problem",
    "Provider",
    "Retries",
    "Routing",
    "Secret",
    "Server",
    "Timeouts",
    "Tls",
    "find",
    "from_environment",
    "load",
    "read",
]

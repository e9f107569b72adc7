"""What a file may already say, and this release cannot do: each is refused at its place."""

from __future__ import annotations

from collections.abc import Iterator

from hybridge.config.report import Path, Report
from hybridge.config.settings import AccessKey, Config, Model

_KEY_LIMITS = ("team", "budget", "rpm", "tpm", "parallel", "expires", "tags", "passthrough", "cache")
_LISTS = ("budgets", "webhooks", "experiments", "migrations")


def refuse(config: Config, report: Report) -> None:
    """Report each feature that is asked for and does not exist yet."""
    for path, what in _asked(config):
        report.error(path, f"{what} not supported yet")


def _asked(config: Config) -> Iterator[tuple[Path, str]]:
    yield from (((name,), f"{name} are") for name in _LISTS if getattr(config, name))
    values: tuple[tuple[Path, bool, str], ...] = (
        (("storage",), config.storage.startswith("postgresql://"), "PostgreSQL is"),
        (("state",), config.state.startswith("redis://"), "state shared between hosts is"),
        (("cache", "mode"), config.cache.mode != "off", f"the {config.cache.mode} cache is"),
        (("logging", "contents"), config.logging.contents != "off", "keeping prompts and answers is"),
        (
            ("routing", "direct_or_gateway"),
            config.routing.direct_or_gateway == "measured",
            "deciding by measurement is",
        ),
        (("access", "passthrough"), bool(config.access.passthrough), "raw pass-through is"),
    )
    yield from ((path, what) for path, asked, what in values if asked)
    for position, key in enumerate(config.access.keys):
        yield from _asked_of_key(("access", "keys", position), key)
    for name, model in config.models.items():
        yield from _asked_of_model(("models", name), model)


def _asked_of_key(path: Path, key: AccessKey) -> Iterator[tuple[Path, str]]:
    for limit in _KEY_LIMITS:
        if getattr(key, limit) not in (None, ()):
            yield (*path, limit), f"{limit} of a key is"


def _asked_of_model(path: Path, model: Model) -> Iterator[tuple[Path, str]]:
    if model.cache is not None and model.cache.mode != "off":
        yield (*path, "cache", "mode"), f"the {model.cache.mode} cache is"

"""What must hold between the keys of a file: references, currencies, what is open to whom."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from urllib.parse import urlsplit

from hybridge.config.report import Path, Report, nearest
from hybridge.config.settings import PASS, SQLITE, Config, Model, Provider
from hybridge.dialects import NAMES as DIALECTS
from hybridge.money import SHIPPED_RATES
from hybridge.providers.auth import AUTH
from hybridge.providers.row import Row
from hybridge.routing.policies import NAMES as POLICIES
from hybridge.server.guard import is_loopback

#: A rate older than this warns.
STALE = dt.timedelta(days=30)

#: Policies that have a name, and nothing else yet.
LATER_POLICIES = ("balanced", "fastest", "weighted")

#: Who comes without a key, and a probe, are called these in the ledger, so no key may be.
TAKEN = frozenset(("open", "probe"))


def check(config: Config, report: Report, rows: Mapping[str, Row], today: dt.date) -> None:
    """Report every problem that only shows once all keys are known."""
    for name, provider in config.providers.items():
        _check_provider(("providers", name), provider, rows.get(name), report, rows)
    for name, model in config.models.items():
        _check_model(("models", name), model, config, report, rows)
    _check_routing(config, report)
    _check_money(config, report, today)
    _check_access(config, report)
    _check_places(config, report)
    if config.health.probes == "paid" and not config.health.paid_per_day.amount:
        report.warn(("health", "paid_per_day"), "paid probes may cost nothing, so none is made")


def _check_provider(path: Path, provider: Provider, row: Row | None, report: Report, rows: Iterable[str]) -> None:
    if row is None:
        _check_own(path, provider, report, rows)
    if provider.dialect is not None and provider.dialect not in DIALECTS:
        report.error((*path, "dialect"), f"expected {_words(DIALECTS)}{nearest(provider.dialect, DIALECTS)}")
    if provider.auth is not None and provider.auth not in AUTH:
        report.error((*path, "auth"), f"expected {_words(AUTH)}{nearest(provider.auth, AUTH)}")
    if provider.base_url is not None and not _is_address(provider.base_url):
        report.error((*path, "base_url"), "expected an address that begins with https:// or http://")
    if provider.app_code is not None and (row is None or "app_code" not in row.options):
        report.error((*path, "app_code"), f"unknown key: {path[-1]} takes none")
    if any(not key.reveal() for key in provider.keys) and not provider.keyless:
        report.error((*path, "keys"), "`none` stands alone: a provider asks for a key or does not")


def _check_own(path: Path, provider: Provider, report: Report, rows: Iterable[str]) -> None:
    """A provider that has no row must say everything itself."""
    absent = [key for key in ("kind", "dialect", "base_url") if getattr(provider, key) is None]
    if len(absent) == 3:
        known = nearest(str(path[-1]), rows) or "; one of your own needs kind, dialect and base_url"
        report.error(path, f"no provider of that name is known{known}")
        return
    for key in absent:
        report.error((*path, key), "required for a provider that is not in the catalogue")
    if not report.written((*path, "keys")):
        report.error((*path, "keys"), "required; write [none] for a provider that asks for no key")


def _check_model(path: Path, model: Model, config: Config, report: Report, rows: Iterable[str]) -> None:
    ids = [*(((*path, "deployments", position), one) for position, one in enumerate(model.deployments))]
    for place, deployment in [*ids, *(((*path, "price", one), one) for one in model.price)]:
        _check_deployment(place, deployment, config, report, rows)
    for deployment in model.price:
        if model.deployments and deployment not in model.deployments:
            hint = nearest(deployment, model.deployments)
            report.warn((*path, "price", deployment), f"this is no deployment of the model{hint}")
    if model.policy is not None:
        _check_policy((*path, "policy"), model.policy, report)


def _check_deployment(path: Path, deployment: str, config: Config, report: Report, rows: Iterable[str]) -> None:
    provider, slash, model = deployment.partition("/")
    if not (slash and provider and model):
        report.error(path, f"expected provider/model-as-the-provider-names-it, got {deployment!r}")
    elif provider in config.providers:
        return
    elif provider in rows:
        report.warn(path, f"left out: {provider} is not under providers")
    else:
        report.error(path, f"unknown provider {provider!r}{nearest(provider, {*config.providers, *rows})}")


def _check_policy(path: Path, policy: str, report: Report) -> None:
    if policy in LATER_POLICIES:
        report.error(path, f"the policy {policy} is not supported yet")
    elif policy not in POLICIES:
        report.error(path, f"expected {_words(POLICIES)}, got {policy!r}{nearest(policy, POLICIES)}")


def _check_routing(config: Config, report: Report) -> None:
    _check_policy(("routing", "policy"), config.routing.policy, report)
    unknown = config.routing.unknown_models
    target = unknown.removeprefix(PASS)
    if target != unknown and target not in config.providers:
        report.error(("routing", "unknown_models"), f"unknown provider {target!r}{nearest(target, config.providers)}")


def _check_money(config: Config, report: Report, today: dt.date) -> None:
    path: Path = ("currency", "rates")
    for name, rate in config.currency.rates.items():
        if not (len(name) == 3 and name.isascii() and name.isalpha() and name.isupper()):
            report.error((*path, name), "expected a currency's code of three capitals, such as VND")
        elif name == "USD" and rate.per_usd != 1:
            report.error((*path, name), "rates are units per USD, so this one is 1")
        elif today - rate.as_of > STALE:
            report.warn((*path, name, "as_of"), f"this rate is {(today - rate.as_of).days} days old")
    for place, currency in _currencies(config):
        if currency not in config.currency.rates and currency != "USD":
            _check_shipped(place, currency, report, today)


def _check_shipped(path: Path, currency: str, report: Report, today: dt.date) -> None:
    """A currency that the file gives no rate for."""
    shipped = next((rate for rate in SHIPPED_RATES if rate.currency == currency), None)
    if shipped is None:
        report.error(path, f"no rate for {currency}; add it under currency.rates")
    elif today - shipped.as_of > STALE:
        age = f"the rate that came with this release is of {shipped.as_of}"
        report.warn(("currency", "rates", currency), f"{age}; write a newer one")


def _currencies(config: Config) -> Iterable[tuple[Path, str]]:
    yield ("currency", "default"), config.currency.default
    yield ("routing", "cheap_below"), config.routing.cheap_below.currency
    yield ("health", "paid_per_day"), config.health.paid_per_day.currency


def _check_access(config: Config, report: Report) -> None:
    access, path = config.access, ("access", "mode")
    if access.mode == "open" and not is_loopback(config.server.host) and not report.written(path):
        report.error(
            path,
            f"{config.server.host} can be reached from beyond this machine, and access is open to anybody: "
            "write `access: {mode: keys, keys: [...]}`, or `access: {mode: open}` if that is meant",
        )
    if access.mode == "keys" and not access.keys and not report.written(("access", "keys")):
        report.error(path, "nobody could call: add keys under access.keys")
    names: set[str] = set()
    secrets: set[str] = set()
    for position, key in enumerate(access.keys):
        place: Path = ("access", "keys", position)
        if key.name in names | TAKEN:
            report.error((*place, "name"), f"the name {key.name!r} is taken")
        if key.key.reveal() in secrets:
            report.error((*place, "key"), "another key has the same secret")
        names.add(key.name)
        secrets.add(key.key.reveal())


def _check_places(config: Config, report: Report) -> None:
    """Files and addresses that the server itself uses."""
    tls = config.server.tls
    for key, file in (("cert", tls.cert), ("key", tls.key)) if tls else ():
        if not FilePath(file).is_file():
            report.error(("server", "tls", key), f"no such file: {file}")
    # An address of a database may hold a password, so it is not shown.
    if not config.storage.startswith((SQLITE, "postgresql://")) or config.storage == SQLITE:
        report.error(("storage",), f"expected {SQLITE}FILE")
    if config.state != "memory" and not config.state.startswith("redis://"):
        report.error(("state",), "expected memory")


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def _words(words: Iterable[str]) -> str:
    *some, last = sorted(words)
    return f"{', '.join(some)} or {last}"

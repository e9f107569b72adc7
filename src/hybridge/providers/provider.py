"""A configured provider: its row and its setting made one, and the models that it lists."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from hybridge.dialects import NAMES as DIALECTS
from hybridge.errors import ConfigError
from hybridge.money import Terms
from hybridge.providers.auth import AUTH
from hybridge.providers.row import Door, Row
from hybridge.providers.settings import ProviderSetting
from hybridge.providers.stock import Stock
from hybridge.types import Quirks, Surface, Timeouts

#: How a dialect is spoken to a server that has no row.
PLAIN_DOORS: dict[str, dict[str, Any]] = {
    "anthropic": {
        "auth": "x_api_key",
        "headers": {"anthropic-version": "2023-06-01"},
        "forward": ("anthropic-beta", "anthropic-version"),
    },
    "gemini": {"auth": "x_goog_api_key"},
    "openai": {"auth": "bearer", "forward": ("openai-beta",)},
}


class Provider:
    """A provider that is switched on: where each of its models is reached, on which terms."""

    def __init__(self, row: Row, setting: ProviderSetting) -> None:
        self.id = row.id
        self.name = row.name
        self.kind = setting.kind or row.kind
        self.terms: Terms = setting.terms(row.fee_ppm)
        self.timeouts: Mapping[str, float] = {**row.timeouts, **setting.timeouts}
        self.row = row
        self._surface = _surfaces(row, setting)
        #: Where it tells what is left of a key's money; empty: nowhere.
        self.balance_url = moved(row.balance.url, row.base_url, setting.base_url) if row.balance else ""
        self.stock = Stock()

    def __repr__(self) -> str:
        return f"<Provider {self.id} {self.kind}, {len(self.stock.entries)} models>"

    def surface(self, model: str) -> Surface:
        """The surface that serves a model."""
        return self._surface(model)


def configure(setting: ProviderSetting, row: Row | None) -> Provider:
    """The provider that a setting means. Raises `ConfigError` with every problem, each with its place."""
    problems = list(_problems(setting, row))
    if problems:
        raise ConfigError([f"providers.{setting.id}.{problem}" for problem in problems])
    return Provider(row or _row_of(setting), setting)


def _row_of(setting: ProviderSetting) -> Row:
    assert setting.kind is not None and setting.base_url is not None
    return Row(
        id=setting.id,
        name=setting.id,
        kind=setting.kind,
        base_url=setting.base_url,
        source="",
        verified_on=dt.date.min,
        key_required=False,
        **_plain(setting.dialect),
    )


def _plain(dialect: str | None) -> dict[str, Any]:
    return {"dialect": dialect, **PLAIN_DOORS.get(str(dialect), {})}


def _problems(setting: ProviderSetting, row: Row | None) -> Iterator[str]:
    if row is None:
        for needed in ("kind", "dialect", "base_url"):
            if getattr(setting, needed) is None:
                yield f"{needed}: a provider that is not in the catalogue needs one"
    for key, known in (("dialect", DIALECTS), ("auth", tuple(AUTH))):
        word = getattr(setting, key)
        if word is not None and word not in known:
            yield f"{key}: no {word!r}{near(word, known)}"
    if setting.base_url is not None and not _is_address(setting.base_url):
        yield f"base_url: {setting.base_url!r} is no http address"
    yield from unknown_keys("", setting.options, row.options if row else {})
    yield from unknown_keys("timeouts.", setting.timeouts, Timeouts.__struct_fields__)
    try:
        msgspec.convert(setting.quirks, Quirks)
    except msgspec.ValidationError as exc:
        yield f"quirks: {exc}"


def unknown_keys(place: str, keys: Iterable[str], known: Collection[str]) -> Iterator[str]:
    """A problem for each key that is not known."""
    return (f"{place}{key}: unknown key{near(key, known)}" for key in keys if key not in known)


def near(word: str, words: Iterable[str]) -> str:
    """`; did you mean X?`, or nothing if nothing is near."""
    found = get_close_matches(word, list(words), 1)
    return f"; did you mean {found[0]}?" if found else ""


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _surfaces(row: Row, setting: ProviderSetting) -> Callable[[str], Surface]:
    """From a model's name to its surface. Every surface is made once."""
    if setting.dialect not in (None, row.dialect):
        main: Door = Door(base_url=row.base_url, **_plain(setting.dialect))
        branches: tuple[tuple[Callable[[str], bool], Surface], ...] = ()
    else:
        main = row
        branches = tuple((branch.takes, _surface(branch, row, setting)) for branch in row.surfaces)
    default = replace(_surface(main, row, setting), base_url=(setting.base_url or row.base_url).rstrip("/"))

    def surface(model: str) -> Surface:
        return next((found for takes, found in branches if takes(model)), default)

    return surface


def _surface(door: Door, row: Row, setting: ProviderSetting) -> Surface:
    surface = door.surface
    headers = {name.lower(): value for name, value in surface.headers}
    headers |= {row.options[option].lower(): value for option, value in setting.options.items()}
    headers |= {name.lower(): value for name, value in setting.headers.items()}
    quirks = msgspec.convert({**msgspec.to_builtins(surface.quirks), **setting.quirks}, Quirks)
    return replace(
        surface,
        base_url=moved(surface.base_url, row.base_url, setting.base_url),
        auth=setting.auth or surface.auth,
        headers=tuple(sorted(headers.items())),
        quirks=quirks,
    )


def moved(address: str, from_base: str, to_base: str | None) -> str:
    """Where a further surface stands once the provider's own address is another: same path, below the new place."""
    if to_base is None:
        return address
    place = to_base.rstrip("/").removesuffix(urlsplit(from_base).path.rstrip("/"))
    return place + urlsplit(address).path.rstrip("/")

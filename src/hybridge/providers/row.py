"""A provider is a row: one TOML file below `rows/`, named by the provider's id."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hybridge.dialects import NAMES as DIALECTS
from hybridge.errors import ConfigError
from hybridge.providers.auth import AUTH
from hybridge.types import Kind, Needs, Quirks, Surface, Timeouts

Tier = Literal["verified", "community"]

_PERCENT = re.compile(r"(\d{1,2}(?:\.\d{1,4})?)%")


class Door(Quirks, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One surface as a row writes it: where, in which dialect, with which auth; quirks are keys beside these."""

    dialect: str = "openai"
    base_url: str
    auth: str = "bearer"
    #: Sent with each request, unless the client sent one of that name and it travels.
    headers: dict[str, str] = {}
    #: The client's headers that travel on, lower case.
    forward: tuple[str, ...] = ()

    @property
    def quirks(self) -> Quirks:
        """The quirk keys alone."""
        return Quirks(**{field: getattr(self, field) for field in Quirks.__struct_fields__})

    @property
    def surface(self) -> Surface:
        """The surface that this door describes."""
        return Surface(
            dialect=self.dialect,
            base_url=self.base_url.rstrip("/"),
            auth=self.auth,
            headers=tuple(sorted(self.headers.items())),
            forward=self.forward,
            quirks=self.quirks,
        )


class Branch(Door, frozen=True, forbid_unknown_fields=True, kw_only=True, rename={"without": "except"}):
    """A further surface, for the models whose names match: shell patterns, lower case."""

    match: tuple[str, ...]
    without: tuple[str, ...] = ()

    def takes(self, model: str) -> bool:
        """Whether this surface serves the model of that name."""
        name = model.lower()
        return _any(name, self.match) and not _any(name, self.without)


class Balance(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a provider tells what is left of a key's money, for free: dotted paths into what is at `url`.

    `currency` is such a path, too, or the currency's code itself.
    """

    url: str
    amount: str
    currency: str


class Row(Door, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything Hybridge knows of a provider. `id` is the name of its file.

    `source` is where the address was read, on `verified_on`; `docs` the vendor's page about the API.
    """

    id: str
    name: str
    kind: Kind = Kind.DIRECT
    tier: Tier = "community"
    source: str
    docs: str = ""
    verified_on: dt.date
    #: Variables that may hold the key; the first that is set wins.
    env: tuple[str, ...] = ()
    key_required: bool = True
    #: Below `base_url`: the list of models, which costs nothing to ask for. Empty: there is none.
    models_path: str = "/models"
    balance: Balance | None = None
    #: Further surfaces; the first that takes a model's name serves it, else the row itself.
    surfaces: tuple[Branch, ...] = ()
    #: Options of the configuration that are sent as headers: option → header.
    options: dict[str, str] = {}
    #: What a gateway adds to list prices, such as `5.5%`.
    fee: str = "0%"
    #: The bill that it reports has the fee in it already.
    reported_includes_fee: bool = False
    #: The provider keeps prompts (`true`), does not (`false`); left out: not known.
    retains_data: bool | None = None
    #: Seconds, over the configured ones: connect, first_token, first_token_reasoning, idle, total.
    timeouts: dict[str, float] = {}
    #: It makes its models itself, so its list prices and capabilities stand in where a gateway's are not known.
    maker: bool = False
    #: Its names of models (`author/model`) are names that clients may use.
    slugs: bool = False
    #: Rows whose models a gateway serves under the same names, though its own list does not show them all.
    resells: tuple[str, ...] = ()
    #: Its ids in the two sources of the catalogue.
    models_dev: str = ""
    genai_prices: str = ""
    #: Names that the sources list but that it does not serve as chat, as shell patterns, lower case.
    unlisted: tuple[str, ...] = ()
    #: What none of its models can do, as names of `Needs` in lower case.
    lacks: tuple[str, ...] = ()
    #: What models can do although the sources deny it: shell pattern → names of `Needs` in lower case.
    adds: dict[str, tuple[str, ...]] = {}

    def can_also(self, model: str) -> Needs:
        """What that model can do beyond what the sources say."""
        named = [need for pattern, needs in self.adds.items() if fnmatchcase(model.lower(), pattern) for need in needs]
        return _needs(named)

    @property
    def lacking(self) -> Needs:
        """What none of its models can do."""
        return _needs(self.lacks)

    @property
    def fee_ppm(self) -> int:
        """The fee in millionths."""
        return percent(self.fee)

    def door(self, model: str) -> Door:
        """The surface that serves a model."""
        return next((branch for branch in self.surfaces if branch.takes(model)), self)

    def key_from(self, environ: Mapping[str, str]) -> str | None:
        """The key that the environment holds, if it does."""
        return next((environ[name] for name in self.env if environ.get(name)), None)


def percent(text: str) -> int:
    """`"5.5%"` in millionths, exact. Raises `ValueError`."""
    found = _PERCENT.fullmatch(text)
    if not found:
        raise ValueError(f"not a percentage: {text!r}; write it as 5.5%")
    whole, _, decimals = found[1].partition(".")
    return int(whole + decimals.ljust(4, "0"))


def parse_row(provider: str, text: str) -> Row:
    """A row from its TOML. Raises `ConfigError` that names the file and the key."""
    # A start whose providers have no row reads none.
    import tomllib

    place = f"rows/{provider}.toml"
    try:
        keys: dict[str, Any] = tomllib.loads(text)
        row = msgspec.convert({"id": provider, **keys}, Row)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as exc:
        raise ConfigError([f"{place}: {exc}"]) from exc
    problems = [f"{place}: {problem}" for problem in _problems(row, keys)]
    if problems:
        raise ConfigError(problems)
    return row


class Rows(Mapping[str, Row]):
    """The rows of a folder by id, sorted; each is read when it is first asked for. Raises `ConfigError` then."""

    def __init__(self, folder: Path) -> None:
        self._files = {file.stem: file for file in sorted(folder.glob("*.toml"), key=lambda file: file.stem)}
        self._read: dict[str, Row] = {}

    def __getitem__(self, provider: str) -> Row:
        row = self._read.get(provider)
        if row is None:
            row = self._read[provider] = parse_row(provider, self._files[provider].read_text("utf-8"))
        return row

    def __contains__(self, provider: object) -> bool:
        return provider in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


@cache
def load_rows() -> Rows:
    """Every row that is shipped."""
    return Rows(Path(__file__).parent / "rows")


def _any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _problems(row: Row, keys: Mapping[str, Any]) -> list[str]:
    problems = []
    if "id" in keys:
        problems.append("id: the name of the file is the id")
    for door in (row, *row.surfaces):
        problems += _problems_of(door)
    if not _PERCENT.fullmatch(row.fee):
        problems.append(f"fee: {row.fee!r} is no percentage such as 5.5%")
    if row.balance is not None and not row.balance.url.startswith("https://"):
        problems.append(f"balance.url: {row.balance.url!r} is no https address")
    if row.key_required and not row.env:
        problems.append("env: names no variable for the key")
    needs = {need.lower() for need in Needs.__members__}
    problems += [f"lacks: no {need!r}" for need in row.lacks if need not in needs]
    problems += [f"adds: no {need!r}" for added in row.adds.values() for need in added if need not in needs]
    problems += [f"timeouts: no {phase!r}" for phase in row.timeouts if phase not in Timeouts.__struct_fields__]
    return problems


def _problems_of(door: Door) -> list[str]:
    problems = []
    if door.dialect not in DIALECTS:
        problems.append(f"dialect: no {door.dialect!r}; there are {', '.join(DIALECTS)}")
    if door.auth not in AUTH:
        problems.append(f"auth: no {door.auth!r}; there are {', '.join(AUTH)}")
    if not door.base_url.startswith(("https://", "http://")):
        problems.append(f"base_url: {door.base_url!r} is no http address")
    problems += [f"forward: {name!r} is not lower case" for name in door.forward if name != name.lower()]
    return problems


def _needs(names: Iterable[str]) -> Needs:
    needs = Needs.NOTHING
    for name in names:
        needs |= Needs[name.upper()]
    return needs

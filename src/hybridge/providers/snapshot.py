"""What is known of models: one generated file per provider below `models/`. `refresh.py` writes them."""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from hybridge.money import Price
from hybridge.types import Limits, Needs

#: USD per million tokens by bucket, as exact decimals.
Figures = dict[str, str]


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """Where facts were taken from."""

    name: str
    version: str
    licence: str
    url: str

    @property
    def label(self) -> str:
        """As prices name it."""
        return f"{self.name}-{self.version}"


class ListPrice(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"since": "from"}):
    """A list price and its source; `since` is the day it begins to hold, if that was still to come.

    `tiers` hold above a number of input tokens.
    """

    source: str
    usd: Figures
    since: dt.date | None = None
    tiers: dict[str, Figures] = {}

    def price(self, where: str, as_of: dt.date) -> Price:
        """The exact price; its id names source, date and `where`."""
        name = f"{self.source}@{self.since or as_of}/{where}"
        base = Price.per_million(name, self.usd)
        tiers = {int(above): Price.per_million(f"{name}>{above}", usd) for above, usd in self.tiers.items()}
        return base.with_tiers(tiers) if tiers else base


class Listed(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A model as a provider lists it: `id` is the provider's name, `name` the catalogue's.

    `can` are names of `Needs` in lower case; `None` where no source says.
    """

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    can: tuple[str, ...] | None = None
    context: int | None = None
    output: int | None = None
    prices: tuple[ListPrice, ...] = ()

    @property
    def limits(self) -> Limits:
        """Context and output in tokens."""
        return Limits(self.context, self.output)

    @property
    def offers(self) -> Needs | None:
        """What the model can do, `None` if no source says."""
        if self.can is None:
            return None
        offers = Needs.STREAMING
        for need in self.can:
            offers |= Needs[need.upper()]
        return offers

    def price_on(self, day: dt.date, where: str, as_of: dt.date) -> Price | None:
        """The price that holds on a day: the latest that has begun."""
        begun = [price for price in self.prices if price.since is None or price.since <= day]
        return begun[-1].price(where, as_of) if begun else None


class Snapshot(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything known of one provider's models on a day."""

    provider: str
    as_of: dt.date
    sources: tuple[Source, ...]
    models: tuple[Listed, ...]


@cache
def load_snapshot(provider: str) -> Snapshot | None:
    """The shipped file of a provider, `None` if there is none."""
    file = Path(__file__).parent / "models" / f"{provider}.json"
    return msgspec.json.decode(file.read_bytes(), type=Snapshot) if file.is_file() else None

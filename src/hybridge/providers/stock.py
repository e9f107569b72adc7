"""The models that a provider lists, found by any of their spellings."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from hybridge.money import Price
from hybridge.providers.names import date_of, spelling
from hybridge.providers.snapshot import Listed, Snapshot


class Entry(Struct, frozen=True):
    """A model as some provider's file lists it; `file` is whose, which a reseller's price id then names."""

    listed: Listed
    file: str
    as_of: dt.date

    def price_on(self, day: dt.date) -> Price | None:
        """The list price of a day."""
        return self.listed.price_on(day, f"{self.file}/{self.listed.id}", self.as_of)


class Found(Struct, frozen=True):
    """An entry, and the provider's own name for what was looked up: its id, or an alias that the provider knows."""

    entry: Entry
    model: str


def entries(snapshot: Snapshot | None) -> list[Entry]:
    """The models of a file."""
    if snapshot is None:
        return []
    return [Entry(listed, snapshot.provider, snapshot.as_of) for listed in snapshot.models]


def spellings(listed: Listed) -> Iterator[tuple[int, str, str]]:
    """Every way to write a model: how inexact it is, the text, and the provider's own name that is meant."""
    for rank, own in enumerate((listed.id, *listed.aliases)):
        late = min(rank, 1)
        yield late, own, own
        yield 2 + late, own.lower(), own
        yield 4 + late, spelling(own), own


class Stock:
    """Entries by spelling. Where two claim one, the more exact wins, then the first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._spelled: dict[str, Found] = {}
        self._named: dict[str, Entry] = {}

    def __repr__(self) -> str:
        return f"<Stock of {len(self.entries)}>"

    def add(self, more: Sequence[Entry]) -> None:
        """Take in entries; earlier ones keep their spellings."""
        self.entries += more
        ways = [(rank, text, Found(entry, own)) for entry in more for rank, text, own in spellings(entry.listed)]
        for _, text, found in sorted(ways, key=lambda way: way[0]):
            self._spelled.setdefault(text, found)
        self._name(more)

    def find(self, model: str) -> Found | None:
        """The entry that a spelling means, the exact one first."""
        found = self._spelled.get(model) or self._spelled.get(model.lower())
        if found is not None:
            return found
        key = spelling(model)
        return self._spelled.get(key) or self.serving(key)

    def serving(self, key: str) -> Found | None:
        """What stands here for the model whose name is spelled `key`: the undated one, else the newest."""
        entry = self._named.get(key)
        return Found(entry, entry.listed.id) if entry else None

    def _name(self, more: Iterable[Entry]) -> None:
        best: dict[str, Entry] = {}
        for entry in more:
            key = spelling(entry.listed.name)
            if key not in best or _standing(entry) > _standing(best[key]):
                best[key] = entry
        self._named = best | self._named


def _standing(entry: Entry) -> tuple[bool, str]:
    date = date_of(entry.listed.id)
    return (not date, date)

"""What the shipped files know, each read when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

from hybridge.providers.names import spelling
from hybridge.providers.row import Row, load_rows
from hybridge.providers.snapshot import Snapshot, load_snapshot
from hybridge.providers.stock import Entry, Stock, entries


class Facts:
    """Rows, and models by provider; other ones than the shipped may be given."""

    def __init__(
        self,
        rows: Mapping[str, Row] | None = None,
        snapshot: Callable[[str], Snapshot | None] = load_snapshot,
    ) -> None:
        self.rows = load_rows() if rows is None else rows
        self._snapshot = snapshot

    def stock(self, row: Row) -> Stock:
        """What a provider lists, then what it resells without listing it."""
        stock = Stock()
        stock.add(entries(self._snapshot(row.id)))
        for maker in row.resells:
            listed = {spelling(entry.listed.name) for entry in stock.entries}
            offered = entries(self._snapshot(maker))
            stock.add([entry for entry in offered if spelling(entry.listed.name) not in listed])
        return stock

    def made(self, model: str) -> Entry | None:
        """A model as its maker lists it."""
        found = self._makers.find(model)
        return found.entry if found else None

    def slug(self, name: str) -> str | None:
        """The spelling of the model that a slug (`author/model`) names."""
        return self._slugs.get(name.lower())

    @cached_property
    def _makers(self) -> Stock:
        stock = Stock()
        for row in self.rows.values():
            if row.maker:
                stock.add(entries(self._snapshot(row.id)))
        return stock

    @cached_property
    def _slugs(self) -> dict[str, str]:
        listed = [entry.listed for row in self.rows.values() if row.slugs for entry in entries(self._snapshot(row.id))]
        return {model.id.lower(): spelling(model.name) for model in listed}

"""Deployments, made when they are first asked for: one object per provider and model for the life of a catalogue."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from hybridge.money import Price
from hybridge.providers.facts import Facts
from hybridge.providers.index import Index
from hybridge.providers.names import bare, spelling, undated
from hybridge.providers.provider import Provider, unknown_keys
from hybridge.providers.settings import ModelSetting
from hybridge.providers.stock import Entry, Found
from hybridge.types import EVERYTHING, Deployment, Kind, Limits, Needs, Timeouts

#: Of the models that clients make up, so many deployments are kept: nobody fills the memory.
MOST_STRAYS = 10_000

#: The dialects that can ask any model for a JSON object.
JSON_DIALECTS = frozenset({"gemini", "openai"})


class _Own(Struct):
    """What the operator says of one deployment."""

    id: str
    price: Price | None = None
    assume_price: Price | None = None
    timeouts: Mapping[str, float] = {}


class Deployments:
    """Makes them of what the provider lists, what its models' makers say, and what the operator wrote over both."""

    def __init__(self, facts: Facts, index: Index, timeouts: Timeouts, day: dt.date) -> None:
        self._facts = facts
        self._index = index
        self._timeouts = timeouts
        self._day = day
        self._models: dict[str, ModelSetting] = {}
        self._own: dict[tuple[str, str], _Own] = {}
        self._kept: dict[tuple[str, str], Deployment] = {}
        self._strays: dict[tuple[str, str], Deployment] = {}

    def __repr__(self) -> str:
        return f"<Deployments: {len(self._kept)} kept, {len(self._strays)} strays>"

    def at(self, provider: Provider, model: str) -> Deployment:
        """The deployment of any model at a provider, by any of its spellings."""
        found = provider.stock.find(model)
        return self._stray(provider, model) if found is None else self.listed(provider, found)

    def listed(self, provider: Provider, found: Found) -> Deployment:
        """The deployment of a model that the provider lists."""
        key = (provider.id, found.model)
        deployment = self._kept.get(key)
        if deployment is None:
            deployment = self._kept[key] = self._make(provider, found.model, found.entry)
        return deployment

    def is_known(self, provider: Provider, model: str) -> bool:
        """Whether the provider lists the model, or the operator wrote it down."""
        return provider.stock.find(model) is not None or (provider.id, model) in self._own

    def learn(self, model: ModelSetting, written: Mapping[str, tuple[Provider, str]]) -> Iterator[str]:
        """Take in what a model's setting says of its deployments, by id; gives the problems with it."""
        place = f"models.{model.name}"
        yield from unknown_keys(f"{place}.timeouts.", model.timeouts, Timeouts.__struct_fields__)
        try:
            _assumed(model, model.name)
        except ValueError as exc:
            yield f"{place}.assume_price: {exc}"
            return
        self._models.setdefault(spelling(model.name), model)
        for deployment_id, (provider, name) in written.items():
            try:
                self._note(model, deployment_id, provider, name)
            except ValueError as exc:
                yield f"{place}.price.{deployment_id}: {exc}"

    def _note(self, model: ModelSetting, deployment_id: str, provider: Provider, name: str) -> None:
        found = provider.stock.find(name)
        key = (provider.id, found.model if found else name)
        own = self._own.setdefault(key, _Own(deployment_id, timeouts=model.timeouts))
        usd = model.price.get(deployment_id)
        if usd is not None and own.price is None:
            own.price = Price.per_million(f"configuration/{deployment_id}", usd)
        if own.assume_price is None:
            own.assume_price = _assumed(model, deployment_id)

    def _stray(self, provider: Provider, model: str) -> Deployment:
        key = (provider.id, model)
        kept = self._kept if key in self._own else self._strays
        deployment = kept.get(key)
        if deployment is None:
            if kept is self._strays and len(kept) >= MOST_STRAYS:
                del kept[next(iter(kept))]
            deployment = kept[key] = self._make(provider, model, None)
        return deployment

    def _make(self, provider: Provider, model: str, entry: Entry | None) -> Deployment:
        made = self._facts.made(model) if provider.kind is Kind.GATEWAY else None
        known = [each for each in (entry, made) if each is not None]
        own = self._own.get((provider.id, model)) or _Own(f"{provider.id}/{model}")
        name = known[0].listed.name if known else self._plain_name(model)
        setting = self._models.get(spelling(name))
        timeouts = {**provider.timeouts, **(setting.timeouts if setting else {}), **own.timeouts}
        surface = provider.surface(model)
        return Deployment(
            id=own.id,
            provider=provider.id,
            model=model,
            name=name,
            kind=provider.kind,
            surface=surface,
            price=own.price or next((price for each in known if (price := each.price_on(self._day))), None),
            terms=provider.terms,
            reported_includes_fee=provider.row.reported_includes_fee,
            offers=(_offers(known, surface.dialect) | provider.row.can_also(model)) & ~provider.row.lacking,
            limits=_limits(known),
            timeouts=replace(self._timeouts, **timeouts),
            assume_price=own.assume_price or (_assumed(setting, own.id) if setting else None),
            retains_data=provider.row.retains_data,
        )

    def _plain_name(self, model: str) -> str:
        key = self._index.key(bare(model))
        return (self._index.name(key) if key else None) or undated(bare(model))


def _assumed(model: ModelSetting, deployment_id: str) -> Price | None:
    return None if model.assume_price is None else Price.per_million(f"assumed/{deployment_id}", model.assume_price)


def _offers(known: Sequence[Entry], dialect: str) -> Needs:
    offers = next((offers for each in known if (offers := each.listed.offers) is not None), EVERYTHING)
    return offers | Needs.JSON_OBJECT if dialect in JSON_DIALECTS else offers


def _limits(known: Sequence[Entry]) -> Limits:
    context = next((each.listed.context for each in known if each.listed.context), None)
    return Limits(context, next((each.listed.output for each in known if each.listed.output), None))

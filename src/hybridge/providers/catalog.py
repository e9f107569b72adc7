"""Models, capabilities, prices, aliases → deployments.

Built once from the rows, the shipped facts and what is configured. A known name is one look-up in a dict.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hybridge.errors import ConfigError
from hybridge.providers.deployments import Deployments
from hybridge.providers.facts import Facts
from hybridge.providers.index import RESERVED, Index
from hybridge.providers.names import cut_suffix, spelling
from hybridge.providers.provider import Provider, configure, near
from hybridge.providers.settings import ModelSetting, ProviderSetting
from hybridge.providers.stock import Found
from hybridge.types import Deployment, Kind, Timeouts

#: So many names are remembered; a catalogue has fewer, but each in many spellings.
MOST_NAMES = 10_000

PASS = "pass:"
DEFAULT_TIMEOUTS = Timeouts()

How = Literal["model", "deployment", "catalogue", "slug", "unknown"]


class Resolved(Struct, frozen=True):
    """What a model's name means: `deployments` in order, then the models of `fallbacks`.

    `first` is the deployment that was asked for by its id; it leads `deployments`. `written`: the operator fixed the
    order. `sort` is what a suffix such as `:floor` asks for: `price` or `throughput`. `how` the name was understood.
    """

    name: str
    deployments: tuple[Deployment, ...]
    how: How
    fallbacks: tuple[str, ...] = ()
    first: Deployment | None = None
    written: bool = False
    policy: str | None = None
    sort: str | None = None


class ModelListing(Struct, frozen=True):
    """A model that can be asked for, and where it is served."""

    name: str
    deployments: tuple[Deployment, ...]


class Catalog:
    """Every model that the configured providers serve.

    `unknown_models` is `gateway`, `reject` or `pass:PROVIDER`; `day` is that of the list prices, today if left out.
    Raises `ConfigError` with every problem. Deployments are interned: one object per provider and model, under the id
    that the operator wrote, else under the provider's own name.
    """

    def __init__(
        self,
        providers: Sequence[ProviderSetting],
        models: Sequence[ModelSetting] = (),
        *,
        unknown_models: str = "gateway",
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        day: dt.date | None = None,
        facts: Facts | None = None,
    ) -> None:
        self._facts = facts or Facts()
        self._unknown_models = unknown_models
        self._models = {model.name: model for model in models}
        self._spelled_models = {spelling(model.name): model for model in models}
        self._resolved: dict[str, Resolved] = {}
        self.providers = self._switch_on(providers)
        self._index = Index(self.providers.values())
        day = day or dt.datetime.now(dt.UTC).date()
        self._deployments = Deployments(self._facts, self._index, timeouts, day)
        self._read(models)

    def __repr__(self) -> str:
        return f"<Catalog of {len(self._index)} models at {len(self.providers)} providers>"

    def resolve(self, name: str) -> Resolved | None:
        """What a client's model name means; `None` if nobody here serves it."""
        found = self._resolved.get(name)
        if found is None:
            found = self._resolve(name)
            if found is not None and found.how != "unknown" and len(self._resolved) < MOST_NAMES:
                self._resolved[name] = found
        return found

    def deployments_of(self, name: str) -> tuple[Deployment, ...]:
        """The deployments of a model in their order; empty if the name is not known."""
        found = self.resolve(name)
        return () if found is None or found.how == "unknown" else found.deployments

    def fallbacks(self, name: str) -> tuple[str, ...]:
        """The models to ask after this one."""
        found = self.resolve(name)
        return found.fallbacks if found else ()

    def deployment(self, deployment_id: str) -> Deployment | None:
        """The deployment of an id: any model of a configured provider has one, whether it is listed or not."""
        provider, model = self._split(deployment_id)
        return None if provider is None else self._deployments.at(provider, model)

    def names(self) -> tuple[str, ...]:
        """Every name of a model: the configured ones, then those of the catalogue."""
        return (*self._models, *(name for name in self._index if name not in self._models))

    def models(self) -> tuple[ModelListing, ...]:
        """Every model and its deployments."""
        found = ((name, self.resolve(name)) for name in self.names())
        return tuple(ModelListing(name, each.deployments) for name, each in found if each is not None)

    def _resolve(self, name: str) -> Resolved | None:
        known = self._known(name)
        if known is not None:
            return known
        shorter, sort = cut_suffix(name)
        known = self._known(shorter) if shorter != name else None
        if known is not None:
            return replace(known, sort=sort)
        if name in RESERVED:
            return None
        stray = self.deployment(name)
        if stray is not None:
            return self._pinned(stray)
        elsewhere = self._elsewhere(name)
        return Resolved(name, elsewhere, "unknown") if elsewhere else None

    def _known(self, name: str) -> Resolved | None:
        model = self._models.get(name)
        if model is not None:
            return self._configured(model)
        provider, rest = self._split(name)
        if provider is not None and self._deployments.is_known(provider, rest):
            return self._pinned(self._deployments.at(provider, rest))
        key = self._index.key(name)
        if key is not None:
            return self._group(key, name, "catalogue")
        key = self._facts.slug(name) if "/" in name else None
        if key is not None and key in self._index:
            return self._group(key, name, "slug")
        return None

    def _configured(self, model: ModelSetting) -> Resolved:
        if model.deployments:
            ids = (self.deployment(deployment_id) for deployment_id in model.deployments)
            deployments = tuple(dict.fromkeys(found for found in ids if found is not None))
        else:
            key = self._index.key(model.name)
            deployments = self._served(key, model.name) if key else self._elsewhere(model.name)
        return Resolved(
            model.name,
            deployments,
            "model",
            fallbacks=model.fallbacks,
            written=bool(model.deployments),
            policy=model.policy,
        )

    def _group(self, key: str, name: str, how: How) -> Resolved:
        model = self._spelled_models.get(key)
        if model is not None:
            return self._configured(model)
        return Resolved(self._index.name(key) or name, self._served(key, name), how)

    def _served(self, key: str, name: str) -> tuple[Deployment, ...]:
        found = ((provider, self._version(provider, key, name)) for provider in self._index.serving(key))
        return tuple(self._deployments.listed(provider, entry) for provider, entry in found if entry is not None)

    @staticmethod
    def _version(provider: Provider, key: str, name: str) -> Found | None:
        """The very version that was asked for where the provider has it, else what stands for the model."""
        found = provider.stock.find(name)
        if found is not None and spelling(found.entry.listed.name) == key:
            return found
        return provider.stock.serving(key)

    def _pinned(self, deployment: Deployment) -> Resolved:
        key = spelling(deployment.name)
        model = self._spelled_models.get(key)
        if model is not None:
            rest = self._configured(model)
        else:
            rest = Resolved(deployment.name, self._served(key, deployment.model), "deployment")
        others = (other for other in rest.deployments if other is not deployment)
        return replace(rest, deployments=(deployment, *others), how="deployment", first=deployment)

    def _elsewhere(self, name: str) -> tuple[Deployment, ...]:
        """Where a model goes that nobody lists, as `unknown_models` says."""
        if self._unknown_models.startswith(PASS):
            provider = self.providers.get(self._unknown_models.removeprefix(PASS))
            return (self._deployments.at(provider, name),) if provider else ()
        if self._unknown_models == "reject":
            return ()
        gateways = (provider for provider in self.providers.values() if provider.kind is Kind.GATEWAY)
        return tuple(self._deployments.at(provider, name) for provider in gateways)

    def _split(self, deployment_id: str) -> tuple[Provider | None, str]:
        provider, _, model = deployment_id.partition("/")
        return (self.providers.get(provider) if model else None), model

    def _switch_on(self, settings: Sequence[ProviderSetting]) -> dict[str, Provider]:
        problems: list[str] = []
        providers: dict[str, Provider] = {}
        for setting in settings:
            row = self._facts.rows.get(setting.id)
            try:
                provider = configure(setting, row)
            except ConfigError as exc:
                problems += exc.problems
                continue
            if row is not None:
                provider.stock = self._facts.stock(row)
            providers[provider.id] = provider
        if problems:
            raise ConfigError(problems)
        return providers

    def _read(self, models: Sequence[ModelSetting]) -> None:
        problems = self._unfit()
        for model in models:
            written = {each: self._split(each) for each in (*model.deployments, *model.price)}
            on = {each: (provider, name) for each, (provider, name) in written.items() if provider is not None}
            problems += self._deployments.learn(model, on)
        if problems:
            raise ConfigError(problems)

    def _unfit(self) -> list[str]:
        rule = self._unknown_models
        passed_to = rule.removeprefix(PASS)
        if rule in ("gateway", "reject") or (rule.startswith(PASS) and passed_to in self.providers):
            return []
        if rule.startswith(PASS):
            return [f"routing.unknown_models: no provider {passed_to!r} is on{near(passed_to, self.providers)}"]
        return [f"routing.unknown_models: {rule!r} is none of gateway, reject, pass:PROVIDER"]

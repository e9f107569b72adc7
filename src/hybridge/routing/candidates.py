"""What the router must be told about models: a name's deployments, and what comes after them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from hybridge.types import Deployment


class Resolved(Protocol):
    """What a model's name stands for.

    `name` is the catalogue's (or the configuration's) name of the model, without suffix. `deployments` stand as they
    were written (`written`), else in the order of `providers`. `first` is the one that was asked for by its id.
    `fallbacks` are names of models, `policy` the model's own. `sort` is what a suffix asks: `price` or `throughput`.
    """

    @property
    def name(self) -> str: ...
    @property
    def deployments(self) -> tuple[Deployment, ...]: ...
    @property
    def written(self) -> bool: ...
    @property
    def first(self) -> Deployment | None: ...
    @property
    def fallbacks(self) -> tuple[str, ...]: ...
    @property
    def policy(self) -> str | None: ...
    @property
    def sort(self) -> str | None: ...


class Candidates(Protocol):
    """The catalogue, as the router sees it. Each deployment is one object for the life of it."""

    def resolve(self, name: str) -> Resolved | None:
        """What `name` stands for; `None` if nobody here knows it."""

    def names(self) -> Iterable[str]:
        """Every name that can be asked for, to tell the nearest one."""

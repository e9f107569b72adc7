"""What holds for every request of one shape, kept: who is a candidate, and who could carry it at all.

A shape is the model asked for, the client's dialect, the features and members used, and the key's list of models. Size,
money, wishes and measurements are looked at for each request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from hybridge.routing.able import Out, Why, forbidden, unfit
from hybridge.routing.budget import LEAST_OUTPUT
from hybridge.routing.candidates import Candidates, Resolved
from hybridge.routing.estimate import NEAR, rough_input
from hybridge.routing.nearest import nearest
from hybridge.routing.policy import SORTS, Policy, Sort
from hybridge.routing.refusal import Outs, not_allowed, unknown_model
from hybridge.types import Deployment, Limits, Plan, Request

#: Shapes kept, and the characters of the names in one; clients choose them, so there are bounds.
_MOST = 1024
_LONGEST = 2000
#: Longer names are like none.
_LONGEST_NAME = 200

_Key = tuple[object, ...]


class Group(Struct, frozen=True):
    """One model's candidates: those that could carry the request, and those that cannot for whatever size it has."""

    name: str
    policy_name: str
    policy: Policy
    deployments: tuple[Deployment, ...]
    outs: tuple[tuple[Deployment, Out], ...]
    written: bool
    first: Deployment | None
    sort: Sort | None


class Shape(Struct):
    """The groups in the order in which they are asked, and the narrowest limits among them.

    `sorts`: a suffix of a name asks for an order by what changes. `plan` is set once it is found to be the same for
    every request of this shape that asks for nothing special.
    """

    groups: tuple[Group, ...]
    limits: Limits
    sorts: bool
    plan: Plan | None = None

    def suffices(self, request: Request) -> bool:
        """Whether no more of a request need be looked at: it has no wish and no budget, and is far from every limit."""
        options, facts, limits = request.options, request.facts, self.limits
        if options.provider is not None or options.budget is not None:
            return False
        room = facts.max_tokens
        if room is None:
            room = LEAST_OUTPUT
        elif limits.output is not None and room > limits.output:
            return False
        return limits.context is None or rough_input(facts) * NEAR <= limits.context - room


class Shapes:
    """Makes shapes and keeps the latest."""

    def __init__(
        self,
        candidates: Candidates,
        policy: str,
        policy_named: Callable[[str], Policy],
        unpriced: Literal["allow", "refuse"],
    ) -> None:
        self._candidates = candidates
        self._policy = policy
        self._policy_named = policy_named
        self._unpriced = unpriced
        self._kept: dict[_Key, Shape] = {}
        self._nearest = lru_cache(maxsize=256)(self._near)

    def of(self, request: Request) -> Shape:
        """The shape of a request. Raises `ModelNotFound`, `NotAllowed`, and `InvalidRequest` for a wrong policy."""
        facts, options = request.facts, request.options
        key = (
            request.model,
            request.dialect,
            facts.needs._value_,
            facts.asks,
            request.allowed,
            options.drop_unsupported,
            options.policy,
            options.models,
        )
        shape = self._kept.get(key)
        if shape is None:
            shape = self._make(request)
            self._keep(key, shape, sum(map(len, (request.model, *facts.asks, *options.models))))
        return shape

    def _keep(self, key: _Key, shape: Shape, characters: int) -> None:
        if characters > _LONGEST:
            return
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[key] = shape

    def _make(self, request: Request) -> Shape:
        resolved = self._candidates.resolve(request.model)
        if resolved is None:
            raise unknown_model(request.model, self._nearest(request.model[:_LONGEST_NAME]))
        seen: set[str] = set()
        groups = [self._group(request, asked, model, seen) for asked, model in self._chain(request, resolved)]
        first = groups[0]
        if request.allowed is not None and not first.deployments and _only_forbidden(first.outs):
            raise not_allowed(request.model, request.allowed)
        return Shape(
            tuple(groups),
            _narrowest(deployment.limits for group in groups for deployment in group.deployments),
            any(group.sort is not None for group in groups),
        )

    def _near(self, name: str) -> list[str]:
        return nearest(name, self._candidates.names())

    def _chain(self, request: Request, resolved: Resolved) -> Iterator[tuple[str, Resolved]]:
        """The model asked for, the request's further ones, then the fallbacks of each. Unknown ones are passed over."""
        chain = [(request.model, resolved)]
        for name in request.options.models:
            further = self._candidates.resolve(name)
            if further is not None:
                chain.append((name, further))
        yield from chain
        for _, model in chain:
            for name in model.fallbacks:
                fallback = self._candidates.resolve(name)
                if fallback is not None:
                    yield name, fallback

    def _group(self, request: Request, asked: str, model: Resolved, seen: set[str]) -> Group:
        candidates = [one for one in _with_first(model) if one.id not in seen]
        seen.update(one.id for one in candidates)
        names = (asked, model.name)
        judged = [
            (one, forbidden(one, request.allowed, names) or unfit(one, request, self._unpriced)) for one in candidates
        ]
        policy = request.options.policy or model.policy or self._policy
        return Group(
            name=model.name,
            policy_name=policy,
            policy=self._policy_named(policy),
            deployments=tuple(one for one, out in judged if out is None),
            outs=tuple((one, out) for one, out in judged if out is not None),
            written=model.written,
            first=model.first,
            sort=next((sort for sort in SORTS if sort == model.sort), None),
        )


def _with_first(model: Resolved) -> tuple[Deployment, ...]:
    first = model.first
    if first is None or first in model.deployments:
        return model.deployments
    return (first, *model.deployments)


def _narrowest(limits: Iterable[Limits]) -> Limits:
    known = list(limits)
    return Limits(
        min((limit.context for limit in known if limit.context is not None), default=None),
        min((limit.output for limit in known if limit.output is not None), default=None),
    )


def _only_forbidden(outs: Outs) -> bool:
    return bool(outs) and all(out.why is Why.KEY for _, out in outs)

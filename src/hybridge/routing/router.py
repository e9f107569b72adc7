"""From a request to a plan: candidates, then who is able, then in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Literal

from msgspec import Struct

from hybridge.errors import GatewayError
from hybridge.money import Money, Rates
from hybridge.money import rates as shipped_rates
from hybridge.routing.able import Out, Why
from hybridge.routing.candidates import Candidates
from hybridge.routing.estimate import Size, rough_size
from hybridge.routing.policies import policy as policy_named
from hybridge.routing.policy import NO_SIGNALS, Able, Policy, Signals
from hybridge.routing.preferences import Wishes
from hybridge.routing.refusal import Outs, nobody_able
from hybridge.routing.screen import Screen
from hybridge.routing.shape import Group, Shape, Shapes
from hybridge.routing.tokens import Splintr
from hybridge.types import Considered, Deployment, Plan, Request, TokenCounter


class Rules(Struct, frozen=True):
    """What the configuration says: the default policy, the threshold of `hybrid`, whether prices must be known."""

    policy: str = "hybrid"
    cheap_below: Money = Money(Decimal(1000), "VND")
    unpriced: Literal["allow", "refuse"] = "allow"


SHIPPED_RULES = Rules()


class Consideration(Struct, frozen=True):
    """What planning found: a `plan`, or the `error` that says why there is none; in both cases whom it considered.

    `considered` stands in the order of the chain; those that are out follow.
    """

    policy: str
    size: Size
    considered: tuple[Considered, ...] = ()
    plan: Plan | None = None
    error: GatewayError | None = None


class Router:
    """Plans requests. Pure; built once for a configuration.

    `candidates` is the catalogue; `counter` counts tokens where something hangs on them; `chance` is for policies that
    draw lots. Raises `InvalidRequest` for a policy that does not exist, `ValueError` for a currency without a rate.
    """

    def __init__(
        self,
        candidates: Candidates,
        *,
        rates: Rates | None = None,
        rules: Rules = SHIPPED_RULES,
        counter: TokenCounter | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self._rates = rates or shipped_rates()
        self._policy = rules.policy
        self._counter = counter or Splintr()
        self._chance = chance or random.Random()
        threshold = self._rates.nano_usd(rules.cheap_below)
        self._shapes = Shapes(candidates, rules.policy, partial(_made, threshold), rules.unpriced)
        _made(threshold, rules.policy)

    def __repr__(self) -> str:
        return f"<Router {self._policy}>"

    def plan(self, request: Request, signals: Signals = NO_SIGNALS) -> Plan:
        """The deployments for a request, best first.

        Raises `ModelNotFound`, `NotAllowed` (`model_not_allowed`), `UnsupportedParameter`, `BudgetExceeded` with
        `details["quote"]`, `Unavailable` (`no_able_deployment`), and `InvalidRequest` for options that are wrong.
        """
        shape = self._shapes.of(request)
        if shape.plan is not None and shape.suffices(request):
            return shape.plan
        found = self._consider(request, shape, signals)
        if found.plan is None:
            assert found.error is not None
            raise found.error
        return found.plan

    def consider(self, request: Request, signals: Signals = NO_SIGNALS) -> Consideration:
        """Plan, and say of every candidate why it is in or out. Raises nothing: the error is in the answer."""
        try:
            return self._consider(request, self._shapes.of(request), signals)
        except GatewayError as error:
            return Consideration(request.options.policy or self._policy, rough_size(request.facts), error=error)

    def known(self, request: Request) -> None:
        """See that the model exists and that the key may use it. Raises `ModelNotFound`, `NotAllowed`."""
        self._shapes.of(request)

    def _consider(self, request: Request, shape: Shape, signals: Signals) -> Consideration:
        idle = shape.suffices(request)
        if idle and shape.plan is not None:
            return Consideration(shape.plan.policy, rough_size(request.facts), shape.plan.considered, shape.plan)
        screen = Screen(request, self._rates, self._counter)
        chain: list[Considered] = []
        outs: list[tuple[Deployment, Out]] = []
        for group in shape.groups[:1] if screen.alone else shape.groups:
            outs += group.outs
            able = group.deployments if idle else _passed(group, screen, outs)
            if able:
                scored = group.policy.order(request, _shown(group, able, screen), signals, self._chance)
                chain += _placed(scored, group.first, screen.wishes)
        if screen.alone and not screen.wishes.order:
            outs += [(one.deployment, _SECOND) for one in chain[1:]]
            del chain[1:]
        found = self._found(request, shape, screen, chain, outs)
        if idle and not (shape.sorts or any(one.scores for one in chain)):
            shape.plan = found.plan
        return found

    def _found(
        self, request: Request, shape: Shape, screen: Screen, chain: Sequence[Considered], outs: Outs
    ) -> Consideration:
        policy = shape.groups[0].policy_name
        considered = (*chain, *[Considered(deployment, out.reason) for deployment, out in outs])
        if not chain:
            error = nobody_able(request.model, outs, request.options.budget, self._rates)
            return Consideration(policy, screen.size, considered, error=error)
        deployments = tuple([one.deployment for one in chain])
        plan = Plan(deployments, policy, considered, clamp=screen.clamp)
        return Consideration(policy, screen.size, considered, plan)


#: What is left of a plan that may have no fallbacks.
_SECOND = Out(Why.PREFERENCE, "another one is first, and provider.allow_fallbacks is false")


def _made(threshold_nano_usd: int, name: str) -> Policy:
    options = {"cheap_below_nano_usd": threshold_nano_usd} if name == "hybrid" else {}
    return policy_named(name, **options)


def _passed(group: Group, screen: Screen, outs: list[tuple[Deployment, Out]]) -> tuple[Deployment, ...]:
    able = []
    for deployment in group.deployments:
        out = screen.out(deployment, group.first)
        if out is None:
            able.append(deployment)
        else:
            outs.append((deployment, out))
    return tuple(able)


def _shown(group: Group, able: tuple[Deployment, ...], screen: Screen) -> Able:
    wishes = screen.wishes
    return Able(
        able,
        group.written,
        screen.usage,
        screen.budget_nano_usd,
        wishes.sort or group.sort,
        wishes.preferred,
    )


def _placed(scored: Sequence[Considered], first: Deployment | None, wishes: Wishes) -> Sequence[Considered]:
    """What the request named comes before what the policy found: `provider.order`, else a deployment by its id."""
    if wishes.order:
        places, last = wishes.order, len(wishes.order)
        return sorted(scored, key=lambda one: places.get(one.deployment.provider.casefold(), last))
    if first is None or scored[0].deployment is first:
        return scored
    return sorted(scored, key=lambda one: one.deployment is not first)

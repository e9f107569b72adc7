"""A plan as a plain record: for `/v1/route/explain`, `hybridge explain` and the ledger."""

from __future__ import annotations

from typing import Any

from hybridge.errors import GatewayError
from hybridge.money import Rates, Usage, cost_nano_usd
from hybridge.routing.able import words_for
from hybridge.routing.estimate import usage_of
from hybridge.routing.router import Consideration
from hybridge.types import Considered, Request


def explain(request: Request, found: Consideration, rates: Rates, currency: str | None = None) -> dict[str, Any]:
    """What was considered and why, ready for JSON. Amounts are in `currency` (the default one), exact, as text.

    `candidates` stand in the order of the chain, those that are out after them; `position` counts from 1. `error` is
    `None` if there is a plan.
    """
    plan, usage = found.plan, usage_of(found.size)
    budget = request.options.budget
    chain = () if plan is None else plan.deployments
    positions = {deployment.id: position for position, deployment in enumerate(chain, 1)}
    return {
        "model": request.model,
        "policy": found.policy,
        "needs": words_for(request.facts.needs),
        "budget": None if budget is None else str(budget),
        "estimate": {
            "input_tokens": found.size.input,
            "output_tokens": found.size.output,
            "counted": found.size.counted,
        },
        "candidates": [
            _candidate(one, positions.get(one.deployment.id), usage, rates, currency) for one in found.considered
        ],
        "chain": [deployment.id for deployment in chain],
        "clamp": {} if plan is None else dict(plan.clamp),
        "error": None if found.error is None else _error(found.error),
    }


def _candidate(
    one: Considered, position: int | None, usage: Usage, rates: Rates, currency: str | None
) -> dict[str, Any]:
    deployment = one.deployment
    price = deployment.price
    cost = None if price is None else cost_nano_usd(price, usage, deployment.terms)
    return {
        "deployment": deployment.id,
        "kind": deployment.kind.value,
        "dialect": deployment.surface.dialect,
        "state": "out" if position is None else "in",
        "position": position,
        "reason": one.reason,
        "scores": dict(one.scores),
        "estimate": None if cost is None else {"nano_usd": cost, "text": rates.text(cost, currency)},
    }


def _error(error: GatewayError) -> dict[str, Any]:
    return {"status": error.status, "code": error.code, "message": error.message, **error.details}

"""What a client is told when nobody is able."""

from __future__ import annotations

from collections.abc import Sequence

from hybridge.errors import BudgetExceeded, GatewayError, ModelNotFound, NotAllowed, Unavailable, UnsupportedParameter
from hybridge.money import Money, Rates, plain
from hybridge.routing.able import Out, Why
from hybridge.types import Deployment

Outs = Sequence[tuple[Deployment, Out]]


def unknown_model(name: str, near: Sequence[str]) -> ModelNotFound:
    """Nobody serves `name`; `near` are names that may have been meant."""
    hint = f"; did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else "; see GET /v1/models"
    return ModelNotFound(f"there is no model `{name[:200]}` here{hint}", param="model", details={"nearest": [*near]})


def not_allowed(name: str, allowed: frozenset[str]) -> NotAllowed:
    """The key's list of models does not hold `name`."""
    return NotAllowed(
        f"this key may not use the model `{name[:200]}`; it may use {', '.join(sorted(allowed)) or 'none'}",
        code="model_not_allowed",
        param="model",
    )


def nobody_able(name: str, outs: Outs, budget: Money | None, rates: Rates) -> GatewayError:
    """The error that helps most: raise the budget, leave a field out, or read why each one is out."""
    short = [(deployment, out) for deployment, out in outs if out.why is Why.BUDGET]
    if short and budget is not None:
        return _too_little(short, budget, rates)
    fields = sorted({field for _, out in outs if out.why is Why.FIELD for field in out.fields})
    reasons = "; ".join(f"{deployment.id}: {out.reason}" for deployment, out in outs)
    if fields:
        return UnsupportedParameter(
            f"no deployment of `{name}` that is able can carry {', '.join(fields)} ({reasons}); "
            "leave it out, or allow dropping it by route.drop_unsupported",
            param=fields[0],
        )
    if not outs:
        return Unavailable(f"no provider that serves `{name}` is configured", code="no_able_deployment")
    return Unavailable(f"no deployment of `{name}` is able: {reasons}", code="no_able_deployment")


def _too_little(short: Outs, budget: Money, rates: Rates) -> BudgetExceeded:
    deployment, out = min(short, key=lambda pair: pair[1].quote_nano_usd)
    amount = plain(rates.amount(out.quote_nano_usd, budget.currency))
    quote = {
        "amount": float(amount),
        "currency": budget.currency,
        "deployment": deployment.id,
        "text": f"{amount} {budget.currency}",
    }
    return BudgetExceeded(
        f"the budget of {budget} fits no able deployment; the cheapest is {deployment.id} at about {quote['text']}",
        param="route.budget",
        details={"quote": quote},
    )

"""Deployments in words and figures, as commands and the control plane show them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hybridge.money import BUCKETS, NANO, Price, plain
from hybridge.types import EVERYTHING, Deployment, Needs

#: From femto-USD per token to USD per million tokens.
_FEMTO_PER_TOKEN = 10**9


def capabilities(offers: Needs) -> list[str]:
    """`["vision", "tools"]`; `["unknown"]` where the catalogue knows nothing and Hybridge lets everything through."""
    if offers == EVERYTHING:
        return ["unknown"]
    return [str(need.name).lower() for need in Needs if need and need in offers]


def price_text(price: Price | None) -> str:
    """`0.15/0.6`, USD per million tokens, input and output."""
    return "unpriced" if price is None else f"{_usd(price.input)}/{_usd(price.output)}"


def price_usd(price: Price | None) -> dict[str, str] | None:
    """USD per million tokens by bucket, exact, and USD per request; `None` where the price is unknown."""
    if price is None:
        return None
    usd = {bucket: _usd(getattr(price, bucket)) for bucket in BUCKETS}
    return {**usd, "per_request": plain(Decimal(price.per_request) / NANO), "id": price.id}


def deployment_record(deployment: Deployment) -> dict[str, Any]:
    """A deployment as JSON shows it."""
    return {
        "deployment": deployment.id,
        "provider": deployment.provider,
        "kind": deployment.kind.value,
        "dialect": deployment.surface.dialect,
        "context": deployment.limits.context,
        "output": deployment.limits.output,
        "price_usd_per_million": price_usd(deployment.price),
        "fee_ppm": deployment.terms.fee_ppm,
        "capabilities": capabilities(deployment.offers),
    }


def _usd(femto_per_token: int) -> str:
    return plain(Decimal(femto_per_token) / _FEMTO_PER_TOKEN)

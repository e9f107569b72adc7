"""What an attempt cost, and how that is known."""

from __future__ import annotations

from msgspec.structs import replace

from hybridge.money import Usage, cost_nano_usd, reported_cost_nano_usd
from hybridge.types import Attempt, CostSource, Deployment


def settle(attempt: Attempt, deployment: Deployment, estimate: Usage | None = None) -> None:
    """Fill in what the attempt cost: `price_id`, `cost_nano_usd`, `cost_source`.

    `estimate` is what it consumed where it was cut short (see `cut_short`); it becomes the attempt's usage. The
    provider's own bill wins over the price. A failure that consumed nothing costs nothing; a success of which nobody
    says what it consumed is unpriced.
    """
    estimated = estimate is not None
    if estimate is not None:
        attempt.usage = estimate
    usage = attempt.usage
    if usage is None:
        nothing = bool(attempt.error_class)
        attempt.cost_nano_usd, attempt.cost_source = (0, "") if nothing else (None, "unpriced")
    else:
        attempt.cost_nano_usd, attempt.cost_source = cost_of(usage, deployment, estimated=estimated)
        attempt.price_id = deployment.price.id if deployment.price else ""


def cost_of(usage: Usage, deployment: Deployment, *, estimated: bool = False) -> tuple[int | None, CostSource]:
    """What that usage costs at that deployment in nano-USD, fee and discount included, and the source of the figure."""
    if usage.reported_nano_usd is not None:
        if deployment.reported_includes_fee:
            return usage.reported_nano_usd, "provider"
        return reported_cost_nano_usd(usage.reported_nano_usd, deployment.terms), "provider"
    if deployment.price is None:
        return None, "unpriced"
    return cost_nano_usd(deployment.price, usage, deployment.terms), "estimated" if estimated else "computed"


def cut_short(seen: Usage | None, prompt_tokens: int, output_tokens: int) -> Usage:
    """What a call consumed that ended early: the whole prompt, and the output that was counted until then.

    Buckets that the provider had reported by then (`seen`) stand where they say more.
    """
    if seen is None:
        return Usage(input=prompt_tokens, output=output_tokens)
    if not seen.prompt_tokens:
        seen = replace(seen, input=prompt_tokens)
    if seen.completion_tokens < output_tokens:
        seen = replace(seen, output=output_tokens - seen.reasoning - seen.audio_output)
    return seen

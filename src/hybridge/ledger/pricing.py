"""What an attempt cost, and how that is known."""

from __future__ import annotations

from msgspec.structs import replace

from hybridge.money import NANO, Usage, cost_nano_usd, reported_cost_nano_usd
from hybridge.types import Attempt, CostSource, Deployment

#: A million USD for one call is no bill but nonsense of the provider's; sums of less stay exact in the database.
MOST_NANO_USD = 1_000_000 * NANO


def settle(attempt: Attempt, deployment: Deployment, estimate: Usage | None = None) -> None:
    """Fill in what the attempt cost: `price_id`, `cost_nano_usd`, `cost_source`.

    `estimate` is what it consumed where it was cut short (see `cut_short`); it becomes the attempt's usage. The
    provider's own bill wins over the price. A failure that consumed nothing costs nothing; a success of which nobody
    says what it consumed is unpriced, and so is one that would cost more than anything does, or less than nothing.
    """
    usage = attempt.usage
    price = deployment.price
    if estimate is not None:
        usage = attempt.usage = estimate
    if usage is None:
        nothing = bool(attempt.error_class)
        attempt.cost_nano_usd, attempt.cost_source = (0, "") if nothing else (None, "unpriced")
        return
    if price is not None:
        attempt.price_id = price.id
        if estimate is None and usage.reported_nano_usd is None:
            # What `cost_of` would say, said straight: nearly every attempt is of this kind.
            attempt.cost_nano_usd = cost_nano_usd(price, usage, deployment.terms)
            attempt.cost_source = "computed"
            if attempt.cost_nano_usd > MOST_NANO_USD:
                _disbelieve(attempt)
            return
    attempt.cost_nano_usd, attempt.cost_source = cost_of(usage, deployment, estimated=estimate is not None)
    if attempt.cost_nano_usd is not None and not 0 <= attempt.cost_nano_usd <= MOST_NANO_USD:
        _disbelieve(attempt)


def _disbelieve(attempt: Attempt) -> None:
    attempt.usage = None
    attempt.cost_nano_usd, attempt.cost_source = None, "unpriced"


def cost_of(usage: Usage, deployment: Deployment, *, estimated: bool = False) -> tuple[int | None, CostSource]:
    """What that usage costs at that deployment in nano-USD, fee and discount included, and the source of the figure."""
    reported = usage.reported_nano_usd
    if reported is not None:
        if not deployment.reported_includes_fee:
            reported = reported_cost_nano_usd(reported, deployment.terms)
        return reported, "provider"
    price = deployment.price
    if price is None:
        return None, "unpriced"
    return cost_nano_usd(price, usage, deployment.terms), "estimated" if estimated else "computed"


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

"""Whether a request's own budget covers a deployment, and how far the output must be clamped for that."""

from __future__ import annotations

from bisect import bisect_right

from msgspec import Struct

from hybridge.money import Price, Usage, cost_nano_usd
from hybridge.routing.estimate import Size
from hybridge.types import Deployment, Limits

#: Room for fewer tokens than this is no room for an answer.
LEAST_OUTPUT = 16

#: What a model is taken to give at most where nobody says, and a limit that every provider accepts.
UNKNOWN_OUTPUT = 32_768
ACCEPTED_OUTPUT = 4_096
#: No model gives more, whatever is asked for.
MOST_OUTPUT = 1_000_000_000


class Fit(Struct, frozen=True):
    """How a budget fits. `clamp` is the output it leaves room for, `None` if it covers all there can be.

    `quote_nano_usd` covers the input and an answer of the expected length: a budget of it would be admitted.
    """

    admitted: bool
    quote_nano_usd: int
    clamp: int | None = None


def price_under_budget(deployment: Deployment) -> Price | None:
    """The price that a budget reckons with: the known one, else the assumed one."""
    return deployment.price if deployment.price is not None else deployment.assume_price


def fit(deployment: Deployment, price: Price, size: Size, max_tokens: int | None, budget_nano_usd: int) -> Fit:
    """Compare the upper bound of the cost with a budget, and clamp the output where that helps.

    The bound is the counted input plus `max_tokens`, or what the model can give where none was asked.
    """

    def bound(output: int) -> int:
        return cost_nano_usd(price, _dearest(price, size, output), deployment.terms)

    most = min(max_tokens, MOST_OUTPUT) if max_tokens is not None else _most(deployment.limits, size.input)
    quote = bound(min(size.output, most))
    if bound(most) <= budget_nano_usd:
        return Fit(True, quote)
    room = bisect_right(range(most + 1), budget_nano_usd, key=bound) - 1
    if max_tokens is None and deployment.limits.output is None:
        room = min(room, ACCEPTED_OUTPUT)
    return Fit(room >= LEAST_OUTPUT, quote, room)


def _most(limits: Limits, tokens_in: int) -> int:
    """Output tokens that a model can give after an input of that size."""
    most = UNKNOWN_OUTPUT if limits.output is None else limits.output
    if limits.context is not None:
        most = min(most, max(limits.context - tokens_in, LEAST_OUTPUT))
    return most


def _dearest(price: Price, size: Size, output: int) -> Usage:
    """Every token in the dearest bucket that it may be billed in."""
    at = price.at(size.input)
    written = {"": at.input, "5m": at.cache_write, "1h": at.cache_write_1h}[size.cache]
    if written <= at.input:
        into = {"input": size.input}
    else:
        into = {"cache_write_1h" if size.cache == "1h" else "cache_write": size.input}
    out = {"reasoning" if at.reasoning > at.output else "output": output}
    return Usage(**into, **out)

"""What an attempt cost, and how that is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hybridge.ledger.pricing import cost_of, cut_short, settle
from hybridge.money import Price, Terms, Usage
from hybridge.types import Attempt

from .records import PRICE, deployment

FEE = Terms(fee_ppm=55_000)
tokens = st.integers(0, 10**7)


def tried(usage: Usage | None = None, error: str = "") -> Attempt:
    return Attempt("house/mini", "house", "direct", usage=usage, error_class=error)


def test_an_answer_is_computed_at_the_price() -> None:
    attempt = tried(Usage(input=2, output=30))
    settle(attempt, deployment())
    assert (attempt.cost_nano_usd, attempt.cost_source) == (18_300, "computed")
    assert attempt.price_id == PRICE.id


def test_the_providers_own_bill_wins() -> None:
    usage = Usage(input=2, output=30, reported_nano_usd=20_000)
    assert cost_of(usage, deployment()) == (20_000, "provider")
    assert cost_of(usage, deployment(terms=FEE)) == (21_100, "provider")
    assert cost_of(usage, deployment(terms=FEE, includes_fee=True)) == (20_000, "provider")
    assert cost_of(usage, deployment(price=None)) == (20_000, "provider")
    attempt = tried(usage)
    settle(attempt, deployment(price=None))
    assert (attempt.cost_nano_usd, attempt.price_id) == (20_000, "")


def test_a_fee_is_on_a_computed_cost() -> None:
    assert cost_of(Usage(input=2, output=30), deployment(terms=FEE)) == (19_306, "computed")  # 19306.5 to even


@given(
    st.builds(Usage, input=tokens, output=tokens, reported_nano_usd=st.none() | tokens),
    st.sampled_from([PRICE, None]),
    st.sampled_from([Terms(), FEE]),
    st.booleans(),
)
def test_an_attempt_costs_what_its_usage_costs(
    usage: Usage, price: Price | None, terms: Terms, estimated: bool
) -> None:
    asked = deployment(price=price, terms=terms)
    attempt = tried(None if estimated else usage)
    settle(attempt, asked, usage if estimated else None)
    assert (attempt.cost_nano_usd, attempt.cost_source) == cost_of(usage, asked, estimated=estimated)
    assert (attempt.usage, attempt.price_id) == (usage, price.id if price else "")


@given(tokens, tokens)
def test_unpriced_is_never_zero(prompt: int, output: int) -> None:
    attempt = tried(Usage(input=prompt, output=output))
    settle(attempt, deployment(price=None))
    assert (attempt.cost_nano_usd, attempt.cost_source) == (None, "unpriced")


def test_a_failure_that_consumed_nothing_costs_nothing() -> None:
    for price in (PRICE, None):
        attempt = tried(error="connect_failed")
        settle(attempt, deployment(price=price))
        assert (attempt.cost_nano_usd, attempt.cost_source, attempt.price_id) == (0, "", "")


def test_a_failure_that_consumed_something_costs_it() -> None:
    attempt = tried(Usage(input=2, output=30), error="truncated")
    settle(attempt, deployment())
    assert (attempt.cost_nano_usd, attempt.cost_source) == (18_300, "computed")


def test_an_answer_of_unknown_usage_is_unpriced() -> None:
    attempt = tried()
    settle(attempt, deployment())
    assert (attempt.cost_nano_usd, attempt.cost_source) == (None, "unpriced")


def test_a_call_that_was_cut_short_is_estimated() -> None:
    attempt = tried(error="truncated")
    settle(attempt, deployment(), cut_short(None, 2, 30))
    assert (attempt.cost_nano_usd, attempt.cost_source) == (18_300, "estimated")
    assert attempt.usage == Usage(input=2, output=30)
    unknown = tried(error="truncated")
    settle(unknown, deployment(price=None), cut_short(None, 2, 30))
    assert (unknown.cost_nano_usd, unknown.cost_source) == (None, "unpriced")


@given(tokens, tokens, tokens, tokens, tokens, tokens)
def test_an_estimate_is_never_below_what_was_seen(
    prompt: int, cached: int, output: int, reasoning: int, counted_prompt: int, counted: int
) -> None:
    seen = Usage(input=prompt, cache_read=cached, output=output, reasoning=reasoning)
    estimate = cut_short(seen, counted_prompt, counted)
    assert estimate.completion_tokens == max(seen.completion_tokens, counted)
    assert estimate.prompt_tokens == (seen.prompt_tokens or counted_prompt)
    assert (estimate.cache_read, estimate.reasoning) == (cached, reasoning)

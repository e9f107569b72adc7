"""A request's own budget: who is admitted, how far the output is clamped, and the quote when nobody is."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import BudgetExceeded, InvalidRequest, Unavailable
from hybridge.money import NANO, Money, Usage, cost_nano_usd
from hybridge.routing.budget import LEAST_OUTPUT, fit
from hybridge.routing.estimate import Size
from hybridge.types import Deployment, Limits
from tests.routing.scene import CHEAP, DIRECT, HAIKU, RESOLD, catalogue, deployment, ids, reasons, request, router, vnd

#: What `Hello` costs at most at DIRECT: 7 tokens in, 16,384 out.
WHOLE = 7 * 150 + 16_384 * 600


def usd(nano_usd: int) -> str:
    return f"{Decimal(nano_usd) / NANO:f} USD"


def test_a_budget_over_the_bound_admits_unclamped() -> None:
    plan = router(catalogue(DIRECT)).plan(request(budget=usd(WHOLE)))
    assert (ids(plan.deployments), plan.clamp) == ([DIRECT.id], {})


def test_a_budget_under_the_bound_clamps_the_output() -> None:
    plan = router(catalogue(DIRECT)).plan(request(budget=usd(WHOLE - 1)))
    assert plan.clamp == {DIRECT.id: 16_383}
    assert router(catalogue(DIRECT)).plan(request(budget=usd(1050 + 16 * 600))).clamp == {DIRECT.id: 16}


def test_the_bound_is_max_tokens_where_it_was_given() -> None:
    assert router(catalogue(DIRECT)).plan(request(max_tokens=100, budget=usd(1050 + 100 * 600))).clamp == {}
    assert router(catalogue(DIRECT)).plan(request(max_tokens=100, budget=usd(1050 + 40 * 600))).clamp == {DIRECT.id: 40}


def test_a_short_answer_that_was_asked_for_fits_a_shorter_budget() -> None:
    assert router(catalogue(DIRECT)).plan(request(max_tokens=5, budget=usd(1050 + 5 * 600))).clamp == {}
    with pytest.raises(BudgetExceeded):
        router(catalogue(DIRECT)).plan(request(max_tokens=5, budget=usd(1050 + 5 * 600 - 1)))


def test_room_for_too_few_tokens_does_not_fit() -> None:
    with pytest.raises(BudgetExceeded) as told:
        router(catalogue(DIRECT, RESOLD, CHEAP)).plan(request(budget=usd(7 * 100 + 15 * 400)))
    assert (told.value.status, told.value.code, told.value.param) == (402, "budget_exceeded", "route.budget")
    quote = told.value.details["quote"]
    assert quote == {
        "amount": float(Decimal(7 * 100 + 512 * 400) / NANO),
        "currency": "USD",
        "deployment": CHEAP.id,
        "text": f"{Decimal(7 * 100 + 512 * 400) / NANO} USD",
    }


def test_the_quote_is_in_the_budgets_currency() -> None:
    with pytest.raises(BudgetExceeded, match=r"the cheapest is aihubmix/gpt-4o-mini at about 5\.404") as told:
        router(catalogue(DIRECT, CHEAP)).plan(request(budget="0.001 VND"))
    assert told.value.details["quote"]["text"] == f"{vnd(7 * 100 + 512 * 400)} VND".rstrip("0")


def test_those_a_budget_does_not_fit_are_out_and_a_fallback_may_fit() -> None:
    dear = deployment("dear/model", price=("100", "900"))
    found = router(catalogue(dear, fallbacks=("claude-3-haiku",))).consider(request(budget="20 VND"))
    assert found.plan is not None
    assert found.plan.deployments[0] is HAIKU
    assert reasons(found) == {"dear/model": "it costs about 12137.45 VND, and the budget is 20 VND"}


def test_the_fee_counts() -> None:
    budget = usd(1050 + 1000 * 600)
    assert router(catalogue(RESOLD)).plan(request(budget=budget)).clamp[RESOLD.id] < 1000


def test_unpriced_needs_an_assumed_price() -> None:
    unpriced = deployment("vague/model", price=None)
    with pytest.raises(Unavailable, match="assume_price would let it in"):
        router(catalogue(unpriced)).plan(request(budget="1 USD"))
    assumed = deployment("assumed/model", price=None, assume=("0.15", "0.60"))
    plan = router(catalogue(unpriced, assumed, CHEAP)).plan(request(budget=usd(WHOLE - 1)))
    assert (ids(plan.deployments), plan.clamp) == ([CHEAP.id, "assumed/model"], {"assumed/model": 16_383})


def test_a_model_whose_limit_nobody_knows_is_clamped_to_what_every_provider_accepts() -> None:
    vague = deployment("vague/model", limits=Limits())
    assert router(catalogue(vague)).plan(request(budget=usd(1050 + 32_768 * 600))).clamp == {}
    assert router(catalogue(vague)).plan(request(budget=usd(1050 + 32_767 * 600))).clamp == {"vague/model": 4_096}
    assert router(catalogue(vague)).plan(request(budget=usd(1050 + 100 * 600))).clamp == {"vague/model": 100}


def test_a_model_gives_no_more_than_its_context_has_room_for() -> None:
    narrow = deployment("narrow/model", limits=Limits(context=1_007))
    assert router(catalogue(narrow)).plan(request(budget=usd(1050 + 1_000 * 600))).clamp == {}


def test_an_answer_that_costs_nothing_is_not_clamped() -> None:
    free = deployment("free/model", price=("0.15", "0"))
    assert router(catalogue(free)).plan(request(budget=usd(1050))).clamp == {}
    with pytest.raises(BudgetExceeded):
        router(catalogue(free)).plan(request(budget=usd(1049)))


def test_a_request_is_decoded_once() -> None:
    asked = request(budget="1 USD")
    router(catalogue(DIRECT)).plan(asked)
    decoded = asked.chat
    router(catalogue(DIRECT)).plan(asked)
    assert asked.chat is decoded is not None


def test_a_zero_budget_fits_what_is_free() -> None:
    free = deployment("free/model", price=("0", "0"))
    assert ids(router(catalogue(DIRECT, free)).plan(request(budget="0 VND")).deployments) == ["free/model"]


def test_what_will_be_written_to_a_cache_is_reckoned_at_its_price() -> None:
    from hybridge.money import Price

    price = Price.per_million("p", {"input": 1, "cache_write": "1.25", "cache_write_1h": 2, "output": 1})
    for mark, factor in (("", 1_000), ("5m", 1_250), ("1h", 2_000)):
        assert fit(DIRECT, price, Size(100, 10, True, mark), 10, 0).quote_nano_usd == 100 * factor + 10_000


def test_reasoning_is_reckoned_where_it_is_dearer() -> None:
    from hybridge.money import Price

    price = Price.per_million("p", {"input": 0, "output": 1, "reasoning": 4})
    assert fit(DIRECT, price, Size(100, 10), 10, 0).quote_nano_usd == 40_000


def test_a_currency_without_a_rate() -> None:
    with pytest.raises(InvalidRequest, match="no rate for CHF") as told:
        router(catalogue(DIRECT)).plan(request(budget="1 CHF"))
    assert told.value.param == "route.budget"


deployments = st.builds(
    lambda number, i, o, fee, limit, kind: deployment(
        f"p{number}/m",
        kind,
        price=(str(Decimal(i) / 1000), str(Decimal(o) / 1000)),
        fee_ppm=fee,
        limits=Limits(output=limit),
    ),
    st.integers(0, 10**6),
    st.integers(0, 100_000),
    st.integers(0, 100_000),
    st.integers(0, 300_000),
    st.one_of(st.none(), st.integers(1, 100_000)),
    st.sampled_from(["direct", "gateway"]),
)
several = st.lists(deployments, min_size=1, max_size=6, unique_by=lambda one: one.id)
budgets = st.integers(0, 10**9)


@given(several, budgets, st.one_of(st.none(), st.integers(1, 100_000)))
def test_what_is_admitted_cannot_cost_more_than_the_budget(
    able: list[Deployment], budget: int, max_tokens: int | None
) -> None:
    found = router(catalogue(*able)).consider(request(budget=usd(budget), max_tokens=max_tokens))
    for one in found.plan.deployments if found.plan else ():
        assert found.plan is not None and one.price is not None
        asked = max_tokens if max_tokens is not None else (one.limits.output or 32_768)
        clamp = found.plan.clamp.get(one.id)
        assert clamp is None or min(LEAST_OUTPUT, asked) <= clamp < asked
        most = Usage(input=found.size.input, output=asked if clamp is None else clamp)
        assert cost_nano_usd(one.price, most, one.terms) <= budget


@given(several, budgets, budgets)
def test_a_larger_budget_admits_no_fewer(able: list[Deployment], one: int, other: int) -> None:
    route = router(catalogue(*able))
    small, large = (
        {each.id: (found.plan.clamp.get(each.id, 10**9)) for each in found.plan.deployments} if found.plan else {}
        for found in (route.consider(request(budget=usd(budget))) for budget in sorted((one, other)))
    )
    assert all(large.get(name, 0) >= clamp for name, clamp in small.items())


@given(several, st.one_of(st.none(), st.integers(1, 10_000)))
def test_the_quote_is_the_least_that_anybody_wants_and_is_admitted(
    able: list[Deployment], max_tokens: int | None
) -> None:
    route = router(catalogue(*able))
    found = route.consider(request(budget="0 USD", max_tokens=max_tokens))
    if not isinstance(found.error, BudgetExceeded):
        return
    quote = found.error.details["quote"]
    quotes = {}
    for one in able:
        if max_tokens is None or one.limits.output is None or max_tokens <= one.limits.output:
            assert one.price is not None
            output = min(512, max_tokens or 512, one.limits.output or 512)
            quotes[one.id] = cost_nano_usd(one.price, Usage(input=found.size.input, output=output), one.terms)
    assert quotes[quote["deployment"]] == min(quotes.values())
    again = route.plan(request(budget=quote["text"], max_tokens=max_tokens))
    assert quote["deployment"] in ids(again.deployments)


def test_a_budget_is_an_amount_of_money() -> None:
    assert request(budget="1_000 vnd").options.budget == Money(Decimal(1000), "VND")

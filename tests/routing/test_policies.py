"""In which order each policy puts those that are able."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.errors import InvalidRequest
from hybridge.routing.policies import NAMES, policy
from hybridge.routing.policy import Signal
from hybridge.types import Deployment, Needs
from tests.routing.scene import (
    CHEAP,
    DIRECT,
    HAIKU,
    RESOLD,
    RESOLD_HAIKU,
    catalogue,
    deployment,
    ids,
    request,
    router,
)

UNPRICED = deployment("vague/gpt-4o-mini", "gateway", price=None)
OWN = deployment("mine/gpt-4o-mini", price=("0.05", "0.05"))


def order(
    *deployments: Deployment, rules: dict[str, Any] | None = None, written: bool = False, **asked: Any
) -> list[str]:
    route = router(catalogue(*deployments, written=written), **(rules or {}))
    signals = asked.pop("signals", {})
    return ids(route.plan(request(**asked), signals).deployments)


def test_hybrid_1_a_small_budget_goes_to_the_cheapest_direct_or_not() -> None:
    assert order(DIRECT, RESOLD, CHEAP, budget="999 VND") == [CHEAP.id, DIRECT.id, RESOLD.id]
    assert order(RESOLD, DIRECT, CHEAP, written=True, budget="0.03 USD") == [CHEAP.id, DIRECT.id, RESOLD.id]
    assert order(DIRECT, CHEAP, budget="999 VND", needs=Needs.TOOLS | Needs.VISION) == [CHEAP.id, DIRECT.id]


def test_hybrid_1_holds_below_the_threshold_not_at_it() -> None:
    assert order(DIRECT, CHEAP, budget="1000 VND") == [DIRECT.id, CHEAP.id]
    assert order(DIRECT, CHEAP, budget="999.9 VND") == [CHEAP.id, DIRECT.id]
    assert order(DIRECT, CHEAP, budget="1 USD") == [DIRECT.id, CHEAP.id]


def test_hybrid_1_uses_the_configured_threshold() -> None:
    from hybridge.money import Money

    rules = {"cheap_below": Money.parse("2 USD")}
    assert order(DIRECT, CHEAP, rules=rules, budget="1 USD") == [CHEAP.id, DIRECT.id]
    assert order(DIRECT, CHEAP, rules={"cheap_below": Money.parse("0 VND")}, budget="500 VND") == [DIRECT.id, CHEAP.id]


@pytest.mark.parametrize("needs", [Needs.VISION, Needs.TOOLS, Needs.VISION | Needs.TOOLS | Needs.STREAMING])
@pytest.mark.parametrize("sort", ["price", "throughput", "latency"])
def test_hybrid_2_with_images_or_tools_nothing_measured_puts_a_gateway_first(needs: Needs, sort: str) -> None:
    quick = {CHEAP.id: Signal({"p50": 0.1}, {"p50": 900.0}), DIRECT.id: Signal({"p50": 9.0}, {"p50": 1.0})}
    wishes = {"sort": sort, "preferred_max_latency": 1}
    assert order(CHEAP, DIRECT, needs=needs, provider=wishes, signals=quick) == [DIRECT.id, CHEAP.id]
    assert order(CHEAP, DIRECT, provider=wishes, signals=quick) == [CHEAP.id, DIRECT.id]


def test_hybrid_3_direct_first_then_gateways_each_by_cost() -> None:
    assert order(UNPRICED, RESOLD, CHEAP, DIRECT, OWN) == [OWN.id, DIRECT.id, CHEAP.id, RESOLD.id, UNPRICED.id]


def test_hybrid_3_inside_a_group_the_written_order_holds() -> None:
    assert order(RESOLD, DIRECT, CHEAP, OWN, written=True) == [DIRECT.id, OWN.id, RESOLD.id, CHEAP.id]


def test_hybrid_3_of_equal_cost_the_order_of_providers_holds() -> None:
    twin = deployment("twin/gpt-4o-mini")
    assert order(DIRECT, twin) == [DIRECT.id, twin.id]
    assert order(twin, DIRECT) == [twin.id, DIRECT.id]


def test_hybrid_4_a_model_that_only_gateways_have() -> None:
    assert order(RESOLD, CHEAP) == [CHEAP.id, RESOLD.id]


def test_fallback_models_follow_each_by_the_same_rules() -> None:
    names = catalogue(CHEAP, DIRECT, fallbacks=("claude-3-haiku",))
    assert ids(router(names).plan(request()).deployments) == [DIRECT.id, CHEAP.id, HAIKU.id, RESOLD_HAIKU.id]


def test_cheapest_counts_fees_and_this_requests_own_mix_of_tokens() -> None:
    assert order(RESOLD, DIRECT, policy="cheapest") == [DIRECT.id, RESOLD.id]
    wordy = deployment("in/model", price=("0.01", "3.00"))
    terse = deployment("out/model", price=("1.00", "0.30"))
    assert order(wordy, terse, policy="cheapest", text="Hi") == ["out/model", "in/model"]
    assert order(wordy, terse, policy="cheapest", text="word " * 20_000) == ["in/model", "out/model"]
    assert order(wordy, terse, policy="cheapest", text="word " * 200, max_tokens=5) == ["in/model", "out/model"]


def test_cheapest_puts_what_has_no_price_last_and_says_so() -> None:
    plan = router(catalogue(UNPRICED, DIRECT)).plan(request(policy="cheapest"))
    assert ids(plan.deployments) == [DIRECT.id, UNPRICED.id]
    assert plan.considered[1].scores == {"unpriced": 1.0}
    assert plan.considered[0].scores == {"cost_nano_usd": plan.considered[0].estimate_nano_usd}


def test_priority_keeps_what_is_written() -> None:
    assert order(RESOLD, CHEAP, DIRECT, policy="priority") == [RESOLD.id, CHEAP.id, DIRECT.id]
    assert order(RESOLD, CHEAP, DIRECT, policy="priority", needs=Needs.TOOLS) == [RESOLD.id, CHEAP.id, DIRECT.id]


@pytest.mark.parametrize("chosen", ["hybrid", "priority"])
def test_a_suffix_sorts(chosen: str) -> None:
    def plan(sort: str, signals: dict[str, Signal]) -> list[str]:
        names = catalogue(DIRECT, RESOLD, CHEAP, sort=sort, written=True)
        return ids(router(names, policy=chosen).plan(request(), signals).deployments)

    fast = {RESOLD.id: Signal(throughput={"p50": 90.0}), CHEAP.id: Signal(throughput={"p50": 30.0})}
    assert plan("price", {}) == [CHEAP.id, DIRECT.id, RESOLD.id]
    assert plan("throughput", fast) == [RESOLD.id, CHEAP.id, DIRECT.id]
    assert plan("throughput", {}) == [DIRECT.id, RESOLD.id, CHEAP.id]


def test_a_sorted_plan_is_not_kept_when_measurements_come() -> None:
    route = router(catalogue(DIRECT, CHEAP, sort="throughput", written=True))
    assert ids(route.plan(request()).deployments) == [DIRECT.id, CHEAP.id]
    measured = {CHEAP.id: Signal(throughput={"p50": 90.0})}
    assert ids(route.plan(request(), measured).deployments) == [CHEAP.id, DIRECT.id]


def test_an_order_by_cost_is_made_for_each_request() -> None:
    wordy, terse = deployment("in/model", price=("0.01", "3.00")), deployment("out/model", price=("1.00", "0.30"))
    route = router(catalogue(wordy, terse))
    assert ids(route.plan(request()).deployments) == ["out/model", "in/model"]
    assert ids(route.plan(request(text="word " * 20_000)).deployments) == ["in/model", "out/model"]


def test_latency_is_measured_to_the_first_token() -> None:
    measured = {DIRECT.id: Signal({"p50": 0.9}), RESOLD.id: Signal({"p50": 0.3})}
    assert order(DIRECT, CHEAP, RESOLD, provider={"sort": "latency"}, signals=measured) == [
        RESOLD.id,
        DIRECT.id,
        CHEAP.id,
    ]


@pytest.mark.parametrize(
    "wish",
    [
        {"preferred_max_latency": 0.5},
        {"preferred_max_latency": {"p90": 2}},
        {"preferred_min_throughput": 50},
        {"preferred_min_throughput": {"p90": 20}},
        {"preferred_max_latency": 5, "preferred_min_throughput": 50},
    ],
)
def test_those_known_to_miss_a_soft_wish_go_to_the_end(wish: dict[str, Any]) -> None:
    slow = Signal({"p50": 0.9, "p90": 3.0}, {"p50": 40.0, "p90": 10.0})
    fine = Signal({"p50": 0.1, "p90": 0.3}, {"p50": 99.0, "p90": 30.0})
    signals = {DIRECT.id: slow, OWN.id: fine}
    assert order(DIRECT, OWN, HAIKU, written=True, provider=wish, signals=signals) == [OWN.id, HAIKU.id, DIRECT.id]
    assert order(DIRECT, OWN, HAIKU, written=True, provider=wish) == [DIRECT.id, OWN.id, HAIKU.id]


def test_a_policy_is_its_modules_name_and_its_fields_are_its_options() -> None:
    for name in NAMES:
        assert type(policy(name)).__module__ == f"hybridge.routing.policies.{name}"
    assert policy("hybrid", cheap_below_nano_usd=5) != policy("hybrid")
    with pytest.raises(InvalidRequest):
        policy("__init__")

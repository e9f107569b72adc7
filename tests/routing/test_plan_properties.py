"""What holds for every plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.routing.policy import Signal, Signals
from hybridge.types import Deployment, Kind, Needs
from tests.routing.scene import DIRECT, Catalogue, Model, deployment, ids, request, router

OFFERS = st.sampled_from([Needs.NOTHING, Needs.VISION, Needs.TOOLS, Needs.VISION | Needs.TOOLS, ~Needs.NOTHING])
NEEDS = st.sampled_from([Needs.NOTHING, Needs.VISION, Needs.TOOLS, Needs.VISION | Needs.TOOLS])
PRICES = st.one_of(st.none(), st.tuples(st.integers(0, 99), st.integers(0, 99)).map(lambda p: (str(p[0]), str(p[1]))))
PROVIDERS = ["a", "b", "c", "d", "e"]


@st.composite
def models(draw: st.DrawFn) -> Model:
    kinds = {provider: draw(st.sampled_from(["direct", "gateway"])) for provider in PROVIDERS}
    served = draw(st.permutations(PROVIDERS))[: draw(st.integers(1, 5))]
    deployments = tuple(
        deployment(f"{provider}/m", kinds[provider], offers=draw(OFFERS), price=draw(PRICES)) for provider in served
    )
    return Model(
        "m",
        deployments,
        first=draw(st.one_of(st.none(), st.sampled_from(deployments))),
        written=draw(st.booleans()),
        sort=draw(st.sampled_from([None, "price", "throughput"])),
    )


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    names = st.lists(st.sampled_from(PROVIDERS), max_size=3)
    return {
        **draw(st.fixed_dictionaries({}, optional={"order": names, "ignore": names, "only": names})),
        **draw(st.fixed_dictionaries({}, optional={"sort": st.sampled_from(["price", "throughput", "latency"])})),
        **draw(st.fixed_dictionaries({}, optional={"allow_fallbacks": st.booleans()})),
    }


MEASURE = st.floats(0.01, 100)
SIGNALS = st.dictionaries(
    st.sampled_from([f"{provider}/m" for provider in PROVIDERS]),
    st.builds(lambda first, speed: Signal({"p50": first}, {"p50": speed}), MEASURE, MEASURE),
)
POLICIES = st.sampled_from(["hybrid", "cheapest", "priority"])


@given(models(), NEEDS, POLICIES, SIGNALS, st.one_of(st.none(), wishes()))
def test_everyone_is_in_once_or_out_with_a_reason(
    model: Model, needs: Needs, policy: str, signals: Signals, provider: dict[str, Any] | None
) -> None:
    route = router(Catalogue({"m": model}), policy=policy)
    found = route.consider(request("m", needs=needs, provider=provider), signals)
    chain = list(found.plan.deployments) if found.plan else []
    assert sorted(ids(one.deployment for one in found.considered)) == sorted(ids(model.deployments))
    assert [one.deployment for one in found.considered if not one.reason] == chain
    assert all(needs in one.offers for one in chain)
    assert (found.plan is None) == (found.error is not None)
    again = route.consider(request("m", needs=needs, provider=provider), signals)
    assert again.considered == found.considered


@given(models(), NEEDS, POLICIES, SIGNALS)
def test_without_wishes_the_plan_is_a_permutation_of_those_who_offer_it(
    model: Model, needs: Needs, policy: str, signals: Signals
) -> None:
    found = router(Catalogue({"m": model}), policy=policy).consider(request("m", needs=needs), signals)
    able = [one for one in model.deployments if needs in one.offers]
    assert sorted(ids(found.plan.deployments if found.plan else [])) == sorted(ids(able))
    if found.plan and model.first in able:
        assert found.plan.deployments[0] is model.first


@given(models(), NEEDS.filter(bool), SIGNALS, st.sampled_from([None, "price", "throughput", "latency"]))
def test_no_gateway_is_first_for_images_or_tools_where_a_direct_one_is_able(
    model: Model, needs: Needs, signals: Signals, sort: str | None
) -> None:
    unasked = Model("m", model.deployments, written=model.written, sort=model.sort)
    asked = request("m", needs=needs, provider=None if sort is None else {"sort": sort})
    found = router(Catalogue({"m": unasked})).consider(asked, signals)
    chain = found.plan.deployments if found.plan else ()
    assert _directs_first(chain)


@given(models(), NEEDS)
def test_hybrid_puts_direct_providers_first(model: Model, needs: Needs) -> None:
    plain = Model("m", model.deployments, written=model.written)
    found = router(Catalogue({"m": plain})).consider(request("m", needs=needs))
    chain = found.plan.deployments if found.plan else ()
    assert _directs_first(chain)
    for kind in Kind:
        inside = [one for one in chain if one.kind is kind]
        if model.written:
            assert inside == [one for one in model.deployments if one in inside]


PLAIN: dict[str, Any] = {}
KINDS_OF_REQUESTS: list[dict[str, Any]] = [
    PLAIN,
    {"needs": Needs.VISION},
    {"asks": ["brand_new"]},
    {"asks": ["brand_new"], "drop_unsupported": True},
    {"asks": ["brand_new"], "dialect": "anthropic"},
    {"allowed": ["m"]},
    {"allowed": ["n"]},
    {"policy": "cheapest"},
    {"models": ("n",)},
    {"budget": "500 VND"},
    {"max_tokens": 20_000},
]


@pytest.mark.parametrize("before", KINDS_OF_REQUESTS, ids=str)
@pytest.mark.parametrize("asked", KINDS_OF_REQUESTS, ids=str)
def test_what_was_kept_of_one_request_does_not_change_another(before: dict[str, Any], asked: dict[str, Any]) -> None:
    blind = deployment("blind/m", offers=Needs.TOOLS, price=("9", "9"))
    foreign = deployment("foreign/m", "gateway", dialect="anthropic", price=("1", "1"))
    names = Catalogue({"m": Model("m", (blind, foreign, deployment("a/m")), written=True), "n": Model("n", (DIRECT,))})
    used, fresh = router(names), router(names)
    used.consider(request("m", **before))
    found, expected = used.consider(request("m", **asked)), fresh.consider(request("m", **asked))
    assert found.considered == expected.considered
    assert (found.plan, repr(found.error)) == (expected.plan, repr(expected.error))


def _directs_first(chain: tuple[Deployment, ...]) -> bool:
    kinds = [one.kind for one in chain]
    return kinds == sorted(kinds, key=lambda kind: kind is not Kind.DIRECT)

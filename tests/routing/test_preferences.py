"""OpenRouter's `provider` object over our own providers."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.errors import InvalidRequest, Unavailable, UnsupportedParameter
from hybridge.routing.router import Consideration
from tests.routing.scene import CHEAP, DIRECT, HAIKU, RESOLD, catalogue, deployment, ids, reasons, request, router


def consider(provider: dict[str, Any], **asked: Any) -> Consideration:
    names = catalogue(DIRECT, RESOLD, CHEAP, written=True, fallbacks=("claude-3-haiku",))
    return router(names).consider(request(provider=provider, **asked))


def chain(provider: dict[str, Any], **asked: Any) -> list[str]:
    found = consider(provider, **asked)
    assert found.plan is not None
    return ids(found.plan.deployments)


def test_only_and_ignore_are_hard() -> None:
    assert chain({"only": ["OpenRouter"]}) == [RESOLD.id, "openrouter/anthropic/claude-3-haiku"]
    assert chain({"ignore": ["openrouter", "anthropic"]}) == [DIRECT.id, CHEAP.id]
    assert reasons(consider({"ignore": ["openai"]}))[DIRECT.id] == "provider.ignore names its provider"
    assert reasons(consider({"only": ["openai"]}))[CHEAP.id] == "provider.only does not name its provider"
    found = consider({"only": []})
    assert isinstance(found.error, Unavailable)


def test_order_comes_first_in_each_model_and_the_rest_follows() -> None:
    assert chain({"order": ["aihubmix", "openrouter"]}) == [
        CHEAP.id,
        RESOLD.id,
        DIRECT.id,
        "openrouter/anthropic/claude-3-haiku",
        HAIKU.id,
    ]


def test_order_without_fallbacks_leaves_those_it_names() -> None:
    asked = {"order": ["aihubmix", "openrouter"], "allow_fallbacks": False}
    assert chain(asked) == [CHEAP.id, RESOLD.id]
    assert "fallbacks are not allowed" in reasons(consider(asked))[DIRECT.id]


def test_a_provider_named_twice_stands_at_its_first_place() -> None:
    assert chain({"order": ["aihubmix", "openrouter", "aihubmix"]})[:2] == [CHEAP.id, RESOLD.id]


def test_without_fallbacks_only_the_first_is_asked() -> None:
    assert chain({"allow_fallbacks": False}, models=("claude-3-haiku",)) == [DIRECT.id]
    assert "allow_fallbacks" in reasons(consider({"allow_fallbacks": False}))[RESOLD.id]
    assert chain({"allow_fallbacks": False, "ignore": ["openai"]}) == [RESOLD.id]
    assert len(chain({"allow_fallbacks": True})) == 5


def test_a_deployment_asked_for_by_its_id_is_alone_without_fallbacks() -> None:
    names = catalogue(DIRECT, RESOLD, CHEAP, first=CHEAP)
    found = router(names).consider(request(provider={"allow_fallbacks": False}))
    assert found.plan is not None
    assert ids(found.plan.deployments) == [CHEAP.id]
    assert reasons(found)[DIRECT.id].startswith("aihubmix/gpt-4o-mini was asked for")
    barred = router(names).consider(request(provider={"allow_fallbacks": False, "ignore": ["aihubmix"]}))
    assert isinstance(barred.error, Unavailable)


def test_order_wins_over_a_deployment_asked_for_by_its_id() -> None:
    names = catalogue(DIRECT, RESOLD, CHEAP, first=DIRECT)
    plan = router(names).plan(request(provider={"order": ["openrouter"]}))
    assert ids(plan.deployments) == [RESOLD.id, DIRECT.id, CHEAP.id]


@pytest.mark.parametrize(("wish", "named"), [({"zdr": True}, "provider.zdr"), ({"data_collection": "deny"}, "deny")])
def test_who_may_keep_prompts_is_out_and_so_is_who_is_not_known(wish: dict[str, Any], named: str) -> None:
    keeps = deployment("keeps/model", retains=True)
    keeps_not = deployment("forgets/model", retains=False)
    route = router(catalogue(keeps, DIRECT, keeps_not))
    found = route.consider(request(provider=wish))
    assert found.plan is not None
    assert ids(found.plan.deployments) == ["forgets/model"]
    told = reasons(found)
    assert told["keeps/model"].startswith("its provider may keep prompts") and named in told["keeps/model"]
    assert told[DIRECT.id].startswith("its provider is not known to keep no prompts")
    assert len(route.plan(request(provider={"data_collection": "allow", "zdr": False})).deployments) == 3


def test_max_price_is_hard_and_counts_the_fee() -> None:
    assert chain({"max_price": {"prompt": 0.15, "completion": "0.6"}}) == [DIRECT.id, CHEAP.id]
    assert chain({"max_price": {"completion": 0.5}}) == [CHEAP.id]
    assert chain({"max_price": {"prompt": 0.15825, "request": 0, "image": 1}}) == [DIRECT.id, RESOLD.id, CHEAP.id]
    told = reasons(consider({"max_price": {"prompt": "0.12"}}))
    assert told[RESOLD.id] == "its price, fee included, is above provider.max_price.prompt"


def test_max_price_needs_a_price() -> None:
    unpriced = deployment("vague/model", price=None)
    assumed = deployment("assumed/model", price=None, assume=("0.1", "0.1"))
    found = router(catalogue(unpriced, assumed)).consider(request(provider={"max_price": {"prompt": 1}}))
    assert reasons(found) == {"vague/model": "its price is not known, and provider.max_price applies"}


@pytest.mark.parametrize("value", ["much", -1, "NaN", "inf"])
def test_a_max_price_that_is_no_price(value: Any) -> None:
    found = consider({"max_price": {"prompt": value}})
    assert isinstance(found.error, InvalidRequest)
    assert found.error.param == "provider.max_price.prompt"


def test_require_parameters_wants_hints_and_quirks_kept_too() -> None:
    picky = deployment("picky/model", drop=("logit_bias",))
    route = router(catalogue(picky, HAIKU, DIRECT))
    asked = request(fields={"seed": 1, "logit_bias": {}}, provider={"require_parameters": True})
    found = route.consider(asked)
    assert found.plan is not None
    assert ids(found.plan.deployments) == [DIRECT.id]
    assert reasons(found) == {
        "picky/model": "its dialect openai cannot carry logit_bias",
        HAIKU.id: "its dialect anthropic cannot carry seed",
    }
    assert len(route.plan(request(fields={"seed": 1, "logit_bias": {}})).deployments) == 3


def test_require_parameters_wins_over_drop_unsupported() -> None:
    asked = request(asks=["brand_new"], drop_unsupported=True, provider={"require_parameters": True})
    with pytest.raises(UnsupportedParameter):
        router(catalogue(HAIKU)).plan(asked)


def test_sort_is_a_word_or_an_object_and_wins_over_a_suffix() -> None:
    assert chain({"sort": "price"})[:3] == [CHEAP.id, DIRECT.id, RESOLD.id]
    assert chain({"sort": {"by": "price", "partition": "none"}})[:3] == [CHEAP.id, DIRECT.id, RESOLD.id]
    assert chain({"sort": {"by": None}})[:3] == [DIRECT.id, RESOLD.id, CHEAP.id]
    names = catalogue(DIRECT, CHEAP, sort="throughput", written=True)
    assert ids(router(names).plan(request(provider={"sort": "price"})).deployments) == [CHEAP.id, DIRECT.id]


@pytest.mark.parametrize(("sort", "hint"), [("prise", "did you mean `price`"), ("zzz", "price, throughput, latency")])
def test_a_sort_that_does_not_exist(sort: str, hint: str) -> None:
    found = consider({"sort": sort})
    assert isinstance(found.error, InvalidRequest)
    assert hint in found.error.message
    assert found.error.param == "provider.sort"

"""Who is a candidate, in which order the models come, and what is told when there is none."""

from __future__ import annotations

import pytest

from hybridge.errors import InvalidRequest, ModelNotFound, NotAllowed, Unavailable
from hybridge.types import Needs
from tests.routing.scene import (
    CHEAP,
    DIRECT,
    HAIKU,
    RESOLD,
    RESOLD_HAIKU,
    Catalogue,
    Model,
    catalogue,
    deployment,
    ids,
    reasons,
    request,
    router,
)


def test_the_model_then_the_requests_further_models_then_the_fallbacks_of_each() -> None:
    def model(name: str, *fallbacks: str) -> Model:
        return Model(name, (deployment(f"here/{name}"),), fallbacks=fallbacks)

    names = Catalogue(
        {one.name: one for one in (model("a", "c", "b"), model("b", "d"), model("c"), model("d", "e"), model("e"))}
    )
    plan = router(names).plan(request("a", models=("b",)))
    assert ids(plan.deployments) == ["here/a", "here/b", "here/c", "here/d"]


def test_a_deployment_stands_where_it_comes_first() -> None:
    names = Catalogue({"a": Model("a", (DIRECT, RESOLD), ("b",)), "b": Model("b", (RESOLD, HAIKU, DIRECT))})
    assert ids(router(names).plan(request("a")).deployments) == [DIRECT.id, RESOLD.id, HAIKU.id]


def test_a_deployment_asked_for_by_its_id_is_first_and_the_others_follow() -> None:
    found = router(catalogue(DIRECT, RESOLD, CHEAP, first=CHEAP, fallbacks=("claude-3-haiku",)))
    assert ids(found.plan(request()).deployments) == [CHEAP.id, DIRECT.id, RESOLD.id, HAIKU.id, RESOLD_HAIKU.id]


def test_a_deployment_asked_for_that_its_model_does_not_list_is_a_candidate() -> None:
    assert ids(router(catalogue(DIRECT, first=CHEAP)).plan(request()).deployments) == [CHEAP.id, DIRECT.id]


def test_a_deployment_asked_for_that_is_not_able_leaves_its_place() -> None:
    blind = deployment("aihubmix/gpt-4o-mini", "gateway", offers=Needs.TOOLS)
    found = router(catalogue(DIRECT, blind, first=blind)).consider(request(needs=Needs.VISION))
    assert found.plan is not None
    assert ids(found.plan.deployments) == [DIRECT.id]
    assert reasons(found) == {blind.id: "it does not offer images"}


def test_unknown_fallbacks_are_passed_over() -> None:
    plan = router(catalogue(DIRECT, fallbacks=("gone",))).plan(request(models=("nowhere",)))
    assert ids(plan.deployments) == [DIRECT.id]


def test_an_unknown_model_is_told_with_the_nearest_names() -> None:
    with pytest.raises(ModelNotFound, match="`gpt-4o-mini`") as told:
        router(catalogue(DIRECT)).plan(request("GPT-4o-mimi"))
    assert (told.value.status, told.value.code, told.value.param) == (404, "model_not_found", "model")
    assert told.value.details["nearest"][0] == "gpt-4o-mini"


def test_nothing_is_near_to_nonsense() -> None:
    with pytest.raises(ModelNotFound, match="/v1/models") as told:
        router(catalogue(DIRECT)).plan(request("x" * 5000))
    assert len(told.value.message) < 400


def test_a_model_that_no_configured_provider_serves() -> None:
    with pytest.raises(Unavailable, match="no provider that serves `gpt-4o-mini` is configured") as told:
        router(catalogue()).plan(request())
    assert (told.value.status, told.value.code) == (503, "no_able_deployment")


@pytest.mark.parametrize("allowed", ["gpt-4o-mini", "mini", "openai/gpt-4o-mini"])
def test_a_key_may_use_a_model_by_any_of_its_names(allowed: str) -> None:
    names = Catalogue({"mini": Model("mini", (DIRECT,), ("claude-3-haiku",)), "claude-3-haiku": Model("c", (HAIKU,))})
    found = router(names).consider(request("mini", allowed=[allowed]))
    assert found.plan is not None
    assert ids(found.plan.deployments) == [DIRECT.id]
    assert reasons(found) == {HAIKU.id: "this key may not use the model claude-3-haiku"}


def test_a_key_that_may_not_use_the_model_is_not_served_by_another_one() -> None:
    with pytest.raises(NotAllowed, match="may use claude-3-haiku") as told:
        router(catalogue(DIRECT, fallbacks=("claude-3-haiku",))).plan(request(allowed=["claude-3-haiku"]))
    assert (told.value.status, told.value.code) == (403, "model_not_allowed")


def test_what_one_key_may_is_not_kept_for_another() -> None:
    route = router(catalogue(DIRECT, written=True))
    assert route.plan(request(allowed=["gpt-4o-mini"])).deployments
    with pytest.raises(NotAllowed):
        route.plan(request(allowed=[]))
    assert route.plan(request()).deployments


def test_known_tells_of_models_and_keys_without_a_plan() -> None:
    route = router(catalogue(deployment("a/b", offers=Needs.NOTHING)))
    route.known(request(needs=Needs.VISION))
    with pytest.raises(ModelNotFound):
        route.known(request("nothing"))
    with pytest.raises(NotAllowed):
        route.known(request(allowed=["other"]))


def test_the_policy_of_the_request_then_of_the_model_then_the_default() -> None:
    models = catalogue(DIRECT, CHEAP, policy="cheapest")
    assert router(models).plan(request()).policy == "cheapest"
    assert router(models).plan(request(policy="priority")).policy == "priority"
    assert router(catalogue(DIRECT)).plan(request()).policy == "hybrid"
    assert router(catalogue(DIRECT), policy="priority").plan(request()).policy == "priority"


def test_an_unknown_policy_is_told_with_the_nearest_name() -> None:
    with pytest.raises(InvalidRequest, match="did you mean `cheapest`") as told:
        router(catalogue(DIRECT)).plan(request(policy="cheepest"))
    assert told.value.param == "route.policy"
    with pytest.raises(InvalidRequest, match="there are cheapest, hybrid, priority"):
        router(catalogue(DIRECT), policy="zzzz")


def test_a_consideration_holds_the_error() -> None:
    found = router(catalogue(DIRECT)).consider(request("nobody"))
    assert found.plan is None
    assert isinstance(found.error, ModelNotFound)


def test_requests_of_many_shapes_do_not_fill_the_memory() -> None:
    route = router(catalogue(DIRECT, written=True))
    for number in range(3000):
        assert route.plan(request(asks=[f"x{number}"])).deployments == (DIRECT,)
    assert len(route._shapes._kept) <= 1024
    assert repr(route) == "<Router hybrid>"

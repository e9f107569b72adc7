"""A plan that was kept is given without a second look: only where a second look would find the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import GatewayError
from hybridge.routing import shape
from hybridge.routing.router import Router
from hybridge.types import EVERYTHING, Deployment, Limits, Needs, Plan, Request
from tests.routing.scene import Catalogue, Model, catalogue, deployment, ids, request, router

SMALL = deployment("small/m", limits=Limits(context=400, output=100), price=("1", "1"))
NARROW = deployment("narrow/m", limits=Limits(context=400), price=("1", "1"))
LARGE = deployment("large/m", "gateway", limits=Limits(context=4_000, output=1_000), price=("2", "2"))
VAGUE = deployment("vague/m", "gateway", limits=Limits(), price=None)
FOREIGN = deployment("foreign/m", dialect="anthropic", offers=EVERYTHING & ~Needs.VISION)


def found(route: Router, asked: Request) -> object:
    """The plan, or what is told instead."""
    try:
        plan = route.plan(asked)
    except GatewayError as error:
        return repr(error), error.details
    return ids(plan.deployments), plan.policy, plan.considered, plan.clamp


DEPLOYMENTS = st.lists(st.sampled_from([SMALL, NARROW, LARGE, VAGUE, FOREIGN]), min_size=1, max_size=4, unique=True)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "max_tokens": st.sampled_from([0, 1, 16, 100, 101, 390, 1_000, 1_001, 5_000]),
        "needs": st.sampled_from([Needs.VISION, Needs.TOOLS]),
        "asks": st.sampled_from([["brand_new"], ["temperature"]]),
        "dialect": st.sampled_from(["openai", "anthropic"]),
        "allowed": st.sampled_from([["m"], ["n"]]),
        "budget": st.sampled_from(["0 VND", "20 VND", "1000 VND"]),
        "provider": st.sampled_from([{}, {"only": ["large"]}, {"sort": "price"}, {"allow_fallbacks": False}]),
        "policy": st.sampled_from(["cheapest", "priority", "nonsense"]),
        "models": st.sampled_from([(), ("n",), ("nobody",)]),
        "drop_unsupported": st.booleans(),
        "user": st.just("me"),
        "session": st.just("s"),
        "tags": st.just(("a",)),
    },
)
#: Characters of a prompt: well within every limit, near each, and beyond.
LENGTHS = st.sampled_from([0, 10, 500, 700, 720, 1_500, 2_000, 5_000, 7_700, 16_000, 40_000])


@given(
    DEPLOYMENTS,
    st.booleans(),
    st.sampled_from([None, "price", "throughput"]),
    st.sampled_from(["hybrid", "cheapest", "priority"]),
    st.lists(st.tuples(LENGTHS, st.integers(0, 2), OPTIONS), min_size=1, max_size=6),
)
def test_whatever_was_asked_before_the_answer_is_that_of_a_new_router(
    deployments: list[Deployment],
    written: bool,
    sort: str | None,
    policy: str,
    asked: list[tuple[int, int, Mapping[str, Any]]],
) -> None:
    names = Catalogue(
        {
            "m": Model("m", tuple(deployments), written=written, sort=sort, fallbacks=("n",)),
            "n": Model("n", (deployment("other/n", limits=Limits(context=2_000)),)),
        }
    )
    used = router(names, policy=policy)
    for length, images, options in asked:
        found(used, request("m"))
        one = request("m", text="a" * length, **options)
        one.facts.images = images
        assert found(used, one) == found(router(names, policy=policy), one)
        considered = used.consider(one)
        if considered.plan is not None:
            assert considered.plan == used.plan(one)


def test_requests_that_ask_for_nothing_share_one_plan() -> None:
    route = router(catalogue(SMALL, LARGE, written=True))
    first = route.plan(request())
    assert route.plan(request(text="Hi", user="me", session="s", tags=("a",), max_tokens=50)) is first
    assert route.consider(request()).plan is first
    assert route.plan(request(provider={})) is not first
    assert route.plan(request(budget="1000 VND")) is not first


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"max_tokens": 100}, [SMALL.id, LARGE.id]),
        ({"max_tokens": 101}, [LARGE.id]),
        ({"text": "a " * 1_000}, [LARGE.id]),
    ],
    ids=str,
)
def test_a_kept_plan_is_not_given_beyond_a_limit(asked: dict[str, Any], expected: list[str]) -> None:
    route = router(catalogue(SMALL, LARGE, written=True))
    assert ids(route.plan(request()).deployments) == [SMALL.id, LARGE.id]
    assert ids(route.plan(request(**asked)).deployments) == expected


def test_room_for_the_output_is_left_where_nobody_says_how_long_it_may_be() -> None:
    route = router(catalogue(NARROW, LARGE, written=True))
    assert ids(route.plan(request()).deployments) == [NARROW.id, LARGE.id]
    assert ids(route.plan(request(max_tokens=300)).deployments) == [NARROW.id, LARGE.id]
    assert ids(route.plan(request(max_tokens=399)).deployments) == [LARGE.id]


def test_images_count_for_the_size() -> None:
    route = router(catalogue(SMALL, LARGE, written=True))
    kept = route.plan(request())
    pictured = request()
    pictured.facts.images = 1
    assert ids(kept.deployments) == [SMALL.id, LARGE.id]
    assert ids(route.plan(pictured).deployments) == [LARGE.id]


def test_shapes_that_clients_make_up_do_not_fill_the_memory() -> None:
    class Anything(Catalogue):
        def resolve(self, name: str) -> Model:
            return Model(name, (SMALL,))

    route = router(Anything({}))
    kept = route._shapes._kept
    for number in range(3 * shape._MOST):
        route.plan(request(f"made-up-{number}"))
        assert len(kept) <= shape._MOST
    kept.clear()
    long = "x" * 3_000
    for asked in (request(long), request("m", asks=[long], drop_unsupported=True), request("m", models=(long,))):
        plans = [route.plan(asked) for _ in range(2)]
        assert plans[0] == plans[1]
        assert isinstance(plans[0], Plan)
    assert not kept
    route.plan(request("m"))
    assert len(kept) == 1


def test_a_name_that_nobody_knows_is_told_from_its_beginning() -> None:
    route = router(catalogue(SMALL))
    with pytest.raises(GatewayError) as caught:
        route.plan(request("gpt-4o-mino"))
    assert caught.value.details == {"nearest": ["gpt-4o-mini"]}
    with pytest.raises(GatewayError) as caught:
        route.plan(request("gpt-4o-mini" * 1_000))
    assert caught.value.details == {"nearest": []}
    assert len(msgspec.json.encode(caught.value.message)) < 300

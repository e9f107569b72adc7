"""Every reason for which a deployment is out."""

from __future__ import annotations

from typing import Any

import pytest

from hybridge.chat import Ask
from hybridge.errors import Unavailable, UnsupportedParameter
from hybridge.routing.router import Consideration
from hybridge.types import EVERYTHING, Deployment, Limits, Needs, Request
from tests.routing.scene import (
    DIRECT,
    HAIKU,
    catalogue,
    deployment,
    ids,
    reasons,
    request,
    router,
)


def consider_request(one: Deployment, asked: Request) -> Consideration:
    return router(catalogue(one)).consider(asked)


def consider(one: Deployment, *others: Deployment, **asked: object) -> Consideration:
    rules = {"unpriced": asked.pop("unpriced")} if "unpriced" in asked else {}
    return router(catalogue(one, *others), **rules).consider(request(**asked))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        (Needs.VISION, "images"),
        (Needs.TOOLS, "tools"),
        (Needs.TOOLS | Needs.PARALLEL_TOOLS, "tools and parallel tool calls"),
        (Needs.JSON_OBJECT, "answers as JSON"),
        (Needs.JSON_SCHEMA, "answers that fit a JSON schema"),
        (Needs.AUDIO_INPUT, "audio as input"),
        (Needs.AUDIO_OUTPUT, "audio as output"),
        (Needs.FILES, "files"),
        (Needs.REASONING, "reasoning"),
        (Needs.STREAMING | Needs.VISION | Needs.TOOLS, "images, tools and streaming"),
    ],
)
def test_a_feature_that_is_not_offered(needs: Needs, words: str) -> None:
    bare = deployment("bare/model", offers=EVERYTHING & ~needs)
    found = consider(bare, DIRECT, needs=needs)
    assert reasons(found) == {"bare/model": f"it does not offer {words}"}
    assert found.plan is not None and ids(found.plan.deployments) == [DIRECT.id]


def test_features_offered_in_part_are_not_enough() -> None:
    assert reasons(consider(deployment("a/b", offers=Needs.TOOLS), needs=Needs.TOOLS | Needs.VISION))


def test_what_another_dialect_cannot_carry() -> None:
    found = consider(HAIKU, DIRECT, asks=[Ask.LOGPROBS, Ask.N])
    assert reasons(found) == {HAIKU.id: "its dialect anthropic cannot carry logprobs and n"}


def test_a_field_is_no_matter_within_a_dialect_or_where_it_may_be_dropped() -> None:
    assert not reasons(consider(DIRECT, asks=["brand_new"]))
    assert not reasons(consider(HAIKU, asks=["brand_new"], drop_unsupported=True))


def test_a_field_that_nobody_can_carry_is_named() -> None:
    with pytest.raises(UnsupportedParameter, match="brand_new") as told:
        router(catalogue(HAIKU)).plan(request(asks=["brand_new"]))
    assert (told.value.status, told.value.code, told.value.param) == (400, "unsupported_parameter", "brand_new")


def test_a_field_is_named_even_if_the_others_lack_something_else() -> None:
    blind = deployment("blind/model", offers=Needs.NOTHING)
    with pytest.raises(UnsupportedParameter, match="blind/model: it does not offer images"):
        router(catalogue(HAIKU, blind)).plan(request(asks=["brand_new"], needs=Needs.VISION))


def test_when_nobody_is_able_every_reason_is_told() -> None:
    with pytest.raises(Unavailable) as told:
        router(catalogue(deployment("a/b", offers=Needs.TOOLS), deployment("c/d", offers=Needs.TOOLS))).plan(
            request(needs=Needs.VISION)
        )
    assert told.value.code == "no_able_deployment"
    assert "a/b: it does not offer images; c/d: it does not offer images" in told.value.message


def test_more_output_than_a_model_gives() -> None:
    small = deployment("small/model", limits=Limits(output=4096))
    assert reasons(consider(small, max_tokens=4097)) == {
        "small/model": "it gives at most 4096 tokens, and max_tokens asks for 4097"
    }
    assert not reasons(consider(small, max_tokens=4096))


#: 3,000 tokens and 15 kB: its bytes alone say 3,750.
PROSE = "hello " * 2_490 + "world"


@pytest.mark.parametrize(
    ("context", "fits"), [(2_500, False), (2_515, True), (2_510, False), (7_600, True), (None, True), (400, False)]
)
def test_near_its_context_a_request_is_counted(context: int | None, fits: bool) -> None:
    narrow = deployment("narrow/model", limits=Limits(context=context))
    found = consider(narrow, text=PROSE)
    assert (found.plan is not None) is fits
    if context in (2_500, 2_515, 2_510):
        assert found.size.counted and found.size.input == 2_497
    else:
        assert not found.size.counted


def test_the_output_asked_for_needs_room_in_the_context() -> None:
    narrow = deployment("narrow/model", limits=Limits(context=4_000))
    assert not reasons(consider(narrow, text=PROSE, max_tokens=1_503))
    assert reasons(consider(narrow, text=PROSE, max_tokens=1_504)) == {
        "narrow/model": "its context is 4000 tokens, and the request has 2497 and room for 1504 must be left"
    }


def test_what_is_far_too_large_is_not_counted() -> None:
    (reason,) = reasons(consider(deployment("narrow/model", limits=Limits(context=100)), text=PROSE)).values()
    assert "about 3" in reason


def test_limits_are_looked_at_for_each_request() -> None:
    wide = deployment("wide/model", limits=Limits(1_000_000, 64_000))
    route = router(catalogue(deployment("narrow/model", limits=Limits(8_000, 4_000)), wide, written=True))
    assert len(route.plan(request()).deployments) == 2
    assert ids(route.plan(request(max_tokens=5_000)).deployments) == ["wide/model"]
    assert ids(route.plan(request(text="word " * 20_000)).deployments) == ["wide/model"]
    assert len(route.plan(request()).deployments) == 2


def test_without_a_price_a_route_is_out_only_where_that_is_refused() -> None:
    unpriced = deployment("free/model", price=None)
    assert not reasons(consider(unpriced))
    assert reasons(consider(unpriced, unpriced="refuse")) == {
        "free/model": "its price is not known, and routing.unpriced is refuse"
    }
    assert reasons(consider(deployment("free/model", price=None, assume=("1", "1")), unpriced="refuse"))


@pytest.mark.parametrize(
    ("message", "counted"),
    [({"role": "wizard", "content": 5}, False), ({"role": "user", "content": [{"type": "hologram"}]}, True)],
)
def test_what_our_codec_does_not_know_is_measured_by_its_bytes(message: dict[str, Any], counted: bool) -> None:
    strange = request(fields={"messages": [message]})
    strange.facts.input_bytes = 15_000
    found = consider_request(deployment("a/b", limits=Limits(context=4_000)), strange)
    assert found.plan is not None
    assert (found.size.input, found.size.counted) == (3_750, counted)

"""The record of a plan."""

from __future__ import annotations

import msgspec

from hybridge.routing.explain import explain
from hybridge.types import Needs
from tests.routing.scene import CHEAP, DIRECT, RATES, catalogue, deployment, request, router

BLIND = deployment("blind/model", "gateway", offers=Needs.TOOLS)


def test_a_plan_is_told_with_its_reasons_and_estimates() -> None:
    asked = request(needs=Needs.VISION, budget="50 VND")
    record = explain(asked, router(catalogue(DIRECT, BLIND, CHEAP)).consider(asked), RATES)
    assert msgspec.json.decode(msgspec.json.encode(record)) == record
    assert record == {
        "model": "gpt-4o-mini",
        "policy": "hybrid",
        "needs": ["images"],
        "budget": "50 VND",
        "estimate": {"input_tokens": 7, "output_tokens": 512, "counted": True},
        "candidates": [
            {
                "deployment": "aihubmix/gpt-4o-mini",
                "kind": "gateway",
                "dialect": "openai",
                "state": "in",
                "position": 1,
                "reason": "",
                "scores": {"cost_nano_usd": 205_500.0},
                "estimate": {"nano_usd": 205_500, "text": "5.40465 VND"},
            },
            {
                "deployment": "openai/gpt-4o-mini",
                "kind": "direct",
                "dialect": "openai",
                "state": "in",
                "position": 2,
                "reason": "",
                "scores": {"cost_nano_usd": 308_250.0},
                "estimate": {"nano_usd": 308_250, "text": "8.106975 VND"},
            },
            {
                "deployment": "blind/model",
                "kind": "gateway",
                "dialect": "openai",
                "state": "out",
                "position": None,
                "reason": "it does not offer images",
                "scores": {},
                "estimate": {"nano_usd": 308_250, "text": "8.106975 VND"},
            },
        ],
        "chain": ["aihubmix/gpt-4o-mini", "openai/gpt-4o-mini"],
        "clamp": {"aihubmix/gpt-4o-mini": 4_751, "openai/gpt-4o-mini": 3_166},
        "error": None,
    }


def test_a_plan_that_is_kept_is_told_with_this_requests_estimates() -> None:
    route = router(catalogue(DIRECT, written=True))
    short, long = request(), request(text="word " * 1000)
    texts = [explain(one, route.consider(one), RATES)["candidates"][0]["estimate"] for one in (short, long)]
    assert texts[0]["nano_usd"] < texts[1]["nano_usd"]


def test_no_plan_is_told_with_its_error() -> None:
    asked = request(needs=Needs.VISION)
    record = explain(asked, router(catalogue(BLIND)).consider(asked), RATES, "USD")
    assert record["chain"] == []
    assert record["error"]["code"] == "no_able_deployment"
    assert record["error"]["status"] == 503
    assert record["candidates"][0]["estimate"]["text"].endswith(" USD")


def test_a_quote_is_part_of_the_error() -> None:
    asked = request(budget="0 VND")
    record = explain(asked, router(catalogue(DIRECT)).consider(asked), RATES)
    assert record["error"]["quote"]["deployment"] == DIRECT.id


def test_an_unknown_model_and_an_unknown_price() -> None:
    nobody = request("nobody")
    record = explain(nobody, router(catalogue(DIRECT)).consider(nobody), RATES)
    assert (record["candidates"], record["error"]["code"]) == ([], "model_not_found")
    asked = request()
    vague = explain(asked, router(catalogue(deployment("vague/model", price=None))).consider(asked), RATES)
    assert vague["candidates"][0]["estimate"] is None

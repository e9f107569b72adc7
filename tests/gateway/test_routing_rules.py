"""The four rules of `hybrid`, budgets, preferences and names, seen from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.gateway.asking import ask, chain, never, question, refused
from tests.gateway.harness import Gateway, Upstream, answering, gateway, openai_reply, provider

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
#: A kilobyte of PNG is not needed: nobody decodes it here.
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


@asynccontextmanager
async def two_legs(**more: object) -> AsyncIterator[tuple[Gateway, Upstream, Upstream]]:
    """`d` is direct and dear, `g` is a gateway and cheap; `m` is at both, `rare` at the gateway only."""
    async with Upstream(answering(200, openai_reply())) as direct, Upstream(answering(200, openai_reply())) as reseller:
        values: dict[str, object] = {
            "providers": {"d": provider(direct), "g": provider(reseller, kind="gateway")},
            "models": {
                "m": {
                    "deployments": ["g/m", "d/m"],
                    "price": {"d/m": {"input": 10, "output": 20}, "g/m": {"input": 1, "output": 2}},
                },
                "rare": {"deployments": ["g/rare"]},
            },
            "retries": {"attempts": 1},
            **more,
        }
        async with gateway(values) as running:
            yield running, direct, reseller


async def _first(running: Gateway, **more: Any) -> str:
    answer = await running.chat("m", **more)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["x-hybridge-deployment"])


async def test_direct_comes_first_unless_money_is_tight() -> None:
    async with two_legs() as (running, _, _):
        # 3: a direct provider serves it, although the gateway is written first and is cheaper.
        assert await _first(running) == "d/m"
        # 1: a budget under the threshold goes by cost; one on it or above does not.
        assert await _first(running, route={"budget": "999.99 VND"}) == "g/m"
        assert await _first(running, route={"budget": "1000 VND"}) == "d/m"
        assert await _first(running, route={"budget": "1 USD"}) == "d/m"
        assert await _first(running, route={"budget": "0.03 USD"}) == "g/m"
        # 2: images and tools are as 3, and what sorts by price puts no gateway first.
        assert await _first(running, tools=TOOLS) == "d/m"
        assert await _first(running, tools=TOOLS, provider={"sort": "price"}) == "d/m"
        assert await _first(running, provider={"sort": "price"}) == "g/m"
        body = {"model": "m", "messages": [{"role": "user", "content": [IMAGE]}]}
        answer = await running.post("/v1/chat/completions", body)
        assert answer.headers["x-hybridge-deployment"] == "d/m"
        # 4: else a gateway.
        answer = await running.chat("rare")
        assert (answer.headers["x-hybridge-deployment"], answer.headers["x-hybridge-kind"]) == ("g/rare", "gateway")


async def test_the_threshold_is_the_operators() -> None:
    async with two_legs(routing={"cheap_below": "2000 VND"}) as (running, _, _):
        assert await _first(running, route={"budget": "1999 VND"}) == "g/m"
        assert await _first(running, route={"budget": "2000 VND"}) == "d/m"


async def test_policies_may_be_asked_for() -> None:
    async with two_legs() as (running, _, _):
        for policy, first in (("cheapest", "g/m"), ("priority", "g/m"), ("hybrid", "d/m")):
            assert await _first(running, route={"policy": policy}) == first
            answer = await running.post(*question("openai"), x_hybridge_policy=policy)
            assert answer.headers["x-hybridge-deployment"] == first
            assert answer.headers["x-hybridge-policy"] == policy


async def test_a_budget_that_fits_nobody_comes_with_the_cheapest_quote() -> None:
    async with two_legs() as (running, direct, reseller):
        answer = await running.chat("m", max_tokens=1000, route={"budget": "0.01 VND"})
        quote = refused(answer, 402, "budget_exceeded")["quote"]
        assert (quote["deployment"], quote["currency"]) == ("g/m", "VND")
        assert quote["amount"] > 0.01
        # A budget of the quote is admitted, and nothing under a budget costs more than it.
        answer = await running.chat("m", max_tokens=1000, route={"budget": quote["text"]})
        assert answer.status_code == 200
        assert answer.headers["x-hybridge-deployment"] == "g/m"
        assert not direct.received
        for dialect in ("anthropic", "gemini"):
            refused(await ask(running, dialect, route={"budget": "0.01 VND"}), 402, "budget_exceeded", dialect)
        assert len(reseller.received) == 1


async def test_a_budget_clamps_the_output_and_says_so() -> None:
    async with two_legs() as (running, _, reseller):
        # 2 USD a million: 2,000 tokens are 4,000,000 nano-USD, 105.2 VND.
        answer = await running.chat("m", max_tokens=2000, route={"budget": "53 VND"})
        assert answer.status_code == 200
        sent = reseller.received[0].json["max_tokens"]
        assert 950 <= sent <= 1010
        assert "max_tokens" in answer.headers["x-hybridge-dropped"]
        answer = await running.chat("m", max_tokens=20, route={"budget": "53 VND"})
        assert reseller.received[1].json["max_tokens"] == 20
        assert "x-hybridge-dropped" not in answer.headers


async def test_fallbacks_may_be_forbidden() -> None:
    async with (
        Upstream(answering(500, b"")) as first,
        Upstream(never()) as second,
        gateway(chain(first, second)) as running,
    ):
        answer = await ask(running, "openai", provider={"allow_fallbacks": False})
        refused(answer, 502, "all_deployments_failed")
        assert answer.headers["x-hybridge-attempts"] == "a/x=500"
        answer = await ask(running, "openai", "a/x", provider={"allow_fallbacks": False})
        assert answer.headers["x-hybridge-attempts"] == "a/x=500"


async def test_fallback_models_come_in_their_order_then_the_requests_own() -> None:
    async with (
        Upstream(answering(500, b"")) as first,
        Upstream(answering(500, b"")) as second,
        Upstream(answering(200, openai_reply())) as third,
    ):
        values = chain(first, second, third)
        values["models"] = {
            "m": {"deployments": ["a/x"], "fallbacks": ["n", "o"]},
            "n": {"deployments": ["b/x"]},
            "o": {"deployments": ["c/x"]},
            "p": {"deployments": ["a/p"]},
        }
        async with gateway(values) as running:
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"] == "a/x=500;b/x=500;c/x=200"
            answer = await ask(running, "openai", "p", models=["o", "nobody-knows-this"])
            assert answer.headers["x-hybridge-attempts"] == "a/p=500;c/x=200"


async def test_a_deployments_id_puts_it_first_and_the_others_follow() -> None:
    async with two_legs() as (running, direct, reseller):
        assert (await running.chat("g/m")).headers["x-hybridge-deployment"] == "g/m"
        reseller.scripts = [answering(500, b"")]
        answer = await running.chat("g/m")
        assert answer.headers["x-hybridge-attempts"] == "g/m=500;d/m=200"
        assert direct.received[0].json["model"] == "m"


async def test_suffixes_are_cut_only_where_the_whole_name_is_unknown() -> None:
    async with two_legs() as (running, _, reseller):
        answer = await running.chat("m:floor")
        assert answer.headers["x-hybridge-deployment"] == "g/m"
        assert reseller.received[0].json["model"] == "m"
        assert (await running.chat("m:nitro")).status_code == 200
    models = {"m": {"deployments": ["d/m"]}, "m:floor": {"deployments": ["g/special:floor"]}}
    async with two_legs(models=models) as (running, _, reseller):
        answer = await running.chat("m:floor")
        assert answer.headers["x-hybridge-deployment"] == "g/special:floor"
        assert reseller.received[0].json["model"] == "special:floor"


async def test_ids_with_slashes_and_colons_in_geminis_paths() -> None:
    models = {"m": {"deployments": ["d/m"]}, "team/m:v1": {"deployments": ["g/org/model:free"]}}
    async with two_legs(models=models) as (running, _, reseller):
        _, body = question("gemini")
        for prefix in ("/v1beta/models/", "/v1/models/", "/models/"):
            for name in ("team/m:v1", "team%2Fm%3Av1", "g/org/model:free"):
                for verb in ("generateContent", "countTokens"):
                    answer = await running.post(f"{prefix}{name}:{verb}", body)
                    assert answer.status_code == 200, (name, answer.text)
        assert {received.json["model"] for received in reseller.received} == {"org/model:free"}
        counted = (await running.post("/models/m:countTokens", body)).json()
        assert counted["totalTokens"] > 0


async def test_unknown_models() -> None:
    for rule, status, kind in (("gateway", 200, "g"), ("pass:d", 200, "d"), ("reject", 404, "")):
        async with two_legs(routing={"unknown_models": rule}) as (running, direct, reseller):
            answer = await running.chat("brand-new/model:x")
            assert answer.status_code == status, rule
            if kind:
                assert answer.headers["x-hybridge-deployment"] == f"{kind}/brand-new/model:x"
                asked = direct if kind == "d" else reseller
                assert asked.received[0].json["model"] == "brand-new/model:x"
            else:
                refused(answer, 404, "model_not_found")


async def test_explain_tells_the_plan_and_calls_nobody() -> None:
    async with two_legs() as (running, direct, reseller):
        body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
        record = (await running.post("/v1/route/explain", body)).json()
        assert record["chain"] == ["d/m", "g/m"]
        assert [one["state"] for one in record["candidates"]] == ["in", "in"]
        record = (await running.post("/v1/route/explain", {**body, "route": {"budget": "0.001 VND"}})).json()
        assert record["chain"] == []
        assert record["error"]["code"] == "budget_exceeded"
        assert all(one["reason"] for one in record["candidates"])
        record = (await running.post("/v1/route/explain", {**body, "provider": {"only": ["g"]}})).json()
        assert record["chain"] == ["g/m"]
        refused(await running.post("/v1/route/explain", b"{"), 400, "invalid_request")
        assert not direct.received
        assert not reseller.received
        assert not running.entries

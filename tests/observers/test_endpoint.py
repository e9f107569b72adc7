"""`/metrics` of one process, and who may see it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.harness import Upstream, answering, gateway, openai_reply, provider
from tests.supervisor.serving import parsed


def values(upstream: Upstream, **more: object) -> dict[str, object]:
    return {
        "providers": {"mine": provider(upstream)},
        "models": {"m": {"deployments": ["mine/m"], "price": {"mine/m": {"input": 1, "output": 2}}}},
        **more,
    }


async def test_counts_gauges_and_states() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(values(upstream)) as running:
        await running.chat("m")
        upstream.scripts = [answering(500, {"error": {"message": "no"}})]
        for _ in range(3):
            assert (await running.chat("m")).status_code >= 500
        answer = await running.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        found = parsed(answer.text)
    assert found["hybridge_requests_total", ("chat", "openai", "mine/m", "direct", "200")] == 1
    assert found["hybridge_tokens_total", ("mine/m", "input")] == 9
    assert found["hybridge_cost_usd_total", ("mine/m", "computed")] == pytest.approx(15e-6)
    assert found["hybridge_breaker_state", ("mine/m",)] == 2
    assert found["hybridge_deployment_success_ratio", ("mine/m",)] == 0.25
    assert 0 < found["hybridge_deployment_answer_seconds", ("mine/m", "0.99")] < 30
    # Whoever looks is no traffic.
    assert found["hybridge_inflight_requests", ()] == 0
    assert found["hybridge_ledger_pending_rows", ()] == 0


BEYOND = {"server": {"host": "0.0.0.0"}, "access": {"mode": "open"}}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "invalid_api_key"),
        ({"authorization": "Bearer wrong"}, 401, "invalid_api_key"),
        ({"authorization": "Bearer t0ken"}, 200, None),
    ],
)
async def test_beyond_loopback_the_admin_token_opens_it(headers: dict[str, str], status: int, code: str | None) -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        written: dict[str, Any] = values(upstream, **BEYOND, admin={"token": "t0ken"})
        async with gateway(written) as running:
            answer = await running.client.get("/metrics", headers=headers)
    assert (answer.status_code, answer.headers.get("x-hybridge-error")) == (status, code)


async def test_beyond_loopback_without_a_token_it_is_closed_and_says_how_to_open_it() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(values(upstream, **BEYOND)) as running:
        answer = await running.client.get("/metrics", headers={"authorization": "Bearer x"})
    assert (answer.status_code, answer.headers["x-hybridge-error"]) == (403, "endpoint_not_allowed")
    assert "set admin.token" in answer.json()["error"]["message"]

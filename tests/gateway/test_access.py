"""Who may call: keys in five places, their models, host names, pages; and keys that stay where they are."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.gateway.asking import DIALECTS, ask, chain, error_of, in_each_dialect, never, question, refused
from tests.gateway.harness import Upstream, answering, gateway, openai_reply

KEYS: dict[str, object] = {
    "mode": "keys",
    "keys": [{"name": "app", "key": "vk-secret"}, {"name": "small", "key": "vk-small", "models": ["m", "q"]}],
}
PLACES = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "?key="]


def placed(place: str, secret: str) -> tuple[str, dict[str, str]]:
    """What is added to the path, and the headers, for a key in this place."""
    if place == "?key=":
        return f"key={secret}", {}
    return "", {place: f"Bearer {secret}" if place == "authorization" else secret}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_key_is_known_in_each_of_five_places_and_goes_no_further(
    dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("hybridge", "uvicorn", "asyncio"):
        caplog.set_level(logging.DEBUG, name)
    async with (
        Upstream(answering(200, openai_reply())) as upstream,
        gateway(chain(upstream, access=KEYS)) as running,
    ):
        path, body = question(dialect)
        for place in PLACES:
            for secret, status in (("vk-secret", 200), ("vk-wrong", 401)):
                query, headers = placed(place, secret)
                answer = await running.client.post(f"{path}?{query}&x=1", json=body, headers=headers)
                assert answer.status_code == status, (place, answer.text)
                if status == 401:
                    refused(answer, 401, "invalid_api_key", dialect)
        refused(await running.post(path, body), 401, "invalid_api_key", dialect)
        refused(await running.post(path, body, authorization="Basic dms6dms="), 401, "invalid_api_key", dialect)
        assert (await running.post(path, body, authorization="bearer vk-secret")).status_code == 200
        assert len(upstream.received) == 6
        for received in upstream.received:
            sent = f"{received.path} {received.headers} {received.body!r}"
            assert "vk-" not in sent
            assert received.headers["authorization"] == "Bearer test-key"
        assert {entry.key for entry in running.entries} == {"app"}
        # A failure is logged, an unknown path too: without the key.
        await running.client.post("/v1/nothing?key=vk-secret", json={})
        await running.client.post(f"{path}?key=vk-secret", content=b"{")
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert ours
    assert not [record for record in ours if "vk-" in record.getMessage()]


@in_each_dialect
async def test_a_key_has_its_models(dialect: str) -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        values = chain(upstream, access=KEYS)
        values["models"] = {"m": {"deployments": ["a/x"]}, "n": {"deployments": ["a/y"]}}
        async with gateway(values) as running:
            path, body = question(dialect)
            assert (await running.post(path, body, x_api_key="vk-small")).status_code == 200
            path, body = question(dialect, "n")
            answer = await running.post(path, body, x_api_key="vk-small")
            error = refused(answer, 403, "model_not_allowed", dialect)
            assert "m" in error["message"]
            assert (await running.post(path, body, x_api_key="vk-secret")).status_code == 200
            # Neither by the deployment's own name.
            path, body = question(dialect, "a/y")
            refused(await running.post(path, body, x_api_key="vk-small"), 403, "model_not_allowed", dialect)
            assert [received.json["model"] for received in upstream.received] == ["x", "y"]


async def test_a_fallback_is_no_way_around_a_keys_models() -> None:
    async with Upstream(answering(500, b"")) as first, Upstream(never()) as second:
        values = chain(first, second, access=KEYS)
        values["models"] = {"m": {"deployments": ["a/x"], "fallbacks": ["n"]}, "n": {"deployments": ["b/y"]}}
        async with gateway(values) as running:
            answer = await running.post(*question("openai"), x_api_key="vk-small")
            refused(answer, 502, "all_deployments_failed")
            answer = await running.post(*question("openai", models=["n"]), x_api_key="vk-small")
            refused(answer, 502, "all_deployments_failed")


async def test_the_list_of_models_is_the_keys() -> None:
    async with Upstream(never()) as upstream:
        values = chain(upstream, access=KEYS)
        values["models"] = {name: {"deployments": [f"a/{name}"]} for name in ("m", "n")}
        async with gateway(values) as running:
            for path, headers, status in (
                ("/v1/models", {"x-api-key": "vk-small"}, 200),
                ("/v1/models", {}, 401),
                ("/v1/models/m", {"x-api-key": "vk-small"}, 200),
                ("/v1/models/n", {"x-api-key": "vk-small"}, 403),
                ("/v1/models/n", {}, 401),
                ("/v1/requests/req_1", {}, 401),
            ):
                answer = await running.client.get(path, headers=headers)
                assert answer.status_code == status, path
            answer = await running.client.get("/v1/models", headers={"x-api-key": "vk-small"})
            assert [one["id"] for one in answer.json()["data"]] == ["m"]
            answer = await running.client.get("/v1/models", headers={"x-api-key": "vk-secret"})
            assert {"m", "n"} <= {one["id"] for one in answer.json()["data"]}
            answer = await running.post("/v1/route/explain", {"model": "m", "messages": []})
            assert answer.status_code == 401
            answer = await running.post(
                "/v1/messages/count_tokens", question("anthropic", "n")[1], x_api_key="vk-small"
            )
            refused(answer, 403, "model_not_allowed", "anthropic")
            # Whoever watches the process needs no key.
            assert (await running.client.get("/healthz")).status_code == 200
            assert (await running.client.get("/readyz")).status_code == 200


async def test_open_access_honours_a_known_key_with_its_limits() -> None:
    values: dict[str, Any] = {"access": {**KEYS, "mode": "open"}}
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream, **values)) as running:
        path, body = question("openai")
        for headers in ({}, {"x-api-key": "whatever"}, {"authorization": "Bearer sk-anything"}):
            assert (await running.client.post(path, json=body, headers=headers)).status_code == 200
        assert {entry.key for entry in running.entries} == {"open"}
        assert (await running.post(path, body, x_api_key="vk-small")).status_code == 200
        assert running.entries[-1].key == "small"
        refused(await running.post(*question("openai", "a/y"), x_api_key="vk-small"), 403, "model_not_allowed")


@in_each_dialect
async def test_on_loopback_only_loopback_names_are_answered(dialect: str) -> None:
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream)) as running:
        path, body = question(dialect)
        for host in ("localhost", "localhost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]", "LOCALHOST", "a.localhost:1"):
            assert (await running.post(path, body, host=host)).status_code == 200, host
        seen = len(upstream.received)
        for host in ("evil.com", "evil.com:8080", "127.0.0.1.evil.com", "localhost.evil.com", "192.168.0.1", "x"):
            error = refused(await running.post(path, body, host=host), 403, "origin_not_allowed", dialect)
            assert "loopback" in error["message"]
        assert len(upstream.received) == seen


@in_each_dialect
async def test_a_page_must_be_listed(dialect: str) -> None:
    ours = "https://app.example"
    values: dict[str, Any] = {"server": {"cors": [ours]}}
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream, **values)) as running:
        path, body = question(dialect)
        for origin in ("https://evil.example", "null", "http://app.example", f"{ours}.evil.example", running.url):
            answer = await running.post(path, body, origin=origin)
            refused(answer, 403, "origin_not_allowed", dialect)
            assert "access-control-allow-origin" not in answer.headers
        answer = await running.client.options(path, headers={"origin": "https://evil.example"})
        assert answer.status_code == 403
        assert not upstream.received
        answer = await running.post(path, body, origin=ours)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == ours
        assert answer.headers["vary"] == "origin"
        # An error can be read by the page as well.
        answer = await running.post(path, b"{", origin=ours)
        refused(answer, 400, "invalid_request", dialect)
        assert answer.headers["access-control-allow-origin"] == ours


async def test_a_browser_asks_before_it_calls() -> None:
    values: dict[str, Any] = {"server": {"cors": ["https://app.example"]}, "access": KEYS}
    async with Upstream(never()) as upstream, gateway(chain(upstream, **values)) as running:
        answer = await running.client.options(
            "/v1/chat/completions",
            headers={
                "origin": "https://app.example",
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type,x-stainless-os",
            },
        )
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"].split(",")
        assert {"authorization", "content-type", "x-stainless-os"} <= set(allowed)


async def test_minimal_hides_deployments_and_attempts_everywhere() -> None:
    scripts = [answering(200, openai_reply()), answering(500, {"error": {"message": "a/x is down"}})]
    async with Upstream(*scripts) as upstream:
        values = chain(upstream, access={"mode": "open", "reveal": "minimal"}, breaker={"failures": 1})
        values["models"]["m"]["deployments"] = ["a/hidden-name"]  # type: ignore[index]
        values["models"]["m"]["price"] = {"a/hidden-name": {"input": 1, "output": 2}}  # type: ignore[index]
        async with gateway(values) as running:
            answer = await running.chat("m")
            assert answer.headers["x-hybridge-cost"] == "0.3945 VND"
            answers = [answer]
            record = await running.client.get(f"/v1/requests/{answer.headers['x-hybridge-request-id']}")
            assert record.json()["cost_nano_usd"] == 15_000
            failed = await running.chat("m")
            error = refused(failed, 502, "all_deployments_failed")
            assert "attempts" not in error
            assert failed.headers["x-should-retry"] == "false"
            short = await running.chat("m", route={"budget": "0.0001 VND"})
            quote = refused(short, 402, "budget_exceeded")["quote"]
            assert quote["text"].endswith("VND")
            ill = await ask(running, "gemini", cachedContent="cachedContents/1")
            told = error_of("gemini", ill.json())
            assert told["code"] == "unsupported_parameter"
            answers += [record, failed, short, ill, await running.chat("m")]
            answers += [await running.client.get("/v1/models"), await running.client.get("/v1/models/m")]
            body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
            explained = await running.post("/v1/route/explain", body)
            assert explained.json()["estimate"]
            answers += [explained, await running.post("/v1/route/explain", {**body, "route": {"budget": "0 VND"}})]
            for each in answers:
                seen = each.text + json.dumps(dict(each.headers))
                for hidden in (
                    "hidden-name",
                    "x-hybridge-deployment",
                    "x-hybridge-attempts",
                    '"a"',
                    "a/x",
                    "127.0.0.1:",
                ):
                    assert hidden not in seen, (hidden, seen)

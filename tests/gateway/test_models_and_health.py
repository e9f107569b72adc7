"""Lists of models in three shapes, counting, health, overload, and the way out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from hybridge import app
from hybridge.config import load
from hybridge.ledger.store import MemoryLedger
from hybridge.server.application import Application
from hybridge.server.listen import Listener, Place
from tests.gateway.asking import DIALECTS, ask, chain, events, never, question, refused
from tests.gateway.harness import Link, Received, Script, Upstream, gateway, openai_chunks, openai_reply


async def test_models_in_three_shapes() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        get = running.client.get
        listed = (await get("/v1/models")).json()
        assert listed["object"] == "list"
        (one,) = [each for each in listed["data"] if each["id"] == "m"]
        assert (one["object"], one["owned_by"]) == ("model", "a")
        assert one["pricing"] == {
            "currency": "VND",
            "unit": "per million tokens",
            "input": "26300",
            "output": "52600",
            "cache_read": "26300",
        }
        assert [each["id"] for each in one["deployments"]] == ["a/x"]
        assert one.keys() >= {"capabilities", "context_length", "max_output_tokens"}
        assert (await get("/v1/models/m")).json() == one

        anthropics = {"anthropic-version": "2023-06-01"}
        listed = (await get("/v1/models", headers=anthropics)).json()
        assert listed["has_more"] is False
        assert listed["first_id"] == listed["data"][0]["id"]
        (one,) = [each for each in listed["data"] if each["id"] == "m"]
        assert (one["type"], one["display_name"]) == ("model", "m")
        assert (await get("/v1/models/m", headers=anthropics)).json() == one

        for path, headers in (("/v1beta/models", {}), ("/v1/models", {"x-goog-api-key": "any"})):
            listed = (await get(path, headers=headers)).json()
            (one,) = [each for each in listed["models"] if each["name"] == "models/m"]
            assert "generateContent" in one["supportedGenerationMethods"]
            assert (await get(f"{path}/m", headers=headers)).json() == one


async def test_one_model_by_any_name_and_none() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for name in ("m", "a/x", "a%2Fx", "a/other:free"):
            assert (await running.client.get(f"/v1/models/{name}")).status_code == 200, name
        for path, headers, dialect in (
            ("/v1/models/nobody", {}, "openai"),
            ("/v1/models/nobody", {"anthropic-version": "2023-06-01"}, "anthropic"),
            ("/v1/models/nobody", {"x-goog-api-key": "any"}, "gemini"),
            ("/v1beta/models/nobody", {}, "gemini"),
        ):
            refused(await running.client.get(path, headers=headers), 404, "model_not_found", dialect)


async def test_tokens_are_counted_here() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        _, body = question("anthropic", said="Xin chào Hà Nội")
        del body["max_tokens"]
        few = (await running.post("/v1/messages/count_tokens", body)).json()["input_tokens"]
        _, body = question("anthropic", said="Xin chào Hà Nội " * 100)
        many = (await running.post("/v1/messages/count_tokens", body)).json()["input_tokens"]
        assert 0 < few < 30 < many
        _, body = question("gemini", said="Xin chào Hà Nội")
        for each in (body, {"generateContentRequest": {"model": "models/m", **body}}):
            assert 0 < (await running.post("/v1beta/models/m:countTokens", each)).json()["totalTokens"] < 30
        _, body = question("anthropic", "nobody")
        refused(await running.post("/v1/messages/count_tokens", body), 404, "model_not_found", "anthropic")
        refused(await running.post("/v1/messages/count_tokens", b"{"), 400, "invalid_request", "anthropic")
        refused(await running.post("/v1beta/models/m:countTokens", b"[]"), 400, "invalid_request", "gemini")
        assert not running.entries


async def test_health_depends_on_no_provider() -> None:
    async with Upstream(never()) as upstream:
        values = chain(upstream)
        values["providers"]["a"]["base_url"] = "http://127.0.0.1:9/v1"  # type: ignore[index]
        async with gateway(values) as running:
            for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
                answer = await running.client.get(path)
                assert (answer.status_code, answer.json()["status"]) == (200, status)


def waiting(go: asyncio.Event) -> Script:
    """Says a word of a stream, waits, and says the rest."""

    async def script(received: Received, link: Link) -> None:
        if not received.json.get("stream"):
            await go.wait()
            await link.reply(200, openai_reply())
            return
        pieces = openai_chunks("Hel", "lo")
        await link.stream(pieces[:2], end=False)
        await go.wait()
        for piece in pieces[2:]:
            await link.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await link.send(b"0\r\n\r\n")

    return script


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_too_many_at_once_are_told_to_come_back(dialect: str) -> None:
    go = asyncio.Event()
    values: dict[str, Any] = {"server": {"concurrency": 2}}
    async with Upstream(waiting(go)) as upstream, gateway(chain(upstream, **values)) as running:
        first = [asyncio.create_task(ask(running, "openai", stream=stream)) for stream in (True, False)]
        async with asyncio.timeout(5):
            while len(upstream.received) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        answer = await ask(running, dialect)
        refused(answer, 429, "overloaded", dialect)
        assert answer.headers["retry-after"] == "1"
        for path in ("/healthz", "/readyz"):
            assert (await running.client.get(path)).status_code == 200
        go.set()
        assert [each.status_code for each in await asyncio.gather(*first)] == [200, 200]
        assert (await ask(running, "openai")).status_code == 200


async def test_a_signal_lets_what_is_under_way_end_and_turns_the_rest_away() -> None:
    go = asyncio.Event()
    async with Upstream(waiting(go)) as upstream:
        config = load({**chain(upstream), "server": {"port": 0}}, {})
        running = app.start(app.assemble(config), MemoryLedger())
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        listener = Listener(Application(app.front(running)), Place("127.0.0.1", 0, drain=20), ready.set_result)
        task = asyncio.create_task(listener.listen())
        async with httpx2.AsyncClient(base_url=await ready, timeout=10, trust_env=False) as client:
            path, body = question("openai", stream=True)
            async with client.stream("POST", path, json=body) as answer:
                pieces = answer.aiter_bytes()
                said = await anext(pieces)
                listener.drain()
                await asyncio.sleep(0.3)
                # A connection that is there, and one that is new.
                for _ in range(2):
                    async with httpx2.AsyncClient(base_url=str(client.base_url), trust_env=False) as late:
                        for dialect in DIALECTS:
                            turned = await late.post(question(dialect)[0], content=json.dumps(question(dialect)[1]))
                            refused(turned, 503, "draining", dialect)
                            assert turned.headers["retry-after"] == "1"
                        assert (await late.get("/readyz")).status_code == 503
                        assert (await late.get("/healthz")).status_code == 200
                go.set()
                async for piece in pieces:
                    said += piece
        await asyncio.wait_for(task, 5)
        await running.aclose()
        words = [each["choices"][0]["delta"].get("content") for each in events(said.decode())]
        assert words == ["", "Hel", "lo", None]
        assert isinstance(running.ledger, MemoryLedger)
        assert [entry.status for entry in running.ledger.entries] == [200]


async def test_a_drain_has_an_end() -> None:
    async with Upstream(waiting(asyncio.Event())) as upstream:
        config = load({**chain(upstream), "server": {"port": 0}}, {})
        running = app.start(app.assemble(config), MemoryLedger())
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        listener = Listener(Application(app.front(running)), Place("127.0.0.1", 0, drain=0.1), ready.set_result)
        task = asyncio.create_task(listener.listen())
        async with httpx2.AsyncClient(base_url=await ready, timeout=10, trust_env=False) as client:
            path, body = question("openai", stream=True)
            async with client.stream("POST", path, json=body) as answer:
                await anext(answer.aiter_bytes())
                listener.drain()
                await asyncio.wait_for(task, 5)
        await running.aclose()
        assert isinstance(running.ledger, MemoryLedger)
        (entry,) = running.ledger.entries
        assert (entry.status, entry.attempts[0].cost_source) == (499, "estimated")

"""The library: the same engine without a server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hybridge import CircuitBreaker, Hybridge, Router
from hybridge.errors import AllDeploymentsFailed, HybridgeError, ModelNotFound
from hybridge.ledger.store import MemoryLedger
from hybridge.providers.catalog import Catalog
from hybridge.providers.settings import ProviderSetting
from tests.gateway.harness import (
    Link,
    Received,
    Upstream,
    answering,
    openai_chunks,
    openai_reply,
    provider,
    streaming,
)

HELLO = [{"role": "user", "content": "hello"}]


def config(upstream: Upstream) -> dict[str, object]:
    return {
        "providers": {"p": provider(upstream)},
        "models": {"m": {"deployments": ["p/x"], "price": {"p/x": {"input": 1, "output": 2}}}},
        "retries": {"attempts": 1},
    }


async def test_chat_gives_an_openai_answer_and_what_it_cost() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        async with Hybridge.from_config(config(upstream), ledger=MemoryLedger()) as hybridge:
            answer = await hybridge.chat(model="m", messages=HELLO, temperature=0.1, route={"budget": "1000 VND"})
            assert answer.choices[0].message.content == answer["choices"][0]["message"]["content"] == "Hi there."
            assert answer.hybridge.deployment == "p/x"
            assert answer.hybridge.attempts == "p/x=200"
            assert answer.hybridge.cost == "0.3945 VND"
            assert "hybridge" not in answer
        assert "route" not in upstream.received[0].json


async def test_stream_gives_chunks_and_raises_what_went_wrong() -> None:
    scripts = (streaming(openai_chunks("Hel", "lo")), answering(500, {"error": "no"}))
    async with (
        Upstream(*scripts) as upstream,
        Hybridge.from_config(config(upstream), ledger=MemoryLedger()) as hybridge,
    ):
        words = [
            chunk.choices[0].delta.get("content", "") async for chunk in hybridge.stream(model="m", messages=HELLO)
        ]
        assert "".join(words) == "Hello"
        with pytest.raises(AllDeploymentsFailed):
            async for _ in hybridge.stream(model="m", messages=HELLO):
                pass


async def test_leaving_a_stream_cancels_the_provider() -> None:
    links: list[Link] = []

    async def endless(received: Received, link: Link) -> None:
        links.append(link)
        await link.stream(openai_chunks("Hel", "lo")[:2], end=False)
        await link.until_closed()

    ledger = MemoryLedger()
    async with Upstream(endless) as upstream, Hybridge.from_config(config(upstream), ledger=ledger) as hybridge:
        stream = hybridge.stream(model="m", messages=HELLO)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
        await links[0].closed.wait()
    (entry,) = ledger.entries
    assert (entry.status, entry.attempts[0].cost_source) == (499, "estimated")


async def test_explain_and_errors() -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        hybridge = Hybridge.from_config(config(upstream), ledger=MemoryLedger())
        with pytest.raises(HybridgeError, match="async with"):
            await hybridge.chat(model="m", messages=HELLO)
        async with hybridge:
            record = await hybridge.explain(model="m", messages=HELLO)
            assert record["chain"] == ["p/x"]
            with pytest.raises(ModelNotFound):
                await hybridge.chat(model="nobody-knows", messages=HELLO)
        assert not upstream.received


def test_parts_work_alone() -> None:
    breaker = CircuitBreaker(failures=1, reset_after=60)
    assert breaker.admit()
    breaker.failure()
    assert not breaker.admit()
    router = Router(Catalog([ProviderSetting(id="openai", keys=("k",))]))
    assert "hybrid" in repr(router)


def test_importing_the_package_imports_no_room() -> None:
    code = "import sys, hybridge; print([n for n in sys.modules if n.startswith('hybridge.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

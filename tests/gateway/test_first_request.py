"""A request's whole way, in every pair of dialects, whole and streamed."""

from __future__ import annotations

import json

import pytest

from tests.gateway.harness import (
    Upstream,
    answering,
    anthropic_reply,
    gateway,
    gemini_reply,
    openai_chunks,
    openai_reply,
    provider,
    streaming,
)

REPLIES = {"openai": openai_reply, "anthropic": anthropic_reply, "gemini": gemini_reply}
REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "openai": ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hello"}]}),
    "anthropic": (
        "/v1/messages",
        {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]},
    ),
    "gemini": ("/v1beta/models/m:generateContent", {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
}


def said(dialect: str, body: dict[str, object]) -> str:
    """The text of an answer in some dialect."""
    paths = {
        "openai": ("choices", 0, "message", "content"),
        "anthropic": ("content", 0, "text"),
        "gemini": ("candidates", 0, "content", "parts", 0, "text"),
    }
    found: object = body
    for step in paths[dialect]:
        found = found[step]  # type: ignore[index]
    return str(found)


@pytest.mark.parametrize("theirs", REPLIES)
@pytest.mark.parametrize("ours", REPLIES)
async def test_every_client_dialect_reaches_every_provider_dialect(ours: str, theirs: str) -> None:
    async with Upstream(answering(200, REPLIES[theirs]())) as upstream:
        config = {
            "providers": {"p": provider(upstream, theirs)},
            "models": {"m": {"deployments": ["p/real-name"], "price": {"p/real-name": {"input": 1, "output": 2}}}},
        }
        async with gateway(config) as running:
            path, body = REQUESTS[ours]
            answer = await running.post(path, body)
            assert answer.status_code == 200, answer.text
            assert said(ours, answer.json()) == "Hi there."
            assert answer.headers["x-hybridge-deployment"] == "p/real-name"
            assert answer.headers["x-hybridge-kind"] == "direct"
            assert answer.headers["x-hybridge-policy"] == "hybrid"
            assert answer.headers["x-hybridge-attempts"] == "p/real-name=200"
            # 9 tokens at 1 USD and 3 at 2 USD a million are 15,000 nano-USD, at 26,300 VND a dollar.
            assert answer.headers["x-hybridge-cost"] == "0.3945 VND"
            (entry,) = running.entries
            assert entry.id == answer.headers["x-hybridge-request-id"]
            assert (entry.status, entry.cost_nano_usd) == (200, 15_000)
            sent = upstream.received[0]
            assert sent.headers["user-agent"].startswith("hybridge/")
            assert "real-name" in sent.path or sent.json["model"] == "real-name"


async def test_a_stream_passes_byte_for_byte_but_for_the_usage_nobody_asked_for() -> None:
    chunks = openai_chunks("Hel", "lo")
    async with Upstream(streaming(chunks)) as upstream:
        config = {"providers": {"p": provider(upstream)}, "models": {"m": {"deployments": ["p/x"]}}}
        async with gateway(config) as running:
            answer = await running.chat("m", stream=True)
            assert answer.content == b"".join(chunks[:-2] + chunks[-1:])
            assert upstream.received[0].json["stream_options"] == {"include_usage": True}
            (entry,) = running.entries
            assert entry.attempts[0].usage is not None
            assert (entry.attempts[0].usage.input, entry.attempts[0].usage.output) == (9, 2)
            answer = await running.chat("m", stream=True, stream_options={"include_usage": True})
            assert answer.content == b"".join(chunks)


async def test_the_chain_falls_back_unseen_and_says_so() -> None:
    down = {"error": {"message": "overloaded", "type": "server_error", "code": None}}
    async with Upstream(answering(503, down)) as first, Upstream(answering(200, anthropic_reply("Here."))) as second:
        config = {
            "providers": {"a": provider(first), "b": provider(second, "anthropic", kind="gateway")},
            "models": {"m": {"deployments": ["a/x", "b/y"]}},
        }
        async with gateway(config) as running:
            answer = await running.chat("m", presence_penalty=0.5, user="u", stream=False)
            assert answer.status_code == 200
            assert said("openai", answer.json()) == "Here."
            assert answer.headers["x-hybridge-attempts"] == "a/x=503;b/y=200"
            assert "presence_penalty" in answer.headers["x-hybridge-dropped"]
            assert answer.headers["x-hybridge-cost"] == "unpriced"
            (entry,) = running.entries
            assert [attempt.error_class for attempt in entry.attempts] == ["broken", ""]
            assert entry.user == "u"


@pytest.mark.parametrize("dialect", REQUESTS)
async def test_errors_speak_the_clients_dialect(dialect: str) -> None:
    async with Upstream(answering(500, {"error": {"message": "boom"}})) as upstream:
        config = {
            "providers": {"p": provider(upstream)},
            "models": {"m": {"deployments": ["p/x"]}},
            "retries": {"attempts": 1},
        }
        async with gateway(config) as running:
            path, body = REQUESTS[dialect]
            answer = await running.post(path, body)
            assert answer.status_code == 502
            assert answer.headers["x-hybridge-error"] == "all_deployments_failed"
            assert answer.headers["x-should-retry"] == "false"
            told = answer.json()["error"]
            code = told["details"][0]["reason"] if dialect == "gemini" else told["code"]
            assert code == "all_deployments_failed"
            assert json.dumps(answer.json()).count("boom") >= 1

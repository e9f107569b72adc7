"""Answers that a provider's filter held back, with status 200, whole and streamed."""

from __future__ import annotations

import json

import pytest

from tests.gateway.harness import (
    Script,
    Upstream,
    answering,
    anthropic_reply,
    gateway,
    openai_chunks,
    openai_reply,
    provider,
    streaming,
)


def held_back() -> Script:
    """An OpenAI answer without a word, ended by the filter."""
    message = {"role": "assistant", "content": None}
    return answering(200, openai_reply(choices=[{"index": 0, "message": message, "finish_reason": "content_filter"}]))


def held_back_stream() -> Script:
    """The same as a stream."""
    first, *_, done = openai_chunks()
    last = json.loads(first[6:])
    last["choices"][0] |= {"delta": {}, "finish_reason": "content_filter"}
    return streaming([first, b"data: " + json.dumps(last).encode() + b"\n\n", done])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["pass", "fallback"])
async def test_a_filtered_answer_is_passed_on_or_asked_elsewhere(choice: str, stream: bool) -> None:
    first = held_back_stream() if stream else held_back()
    second = streaming(openai_chunks("Here.")) if stream else answering(200, openai_reply("Here."))
    async with Upstream(first) as one, Upstream(second) as other:
        config = {
            "providers": {"a": provider(one), "b": provider(other)},
            "models": {"m": {"deployments": ["a/x", "b/y"]}},
            "routing": {"content_filter": choice},
        }
        async with gateway(config) as running:
            answer = await running.chat("m", stream=stream)
            assert answer.status_code == 200
            if choice == "pass":
                assert '"content_filter"' in answer.text
                assert answer.headers["x-hybridge-attempts"] == "a/x=200"
            else:
                assert "Here." in answer.text
                assert answer.headers["x-hybridge-attempts"] == "a/x=content_filtered;b/y=200"


async def test_a_filter_of_another_dialect_counts_as_well() -> None:
    refusal = anthropic_reply(content=[], stop_reason="refusal")
    async with Upstream(answering(200, refusal)) as one, Upstream(answering(200, openai_reply("Here."))) as other:
        config = {
            "providers": {"a": provider(one, "anthropic"), "b": provider(other)},
            "models": {"m": {"deployments": ["a/x", "b/y"]}},
            "routing": {"content_filter": "fallback"},
        }
        async with gateway(config) as running:
            answer = await running.chat("m")
            assert answer.headers["x-hybridge-attempts"] == "a/x=content_filtered;b/y=200"


async def test_an_anthropic_request_says_how_long_its_answer_may_be() -> None:
    async with Upstream(answering(200, anthropic_reply())) as upstream:
        config = {"providers": {"a": provider(upstream, "anthropic")}, "models": {"m": {"deployments": ["a/x"]}}}
        async with gateway(config) as running:
            body = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
            answer = await running.post("/v1/messages", body)
            assert answer.status_code == 400
            assert "max_tokens" in answer.json()["error"]["message"]
            assert (await running.post("/v1/messages/count_tokens", body)).json()["input_tokens"] > 0
    assert not upstream.received

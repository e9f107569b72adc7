"""Counts that no provider can mean."""

from __future__ import annotations

import json

from hybridge.dialects import dialect
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS
from tests.gateway.asking import chain
from tests.gateway.harness import Upstream, answering, anthropic_reply, gateway, openai_reply


def test_counts_below_zero_count_as_none() -> None:
    said = {"input_tokens": -1, "output_tokens": -2, "cache_read_input_tokens": -3, "cache_creation_input_tokens": -4}
    written = {"ephemeral_5m_input_tokens": 9, "ephemeral_1h_input_tokens": -9}
    thinking = {"thinking_tokens": -5}
    body = anthropic_reply(usage={**said, "cache_creation": written, "output_tokens_details": thinking})
    reply = dialect("anthropic").provider.decode_reply(json.dumps(body).encode(), NO_QUIRKS)
    assert reply.usage == Usage(cache_write=9)
    metadata = {"promptTokenCount": 5, "cachedContentTokenCount": -7, "thoughtsTokenCount": -7}
    parts = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}]}
    answer = json.dumps({**parts, "usageMetadata": metadata}).encode()
    assert dialect("gemini").provider.decode_reply(answer, NO_QUIRKS).usage == Usage(input=5)


async def test_a_bill_beyond_belief_is_none() -> None:
    usage = {"prompt_tokens": 10**30, "completion_tokens": 1}
    async with Upstream(answering(200, openai_reply(usage=usage))) as upstream, gateway(chain(upstream)) as running:
        answer = await running.chat("m")
        assert answer.headers["x-hybridge-cost"] == "unpriced"
        (attempt,) = running.entries[0].attempts
        assert (attempt.usage, attempt.cost_nano_usd, attempt.cost_source) == (None, None, "unpriced")

"""What is wrong deep inside of a request that nobody reads at first."""

from __future__ import annotations

import json

import pytest

from tests.gateway.asking import chain, question, refused
from tests.gateway.harness import Upstream, answering, anthropic_reply, gateway, openai_reply


@pytest.mark.parametrize("member", ["route", "models", "provider"])
async def test_options_that_are_no_text(member: str) -> None:
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream)) as running:
        path, body = question("openai")
        body[member] = ["mark"]
        inside = b'["\xed\xa0\x80"]' if member == "models" else b'{"policy":"\xed\xa0\x80","sort":"\xed\xa0\x80"}'
        answer = await running.post(path, json.dumps(body).encode().replace(b'["mark"]', inside))
        assert refused(answer, 400, "invalid_request")["param"] == member


@pytest.mark.parametrize("default", [b"1e999", b"9" * 500 + b".5", b'"\xff"'])
async def test_a_schema_that_cannot_be_read(default: bytes) -> None:
    async with (
        Upstream(answering(200, anthropic_reply())) as upstream,
        gateway(chain(upstream, dialects=["gemini"])) as running,
    ):
        tool = {"type": "function", "function": {"name": "w", "parameters": {"type": "object", "properties": "mark"}}}
        path, body = question("openai", tools=[tool])
        schema = b'{"a":{"type":"number","default":%b}}' % default
        answer = await running.post(path, json.dumps(body).encode().replace(b'"mark"', schema))
        refused(answer, 400, "invalid_request")
        assert upstream.received == []

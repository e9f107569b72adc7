"""A provider that refuses the thoughts in a conversation is asked again without them."""

from __future__ import annotations

from tests.gateway.asking import chain
from tests.gateway.harness import Upstream, answering, anthropic_reply, gateway

THOUGHT = {"type": "thinking", "thinking": "Sunny, I think.", "signature": "EqQBCgIYAhIkMDEyMzQ1Njc4OWFiY2RlZg=="}
BODY = {
    "model": "m",
    "max_tokens": 2000,
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Sunny."}]},
        {"role": "user", "content": "Sure?"},
    ],
}
REFUSAL = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "messages.1.content.0: Invalid `signature` in `thinking` block",
    },
}


async def test_it_is_asked_once_more_without_them_and_the_client_is_told() -> None:
    scripts = answering(400, REFUSAL), answering(200, anthropic_reply())
    async with Upstream(*scripts) as a, gateway(chain(a, dialects=["anthropic"])) as running:
        answer = await running.post("/v1/messages", BODY, anthropic_version="2023-06-01")
        assert answer.status_code == 200, answer.text
        first, second = (received.json["messages"] for received in a.received)
        assert first == BODY["messages"]
        assert THOUGHT["signature"] not in a.received[1].body.decode()
        assert [turn["role"] for turn in second] == ["user", "assistant", "user"]
        assert answer.headers["x-hybridge-dropped"] == "reasoning"
        assert answer.headers["x-hybridge-attempts"] == "a/x=400;a/x=200"
        assert running.running.breakers["a/x"].state == "closed"


async def test_who_refuses_them_again_is_not_asked_for_ever() -> None:
    async with Upstream(answering(400, REFUSAL)) as a, gateway(chain(a, dialects=["anthropic"])) as running:
        answer = await running.post("/v1/messages", BODY, anthropic_version="2023-06-01")
        assert answer.status_code == 400
        assert len(a.received) == 2

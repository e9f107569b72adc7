"""Requests of this dialect on their way through."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hybridge.dialects import dialect
from hybridge.dialects.codec import Outgoing, Target
from hybridge.types import Bounds, Quirks

OPENAI = dialect("openai")
TARGET = Target(model="theirs", name="ours", stream=False)
USER = {"role": "user", "content": "hi"}


def adapt(body: bytes, target: Target = TARGET) -> Outgoing:
    return OPENAI.provider.adapt(OPENAI.client.read_facts(body), target)


def adapted(target: Target = TARGET, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(
        adapt(msgspec.json.encode({"model": "m", "messages": [USER], **fields}), target).body
    )
    return found


def test_only_the_model_changes_byte_for_byte() -> None:
    body = (
        b'{"messages":[{"role":"user", "content":"h\\u00e9","future":1e2}],"model":"m","zeta":{"a": [1,  2]}, "b":1.0}'
    )
    expected = body.replace(b'"model":"m"', b'"model":"theirs"').replace(b'}, "b"', b'},"b"')
    outgoing = adapt(body)
    assert outgoing.body == expected
    assert outgoing.dropped == ()


def test_our_own_members_leave_without_a_word() -> None:
    target = replace(TARGET, strip=frozenset(("route", "provider", "models")))
    outgoing = adapt(
        msgspec.json.encode(
            {"model": "m", "messages": [USER], "route": {"a": 1}, "provider": {}, "models": ["x"], "top_k": 1}
        ),
        target,
    )
    assert set(msgspec.json.decode(outgoing.body)) == {"model", "messages", "top_k"}
    assert outgoing.dropped == ()


def test_usage_is_asked_for_in_streams() -> None:
    assert adapted(stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in adapted(stream=False)
    kept = adapted(stream=True, stream_options={"include_obfuscation": False, "include_usage": False})
    assert kept["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert adapted(stream=True, stream_options=None)["stream_options"] == {"include_usage": True}
    refusing = replace(TARGET, quirks=Quirks(no_stream_options=True))
    assert "stream_options" not in adapted(refusing, stream=True)
    assert "stream_options" not in adapted(refusing, stream=True, stream_options={"include_usage": True})


@pytest.mark.parametrize(
    ("fields", "name", "expected"),
    [
        ({}, "gpt-4o", {"max_tokens": 50}),
        ({}, "gpt-5-mini", {"max_completion_tokens": 50}),
        ({"max_tokens": 100}, "gpt-4o", {"max_tokens": 50}),
        ({"max_completion_tokens": 100}, "gpt-4o", {"max_completion_tokens": 50}),
        ({"max_completion_tokens": 100, "max_tokens": 90}, "x", {"max_completion_tokens": 50, "max_tokens": 50}),
        ({"max_tokens": None}, "gpt-4o", {"max_tokens": 50}),
    ],
)
def test_a_budget_clamps_the_output(fields: dict[str, Any], name: str, expected: dict[str, int]) -> None:
    target = replace(TARGET, name=name, max_tokens=50)
    body = msgspec.json.encode({"model": "m", "messages": [USER], **fields})
    outgoing = adapt(body, target)
    found = msgspec.json.decode(outgoing.body)
    assert {key: value for key, value in found.items() if key.startswith("max_") and value is not None} == expected
    assert outgoing.dropped == ("max_tokens",)


def test_a_smaller_limit_is_left_alone() -> None:
    outgoing = adapt(
        msgspec.json.encode({"model": "m", "messages": [USER], "max_tokens": 10}), replace(TARGET, max_tokens=50)
    )
    assert msgspec.json.decode(outgoing.body)["max_tokens"] == 10
    assert outgoing.dropped == ()


def test_quirks_are_applied_and_named() -> None:
    target = replace(TARGET, quirks=Quirks(drop=("user",), clamp={"temperature": Bounds(max=1)}))
    outgoing = adapt(msgspec.json.encode({"model": "m", "messages": [USER], "user": "u", "temperature": 2}), target)
    assert msgspec.json.decode(outgoing.body)["temperature"] == 1
    assert set(outgoing.dropped) == {"user", "temperature"}


def history(**members: Any) -> bytes:
    return msgspec.json.encode(
        {"model": "m", "messages": [USER, {"role": "assistant", "content": "a", **members}, USER]}
    )


CLAUDE = {
    "reasoning_content": "x",
    "reasoning_details": [{"type": "reasoning.text", "text": "x", "signature": "s", "format": "anthropic-claude-v1"}],
}
SIGNED_CALL = {
    "tool_calls": [
        {
            "id": "a",
            "type": "function",
            "function": {"name": "f", "arguments": "{}"},
            "extra_content": {"google": {"thought_signature": "s"}},
        }
    ]
}


def test_another_vendors_reasoning_is_left_out_and_named() -> None:
    outgoing = adapt(history(**CLAUDE))
    assert msgspec.json.decode(outgoing.body)["messages"][1] == {"role": "assistant", "content": "a"}
    assert outgoing.dropped == ("reasoning",)


def test_a_gateway_keeps_reasoning_of_every_vendor() -> None:
    body = history(**CLAUDE)
    outgoing = adapt(body, replace(TARGET, quirks=Quirks(own_fields=("reasoning_details",))))
    assert msgspec.json.decode(outgoing.body)["messages"] == msgspec.json.decode(body)["messages"]
    assert outgoing.dropped == ()


def test_reasoning_that_could_be_the_providers_own_stays() -> None:
    for members in (
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "x", "format": None}]},
        {"reasoning_details": "odd"},
    ):
        body = history(**members)
        outgoing = adapt(body)
        assert msgspec.json.decode(outgoing.body)["messages"] == msgspec.json.decode(body)["messages"]
        assert outgoing.dropped == ()


def test_the_model_is_never_stripped() -> None:
    target = replace(TARGET, strip=frozenset(("model", "user")))
    assert adapted(target, user="u") == {"model": "theirs", "messages": [USER]}


def test_a_row_may_refuse_reasoning_altogether() -> None:
    target = replace(TARGET, quirks=Quirks(drop=("reasoning_content",)))
    outgoing = adapt(history(reasoning_content="x"), target)
    assert b"reasoning_content" not in outgoing.body
    assert outgoing.dropped == ("reasoning",)


def test_geminis_signature_goes_to_its_own_endpoint_only() -> None:
    outgoing = adapt(history(**SIGNED_CALL))
    assert b"extra_content" not in outgoing.body
    assert b'"arguments":"{}"' in outgoing.body
    assert outgoing.dropped == ("reasoning",)
    kept = adapt(history(**SIGNED_CALL), replace(TARGET, quirks=Quirks(own_fields=("extra_content",))))
    assert b"thought_signature" in kept.body
    assert kept.dropped == ()


def test_words_about_reasoning_are_no_reasoning() -> None:
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": 'say "reasoning_details"'}]})
    assert msgspec.json.decode(adapt(body).body)["messages"] == msgspec.json.decode(body)["messages"]
    assert adapt(body).dropped == ()

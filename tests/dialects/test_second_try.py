"""What a vendor that refused a conversation for its reasoning is asked next, and what is left of foreign thoughts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.dialects import dialect
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.foreign import begins_bare
from hybridge.types import Quirks
from tests.gateway.vendors import DUMMY, Claude, DeepSeek, Gemini, Kimi, Router, Vendor

PROOF = Claude().sign("claude thinks")
HELLO = {"role": "user", "content": "Hello"}


def adapted(spoken: str, body: dict[str, Any], model: str, *, bare: bool, **quirks: Any) -> tuple[Any, tuple[str, ...]]:
    facts = dialect(spoken).client.read_facts(json.dumps(body).encode(), "m", False)
    to = Target(model, model, stream=False, quirks=Quirks(**quirks), without_reasoning=bare)
    outgoing: Outgoing = dialect(spoken).provider.adapt(facts, to)
    return json.loads(outgoing.body), outgoing.dropped


def anthropic_body(*thoughts: dict[str, object], **more: object) -> dict[str, Any]:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1.0}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "x"}
    messages = [
        HELLO,
        {"role": "assistant", "content": [*thoughts, call]},
        {"role": "user", "content": [result]},
    ]
    return {"model": "m", "max_tokens": 4000, "messages": messages, "thinking": {"type": "enabled"}, **more}


def thought(signature: str) -> dict[str, object]:
    return {"type": "thinking", "thinking": "hm", "signature": signature}


def kinds(body: Any) -> list[str]:
    return [block["type"] for block in body["messages"][1]["content"]]


@pytest.mark.parametrize(
    "signature", ["", "91cfbb94-554b-4136-8e21-fa02280d56ed", "ab" * 32, "hybridge:gemini:CkQB", "hybridge::"]
)
def test_claude_gets_no_proof_that_is_surely_not_its_own(signature: str) -> None:
    body, dropped = adapted("anthropic", anthropic_body(thought(signature)), "claude-sonnet-4-5", bare=False)
    assert kinds(body) == ["tool_use"]
    # The round of calls began without a thought now.
    assert body["thinking"] == {"type": "disabled"}
    assert dropped == ("reasoning", "thinking")


def test_claude_gets_what_may_be_its_own_byte_for_byte() -> None:
    for signature in (PROOF, "of another form", "claude#x"):
        given = anthropic_body(thought(signature), {"type": "redacted_thinking", "data": "x"})
        body, dropped = adapted("anthropic", given, "claude-sonnet-4-5", bare=False)
        assert body["messages"] == given["messages"]
        assert body["thinking"] == {"type": "enabled"}
        assert dropped == ()


def test_an_own_thought_at_the_start_of_the_round_lets_claude_think_on() -> None:
    given = anthropic_body(thought(PROOF))
    later = [thought("hybridge::"), {"type": "tool_use", "id": "u", "name": "f", "input": {}}]
    result = {"type": "tool_result", "tool_use_id": "u", "content": "y"}
    given["messages"] += [{"role": "assistant", "content": later}, {"role": "user", "content": [result]}]
    body, dropped = adapted("anthropic", given, "claude-sonnet-4-5", bare=False)
    assert body["thinking"] == {"type": "enabled"}
    assert dropped == ("reasoning",)
    given["messages"] += [{"role": "assistant", "content": "Done."}, HELLO]
    given["messages"][1]["content"][0] = thought("")
    assert adapted("anthropic", given, "claude-sonnet-4-5", bare=False)[0]["thinking"] == {"type": "enabled"}


def test_a_round_of_calls_begins_where_the_user_spoke_last() -> None:
    bare, thoughtful = ("assistant", ["tool_use"]), ("assistant", ["thinking", "tool_use"])
    asked, result = ("user", ["text"]), ("user", ["tool_result"])
    assert begins_bare([asked, bare, result])
    assert begins_bare([asked, bare, result, thoughtful, result])
    assert not begins_bare([asked, bare, result, asked, thoughtful, result])
    assert not begins_bare([asked, bare, result, asked])
    assert not begins_bare([])


def test_an_edit_that_needs_thinking_goes_with_it() -> None:
    edits = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}, {"type": "clear_tool_uses_20250919"}]}
    body, dropped = adapted(
        "anthropic", anthropic_body(thought(""), context_management=edits), "claude-sonnet-4-5", bare=False
    )
    assert body["context_management"] == {"edits": [{"type": "clear_tool_uses_20250919"}]}
    assert dropped == ("reasoning", "thinking", "context_management")


def test_another_model_in_anthropics_dialect_gets_the_words() -> None:
    own = thought("ab" * 32)
    given = anthropic_body(
        thought(PROOF), thought("hybridge:gemini:x"), {"type": "redacted_thinking", "data": PROOF}, own
    )
    body, dropped = adapted("anthropic", given, "kimi-k2.5", bare=False)
    assert body["messages"][1]["content"][:3] == [thought(""), thought(""), own]
    assert kinds(body) == ["thinking"] * 3 + ["tool_use"]
    assert dropped == ("reasoning",)
    # What has no words, or is no proof at all, is nothing to give, or nothing to judge.
    silent: dict[str, object] = {"type": "thinking", "thinking": "", "signature": PROOF}
    assert kinds(adapted("anthropic", anthropic_body(silent), "kimi-k2.5", bare=False)[0]) == ["tool_use"]
    odd: dict[str, object] = {"type": "thinking", "thinking": "hm", "signature": 5}
    for model in ("kimi-k2.5", "claude-sonnet-4-5"):
        assert "thinking" in kinds(adapted("anthropic", anthropic_body(odd, thought("")), model, bare=False)[0])
    # Whose model it is nobody knows here, so that only marks tell.
    body, dropped = adapted("anthropic", given, "my-model", bare=False)
    assert kinds(body) == ["thinking", "redacted_thinking", "thinking", "tool_use"]
    assert dropped == ("reasoning",)


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "kimi-k2.5", "deepseek-v4-pro", "my-model"])
def test_anthropics_second_try_is_without_any_thought(model: str) -> None:
    given = anthropic_body(thought(PROOF), {"type": "redacted_thinking", "data": PROOF})
    body, dropped = adapted("anthropic", given, model, bare=True)
    assert kinds(body) == ["tool_use"]
    assert body["thinking"] == {"type": "disabled"}
    assert dropped == ("reasoning", "thinking")
    # What is JSON in a call keeps its form.
    assert body["messages"][1]["content"][0]["input"] == {"a": 1.0}


def test_adaptive_thinking_needs_no_thought_before() -> None:
    given = anthropic_body(thought(PROOF), thinking={"type": "adaptive"})
    body, dropped = adapted("anthropic", given, "claude-opus-4-7", bare=True)
    assert body["thinking"] == {"type": "adaptive"}
    assert dropped == ("reasoning",)


def gemini_body(*parts: dict[str, object]) -> dict[str, Any]:
    result = {"functionResponse": {"name": "f", "response": {}}}
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "Hello"}]},
            {"role": "model", "parts": list(parts)},
            {"role": "user", "parts": [result]},
        ]
    }


CALL: dict[str, object] = {"functionCall": {"name": "f", "args": {}}}


def test_the_first_call_of_each_step_is_signed_where_that_is_demanded() -> None:
    given = gemini_body({"text": "a", "thoughtSignature": "CkQB"}, CALL, CALL)
    body, dropped = adapted("gemini", given, "gemini-3-pro-preview", bare=False)
    assert body["contents"][1]["parts"] == [
        {"text": "a", "thoughtSignature": "CkQB"},
        {**CALL, "thoughtSignature": DUMMY},
        CALL,
    ]
    assert dropped == ("reasoning",)
    for model, parts in (("gemini-2.5-flash", (CALL,)), ("gemini-3-pro", ({**CALL, "thoughtSignature": "CkQB"}, CALL))):
        body, dropped = adapted("gemini", gemini_body(*parts), model, bare=False)
        assert body == gemini_body(*parts)
        assert dropped == ()


def test_geminis_second_try_is_without_any_thought() -> None:
    given = gemini_body(
        {"text": "hm", "thought": True},
        {"text": "", "thoughtSignature": "CkQB"},
        {"text": "a", "thoughtSignature": "CkQB"},
        {"function_call": {"name": "f", "args": {}}, "thought_signature": "CkQB"},
    )
    body, dropped = adapted("gemini", given, "gemini-3-pro", bare=True)
    assert body["contents"][1]["parts"] == [{"text": "a"}, {**CALL, "thoughtSignature": DUMMY}]
    assert dropped == ("reasoning",)
    body, _ = adapted("gemini", given, "gemini-2.5-pro", bare=True)
    assert body["contents"][1]["parts"] == [{"text": "a"}, CALL]


def openai_body(**members: object) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"role": "assistant", "content": None, "tool_calls": [call], **members}
    result = {"role": "tool", "tool_call_id": "c", "content": "x"}
    return {"model": "m", "messages": [HELLO, said, result], "reasoning_effort": "high"}


SUMMARY = {"type": "reasoning.summary", "summary": "hm", "format": "openai-responses-v1"}


def test_a_provider_that_takes_words_gets_the_words() -> None:
    for members in ({"reasoning": "hm", "reasoning_details": [SUMMARY]}, {"reasoning_details": [SUMMARY]}):
        body, dropped = adapted(
            "openai", openai_body(**members), "deepseek-v4", bare=False, own_fields=("reasoning_content",)
        )
        said = openai_body(reasoning_content="hm")
        assert body["messages"] == said["messages"]
        assert dropped == ("reasoning",)


@pytest.mark.parametrize(
    ("model", "own", "stopped"),
    [
        ("deepseek-v4-pro", ("reasoning_content",), {"thinking": {"type": "disabled"}}),
        ("kimi-k2.5", (), {"thinking": {"type": "disabled"}}),
        ("anthropic/claude-sonnet-4.5", ("reasoning", "reasoning_details"), {"reasoning": {"enabled": False}}),
        ("openai/gpt-5", ("reasoning", "reasoning_details"), {"reasoning_effort": "high"}),
        ("my-model", (), {"reasoning_effort": "high"}),
    ],
)
def test_openais_second_try_is_without_any_thought(
    model: str, own: tuple[str, ...], stopped: dict[str, object]
) -> None:
    given = openai_body(reasoning_content="hm", reasoning="hm", reasoning_details=[SUMMARY])
    body, dropped = adapted("openai", given, model, bare=True, own_fields=own)
    assert body["messages"] == openai_body()["messages"]
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == stopped
    assert dropped == (("reasoning",) if "reasoning_effort" in stopped else ("reasoning", "reasoning_effort"))


def test_a_gateway_gets_the_thoughts_of_its_models_maker_alone() -> None:
    claudes = {"type": "reasoning.text", "text": "hm", "signature": PROOF, "format": "anthropic-claude-v1"}
    given = openai_body(reasoning="hm", reasoning_details=[claudes, SUMMARY])
    own = ("reasoning", "reasoning_details")
    body, dropped = adapted("openai", given, "anthropic/claude-sonnet-4.5", bare=False, own_fields=own)
    assert body["messages"] == openai_body(reasoning_details=[claudes])["messages"]
    assert dropped == ("reasoning",)
    body, dropped = adapted("openai", given, "deepseek/deepseek-v4", bare=False, own_fields=own)
    assert body["messages"] == openai_body(reasoning="hm")["messages"]
    body, dropped = adapted("openai", given, "router/auto", bare=False, own_fields=own)
    assert body["messages"] == given["messages"]
    assert dropped == ()


REFUSED: list[tuple[type[Vendor], dict[str, Any]]] = [
    (Claude, anthropic_body()),
    (Claude, anthropic_body(thought("of another vendor"))),
    (Kimi, anthropic_body()),
    (Gemini, gemini_body({**CALL, "thoughtSignature": "of another vendor"})),
    (DeepSeek, openai_body()),
    (Router, openai_body(reasoning_details=[{**SUMMARY, "type": "reasoning.encrypted", "data": "x", "id": "rs"}])),
]


@pytest.mark.parametrize(("kind", "given"), REFUSED)
def test_a_vendor_that_refused_takes_the_second_try(kind: type[Vendor], given: dict[str, Any]) -> None:
    for bare in (False, True):
        body, _ = adapted(kind.dialect, given, kind.model, bare=bare, **kind.quirks)
        assert bool(list(kind().problems(body))) is not bare

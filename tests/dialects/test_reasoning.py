"""Reasoning in conversations of many vendors: no proof of one ever reaches another, whoever asks in which dialect."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridge.chat import Part, Reasoning, Reply, StopReason, Text, ToolCall
from hybridge.dialects import dialect
from hybridge.dialects.anthropic.marks import is_claudes
from hybridge.dialects.codec import Outgoing, Target
from hybridge.dialects.makers import maker_of
from hybridge.errors import ForeignReasoning, Rejected
from hybridge.money import Usage
from hybridge.types import Quirks
from tests.gateway.harness import Gateway
from tests.gateway.talking import TALKS, Talk
from tests.gateway.vendors import Claude

_DETAILS = Quirks(own_fields=("reasoning", "reasoning_details", "extra_content"))


def target(model: str, quirks: Quirks | None = None, *, bare: bool = False) -> Target:
    return Target(model, model, stream=False, quirks=quirks or Quirks(), without_reasoning=bare)


TARGETS = [
    ("anthropic", target("claude-sonnet-4-5")),
    ("anthropic", target("claude-opus-4-7")),
    ("anthropic", target("kimi-k2.5")),
    ("anthropic", target("deepseek-v4-pro")),
    ("gemini", target("gemini-3-pro-preview")),
    ("gemini", target("gemini-2.5-flash")),
    ("openai", target("deepseek-v4-pro", Quirks(own_fields=("reasoning_content",)))),
    ("openai", target("anthropic/claude-sonnet-4.5", _DETAILS)),
    ("openai", target("openai/gpt-5", _DETAILS)),
    ("openai", target("google/gemini-3-pro", _DETAILS)),
    ("openai", target("moonshotai/kimi-k2.5", _DETAILS)),
    ("openai", target("gpt-4o", Quirks(drop=("reasoning_content",)))),
    ("openai", target("llama-4-scout")),
]


#: By kind: whose proof it is, and how such a proof looks.
PROOFS: dict[str, tuple[str, Callable[[str], str]]] = {
    "signed": ("anthropic", Claude().sign),
    "redacted": ("anthropic", Claude().sign),
    "hidden": ("openai", lambda seed: "gAAAAA" + seed.encode().hex()),
    "stranger": ("minimax", lambda seed: seed.encode().hex() + "x"),
    "signed call": ("gemini", lambda seed: "CkQB" + seed.encode().hex().ljust(40, "A")),
}
PLAIN: dict[str, Part] = {
    "summary": Reasoning("in short", origin="openai"),
    "thought": Reasoning("so", origin="gemini"),
    "words": Reasoning("well"),
    "text": Text("Hello"),
}


class Drawn:
    """Parts of answers, each proof of which is told apart from all others."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self._made = 0

    def part(self, kind: str) -> Part:
        """A part of this kind."""
        self._made += 1
        if kind in PLAIN:
            return PLAIN[kind]
        if kind == "call":
            return ToolCall(f"call_{self._made}", "f", "{}")
        origin, make = PROOFS[kind]
        proof = make(f"{origin} {self._made}")
        self.secrets[proof] = origin
        if kind == "signed call":
            return ToolCall(f"call_{self._made}", "f", "{}", proof, origin)
        if kind in ("signed", "stranger"):
            return Reasoning("hm", proof, origin=origin)
        return Reasoning(data=f"rs_{self._made}#{proof}" if kind == "hidden" else proof, origin=origin)


KINDS = st.sampled_from([*PROOFS, *PLAIN, "call"])
ANSWERS = st.lists(st.lists(KINDS, min_size=1, max_size=4), min_size=1, max_size=4)


def history(talk: Talk, answers: list[list[str]], drawn: Drawn) -> bytes:
    """The body that a client of this dialect sends after these answers."""
    talk.say("Go")
    for number, kinds in enumerate(answers):
        # Calls come last, as all dialects have them.
        parts = [drawn.part(kind) for kind in sorted(kinds, key=lambda kind: "call" in kind)]
        stop = StopReason.TOOL_CALLS if isinstance(parts[-1], ToolCall) else StopReason.STOP
        reply = Reply(f"r{number}", "m", tuple(parts), stop, Usage(output=1))
        talk.keep(json.loads(dialect(talk.dialect).client.encode_reply(reply, request_id="r", created=1)))
        if stop is StopReason.STOP:
            talk.say("And?")
    return json.dumps(talk.request("m")[1]).encode()


def sent(spoken: str, body: bytes, theirs: str, to: Target) -> Outgoing:
    """What a provider is sent for a client's body."""
    client = dialect(spoken).client
    facts = client.read_facts(body, "m", False)
    provider = dialect(theirs).provider
    if spoken == theirs:
        return provider.adapt(facts, to)
    return provider.encode_request(client.decode_request(facts.fields), to)


@settings(max_examples=500)
@given(st.sampled_from(TALKS), ANSWERS, st.sampled_from(TARGETS), st.booleans())
def test_no_proof_reaches_another_vendor(
    talk: type[Talk], answers: list[list[str]], to: tuple[str, Target], bare: bool
) -> None:
    drawn = Drawn()
    theirs, wanted = to
    wanted = target(wanted.model, wanted.quirks, bare=bare)
    body = history(talk(cast(Gateway, None)), answers, drawn)
    outgoing = sent(talk.dialect, body, theirs, wanted)
    own = "" if bare else maker_of(wanted.model)
    carried = theirs != "openai" or "reasoning_details" in wanted.quirks.own_fields
    for secret, origin in drawn.secrets.items():
        inside = secret.encode() in outgoing.body
        if origin != own:
            assert not inside
            assert "reasoning" in outgoing.dropped
        elif carried:
            assert inside
    json.loads(outgoing.body)


@pytest.mark.parametrize(
    ("name", "maker"),
    [
        ("claude-sonnet-4-5", "anthropic"),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "anthropic"),
        ("anthropic-claude-v1anthropic-claude-v1", "anthropic"),
        ("google/gemini-3-pro", "gemini"),
        ("google-gemini-v1", "gemini"),
        ("openai-responses-v1", "openai"),
        ("o3-mini", "openai"),
        ("accounts/x/models/gpt-oss-120b", "openai"),
        ("x-ai/grok-4", "xai"),
        ("xai-responses-v1", "xai"),
        ("deepseek-r1-distill-qwen-32b", "deepseek"),
        ("moonshotai/Kimi-K2-Thinking", "moonshot"),
        ("MiniMax-response-v1", "minimax"),
        ("openrouter/auto", ""),
        ("unknown", ""),
        ("llama-3.1-8b", ""),
        ("foo1", ""),
    ],
)
def test_who_made_a_model(name: str, maker: str) -> None:
    assert maker_of(name) == maker
    assert maker_of("my-alias", name) == maker


@pytest.mark.parametrize(
    ("signature", "own"),
    [
        # The beginnings of recorded ones: Anthropic in 2025 and 2026, Bedrock, OpenRouter; Gemini thrice.
        ("EvQBCkYICxgCKkAxhD4NUKFzudtZ", True),
        ("CAISqwQKhwEIEBgCKkAciZInI2gc", True),
        ("EvYBCkgICxABGAIqQA9E9VC377Un", True),
        ("claude#EvsCCkgIEBABGAIqQNe/6uRtkzwq", True),
        ("EvsFCvgFAb4+9vtgYAdOcxMwBr9A", False),
        ("CuwBARFNMg+tC2rm2xgMLZH0U/XC", False),
        ("AY89a19ZkXSMGh/bSOlwTCxl62lQ", False),
        ("91cfbb94-554b-4136-8e21-fa02280d56ed", False),
        ("", False),
        ("é", False),
    ],
)
def test_how_claudes_signatures_look(signature: str, own: bool) -> None:
    assert is_claudes(signature) is own


def error(message: str, code: str = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


REFUSALS = [
    ("anthropic", "messages.1.content.0: Invalid `signature` in `thinking` block"),
    ("anthropic", "messages.1.content.0: Invalid `data` in `redacted_thinking` block"),
    ("anthropic", "messages.3.content.0.thinking.signature: Field required"),
    (
        "anthropic",
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`.",
    ),
    ("anthropic", "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."),
    ("anthropic", "The `content[].thinking` in the thinking mode must be passed back to the API."),
    ("gemini", "Corrupted thought signature."),
    ("gemini", "Unable to submit request because Thought signature is not valid.. Learn more: …"),
    (
        "gemini",
        "Function call is missing a thought_signature in functionCall parts. This is required.",
    ),
    ("gemini", "function call `f` in the 3. content block is missing a `thought_signature`."),
    ("gemini", "Invalid value at 'contents[1].parts[0].thought_signature' (TYPE_BYTES), Base64 decoding failed"),
    ("openai", "The `reasoning_content` in the thinking mode must be passed back to the API."),
    ("openai", "Missing `reasoning_content` field in the assistant message at message index 2."),
    ("openai", "thinking is enabled but reasoning_content is missing in assistant tool call message at index 2"),
    ("openai", "The encrypted content gAAA...DQ== could not be verified."),
    ("openai", "'messages.1' : for 'role:assistant' the property 'reasoning_content' is unsupported"),
    ("openai", "body.messages.1.assistant.reasoning_content: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("spoken", "message"), REFUSALS)
def test_a_refusal_for_reasoning_is_known(spoken: str, message: str) -> None:
    provider = dialect(spoken).provider
    assert type(provider.classify(400, {}, json.dumps(error(message)).encode())) is ForeignReasoning
    # A gateway quotes whom it asked.
    relayed = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": json.dumps(message)}}}
    assert type(dialect("openai").provider.classify(400, {}, json.dumps(relayed).encode())) is ForeignReasoning


def test_what_is_no_refusal_for_reasoning() -> None:
    for message in (
        "thinking.budget_tokens: Input should be greater than or equal to 1024",
        "`max_tokens` must be greater than `thinking.budget_tokens`",
        "Unknown name reasoning_effort",
        "messages.0.content: Field required",
        "invalid signature of the request",
    ):
        for spoken in ("openai", "anthropic", "gemini"):
            body = json.dumps(error(message)).encode()
            assert type(dialect(spoken).provider.classify(400, {}, body)) is Rejected, message
    codes = error("no", "invalid_encrypted_content")
    assert type(dialect("openai").provider.classify(400, {}, json.dumps(codes).encode())) is ForeignReasoning

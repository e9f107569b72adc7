"""Requests to a provider: limits, hints, and those that pass through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from hybridge.chat import (
    Thinking,
)
from hybridge.dialects.anthropic.models import NEWEST, OTHER, TRAITS, traits_of
from hybridge.dialects.codec import Target
from hybridge.types import Bounds, Limits, Quirks
from tests.dialects.anthropic.asking import body, chat, encoded, refused
from tests.dialects.anthropic.corpus import CLIENT, NEW, OLD, PROVIDER


def test_the_plain_request() -> None:
    assert encoded(chat()) == (
        {
            "model": OLD.model,
            "max_tokens": 4096,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        },
        (),
    )
    assert body(chat(), replace(OLD, stream=True))["stream"] is True
    assert PROVIDER.path("m", stream=True) == "/messages"


@pytest.mark.parametrize(
    ("asked", "limit", "clamp", "sent", "named"),
    [
        (None, None, None, 4096, False),
        (None, 8192, None, 8192, False),
        (50, 8192, None, 50, False),
        (9000, 8192, None, 8192, True),
        (50, None, 20, 20, True),
        (50, None, 80, 50, False),
        (None, 8192, 20, 20, True),
        (0, None, None, 0, False),
    ],
)
def test_max_tokens_is_always_sent(
    asked: int | None, limit: int | None, clamp: int | None, sent: int, named: bool
) -> None:
    target = replace(OLD, limits=Limits(output=limit), max_tokens=clamp)
    sent_body, dropped = encoded(chat(max_tokens=asked), target)
    assert sent_body["max_tokens"] == sent
    assert ("max_tokens" in dropped) == named


@pytest.mark.parametrize(
    ("members", "target", "sent", "named"),
    [
        ({"temperature": 1.7}, OLD, {"temperature": 1}, {"temperature"}),
        ({"temperature": -1.0}, OLD, {"temperature": 0}, {"temperature"}),
        ({"temperature": 0.3, "top_p": 0.5, "top_k": 4}, OLD, {"temperature": 0.3, "top_p": 0.5, "top_k": 4}, set()),
        ({"temperature": 0.3, "top_p": 0.5, "top_k": 4}, NEW, {}, {"temperature", "top_p", "top_k"}),
        ({"temperature": 1.0, "top_p": 1.0}, NEW, {"top_p": 1.0}, set()),
        ({"top_p": 0.98}, NEW, {}, {"top_p"}),
        ({"top_p": 0.99}, NEW, {"top_p": 0.99}, set()),
        (
            {"temperature": 0.3, "top_p": 0.5},
            Target("claude-haiku-4-5-20251001", "", stream=False),
            {"temperature": 0.3},
            {"top_p"},
        ),
        (
            {"temperature": 0.3, "top_p": 0.97, "top_k": 4, "thinking": Thinking(budget_tokens=1024)},
            OLD,
            {"top_p": 0.97},
            {"temperature", "top_k"},
        ),
        ({"top_p": 0.9, "thinking": Thinking(budget_tokens=1024)}, OLD, {}, {"top_p"}),
    ],
)
def test_sampling_trap(members: dict[str, Any], target: Target, sent: dict[str, Any], named: set[str]) -> None:
    sent_body, dropped = encoded(chat(**members), target)
    assert {name: sent_body[name] for name in ("temperature", "top_p", "top_k") if name in sent_body} == sent
    assert set(dropped) == named


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("claude-3-haiku-20240307", "haiku-3"),
        ("claude-3-5-sonnet-latest", "sonnet-3-5"),
        ("anthropic/claude-3.7-sonnet", "sonnet-3-7"),
        ("claude-sonnet-4-20250514", "sonnet-4"),
        ("claude-opus-4-5@20251101", "opus-4-5"),
        ("us.anthropic.claude-opus-4-6-v1:0", "opus-4-6"),
        ("anthropic/claude-opus-4.7", "opus-4-7"),
    ],
)
def test_the_table_knows_models_by_any_of_their_names(name: str, key: str) -> None:
    assert traits_of(name) is TRAITS[key]


def test_models_that_the_table_does_not_know() -> None:
    assert traits_of("claude-opus-5") is traits_of("claude-mythos-preview") is NEWEST
    assert traits_of("claude-sonnet-4-7") is NEWEST
    assert traits_of("kimi-k2") is OTHER
    assert traits_of("my-alias", "claude-3-opus") is TRAITS["opus-3"]


def test_hints_are_named() -> None:
    asked = chat(seed=0, presence_penalty=0.5, frequency_penalty=0.1, service_tier="flex", hints=("store",))
    sent, dropped = encoded(asked)
    assert sent.keys() == {"model", "max_tokens", "messages"}
    assert set(dropped) == {"seed", "presence_penalty", "frequency_penalty", "service_tier", "store"}


def test_penalties_of_zero_ask_for_nothing() -> None:
    assert encoded(chat(presence_penalty=0.0, frequency_penalty=0))[1] == ()


def test_the_user_is_carried_unless_it_is_a_person() -> None:
    assert body(chat(user="u-1"))["metadata"] == {"user_id": "u-1"}
    for user in ("a@example.com", "x" * 257):
        sent, dropped = encoded(chat(user=user))
        assert "metadata" not in sent
        assert dropped == ("user",)


def test_service_tier_and_stop() -> None:
    sent = body(chat(service_tier="standard_only", stop=("a", "b")))
    assert sent["service_tier"] == "standard_only"
    assert sent["stop_sequences"] == ["a", "b"]
    assert refused(chat(stop=("\n", "b"))) == ("stop",)


def test_what_is_unknown_makes_the_deployment_not_able() -> None:
    assert refused(chat(unknown=("logit_bias", "n"))) == ("logit_bias", "n")


def adapted(body: bytes, target: Target) -> tuple[bytes, tuple[str, ...]]:
    outgoing = PROVIDER.adapt(CLIENT.read_facts(body), target)
    return outgoing.body, outgoing.dropped


def test_a_pass_through_changes_the_model_and_nothing_else() -> None:
    asked = (
        b'{"model":"alias","max_tokens":9,"temperature": 1.50,"new":{ "x" : 1e3 },'
        b'"messages":[{"role":"user","content":"\\u00e9"}]}'
    )
    assert adapted(asked, NEW) == (
        b'{"model":"claude-opus-5","max_tokens":9,"temperature":1.50,"new":{ "x" : 1e3 },'
        b'"messages":[{"role":"user","content":"\\u00e9"}]}',
        (),
    )


def test_a_pass_through_strips_clamps_and_obeys_quirks() -> None:
    asked = (
        b'{"model":"m","max_tokens":900,"temperature":1.5,"top_k":4,"route":{},'
        b'"messages":[{"role":"user","content":"a"}]}'
    )
    target = replace(
        NEW,
        max_tokens=100,
        strip=frozenset({"route"}),
        quirks=Quirks(drop=("top_k",), clamp={"temperature": Bounds(max=1)}),
    )
    sent, dropped = adapted(asked, target)
    assert json.loads(sent) == {
        "model": "claude-opus-5",
        "max_tokens": 100,
        "temperature": 1,
        "messages": [{"role": "user", "content": "a"}],
    }
    assert set(dropped) == {"max_tokens", "temperature", "top_k"}
    assert adapted(asked, replace(NEW, max_tokens=1000))[1] == ()


def test_quirks_hold_for_a_translated_request_too() -> None:
    sent, dropped = encoded(chat(top_k=4), replace(OLD, quirks=Quirks(drop=("top_k",))))
    assert "top_k" not in sent
    assert dropped == ("top_k",)


def test_foreign_thoughts_leave_a_pass_through() -> None:
    asked = json.dumps(
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": '"hybridge: not a mark'},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "a", "signature": "hybridge:openai:"},
                        {"type": "redacted_thinking", "data": "hybridge-call:gemini:s"},
                        {"type": "thinking", "thinking": "b", "signature": "own"},
                        {"type": "text", "text": "hybridge:gemini:x"},
                    ],
                },
                {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "hybridge:gemini:s"}]},
            ],
        }
    ).encode()
    sent, dropped = adapted(asked, NEW)
    assert json.loads(sent)["messages"] == [
        {"role": "user", "content": '"hybridge: not a mark'},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "b", "signature": "own"},
                {"type": "text", "text": "hybridge:gemini:x"},
            ],
        },
    ]
    assert dropped == ("reasoning",)

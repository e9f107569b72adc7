"""Whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message

from hybridge.chat import Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects.anthropic.tools import JSON_TOOL
from hybridge.errors import (
    Broken,
    ContextOverflow,
    EmptyAnswer,
    KeyRefused,
    MalformedAnswer,
    ProviderError,
    RateLimited,
)
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks
from tests.dialects.anthropic.corpus import CLIENT, PROVIDER


def message(*content: dict[str, Any], **members: Any) -> bytes:
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content),
        "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 5},
    }  # fmt: skip
    return json.dumps({**answer, **members}).encode()


def reply_of(*content: dict[str, Any], **members: Any) -> Reply:
    return PROVIDER.decode_reply(message(*content, **members), NO_QUIRKS)


def said(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(CLIENT.encode_reply(reply, request_id="req_1", created=1))
    Message.model_validate(found)
    return found


WORDS = {"type": "text", "text": "x"}


@pytest.mark.parametrize(
    ("wire", "stop"),
    [
        ("end_turn", StopReason.STOP),
        ("max_tokens", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("stop_sequence", StopReason.STOP_SEQUENCE),
        ("tool_use", StopReason.TOOL_CALLS),
        ("pause_turn", StopReason.PAUSE),
        ("refusal", StopReason.REFUSAL),
        ("of_tomorrow", StopReason.STOP),
        (None, StopReason.STOP),
    ],
)
def test_stop_reasons(wire: str | None, stop: StopReason) -> None:
    assert reply_of(WORDS, stop_reason=wire).stop is stop


def test_input_tokens_leave_the_cache_out() -> None:
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 70,
        "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 40},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    found = reply_of(WORDS, usage=usage).usage
    assert found == Usage(input=10, cache_read=20, cache_write=30, cache_write_1h=40, output=5, reasoning=4)
    assert found.prompt_tokens == 100
    assert said(Reply("", "m", (Text("x"),), StopReason.STOP, found))["usage"] == usage


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 3, "output_tokens": 2}, Usage(input=3, output=2)),
        (
            {"input_tokens": 3, "cache_creation_input_tokens": 7, "output_tokens": 2, "cache_creation": None},
            Usage(input=3, cache_write=7, output=2),
        ),
        (
            {"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"web_search_requests": 1}},
            Usage(input=3, output=2),
        ),
        (
            {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": {"thinking_tokens": 9}},
            Usage(input=3, reasoning=2),
        ),
    ],
)
def test_older_and_odd_usage(usage: dict[str, Any], expected: Usage) -> None:
    assert reply_of(WORDS, usage=usage).usage == expected


def test_usage_that_is_missing_or_nonsense() -> None:
    assert PROVIDER.peek_reply(message(WORDS, usage=None), NO_QUIRKS).usage is None
    assert PROVIDER.peek_reply(message(WORDS, usage={"input_tokens": "many"}), NO_QUIRKS).usage is None


@pytest.mark.parametrize(
    ("quirks", "nano"),
    [
        (Quirks(cost_path="cost"), 1_234_567),
        (Quirks(cost_path="cost_details.total", cost_units_per_usd=10_000), 200_000),
        (Quirks(cost_path="nowhere.at.all"), None),
        (NO_QUIRKS, None),
    ],
)
def test_a_bill_that_the_provider_reports(quirks: Quirks, nano: int | None) -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cost": 0.001234567, "cost_details": {"total": 2}}
    found = PROVIDER.peek_reply(message(WORDS, usage=usage), quirks).usage
    assert found is not None
    assert found.reported_nano_usd == nano


def test_blocks_that_nobody_knows_are_passed_over() -> None:
    reply = reply_of(
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "content": {"type": "error"}},
        WORDS,
    )
    assert reply.parts == (Text("x"),)


# --- the forced tool -----------------------------------------------------------------------------------------------


def test_the_forced_tool_is_unwrapped() -> None:
    call = {"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {"a": [1, {"b": "c"}]}}
    reply = reply_of(call, stop_reason="tool_use")
    (text,) = reply.parts
    assert isinstance(text, Text)
    assert json.loads(text.text) == {"a": [1, {"b": "c"}]}
    assert reply.stop is StopReason.STOP


def test_a_tool_of_the_client_beside_the_forced_one_is_still_a_call() -> None:
    own = {"type": "tool_use", "id": "t", "name": "json", "input": {}}
    reply = reply_of(own, stop_reason="tool_use")
    assert (reply.parts, reply.stop) == ((ToolCall("t", "json", "{}"),), StopReason.TOOL_CALLS)
    both = reply_of({**own, "name": JSON_TOOL}, own, stop_reason="tool_use")
    assert both.stop is StopReason.TOOL_CALLS
    cut = reply_of({**own, "name": JSON_TOOL}, stop_reason="max_tokens")
    assert (cut.parts, cut.stop) == ((Text("{}"),), StopReason.LENGTH)


# --- refusals ------------------------------------------------------------------------------------------------------


def test_a_refusal_may_say_nothing() -> None:
    reply = reply_of(stop_reason="refusal")
    assert (reply.parts, reply.stop) == ((), StopReason.REFUSAL)
    unbilled = message(stop_reason="refusal", usage={"output_tokens": 0})
    assert PROVIDER.peek_reply(unbilled, NO_QUIRKS).usage == Usage()


def test_a_refusal_is_seen_and_said_again() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "no"}
    reply = reply_of(stop_reason="refusal", stop_details=details)
    assert reply.parts == (Refusal("no"),)
    again = said(reply)
    assert again["content"] == [{"type": "text", "text": "no"}]
    assert again["stop_reason"] == "refusal"
    assert again["stop_details"]["explanation"] == "no"


def test_other_dialects_end_a_refusal_with_a_plain_stop() -> None:
    assert said(Reply("chatcmpl-1", "m", (Refusal("no"),), StopReason.STOP, Usage()))["stop_reason"] == "refusal"


# --- what is no answer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", EmptyAnswer),
        (b" \n", EmptyAnswer),
        (b"<html><body>502 Bad Gateway</body></html>", MalformedAnswer),
        (message(WORDS)[:-20], MalformedAnswer),
        (b"[]", MalformedAnswer),
        (b'{"content":' + b"[" * 100_000, MalformedAnswer),
        (b"null", MalformedAnswer),
        (b"{}", MalformedAnswer),
        (b'{"type":"message","content":"text"}', MalformedAnswer),
        (b'{"type":"message","content":[{"text":"no type"}]}', MalformedAnswer),
        (message(usage={"input_tokens": 3, "output_tokens": 0}), EmptyAnswer),
        (message({"type": "text", "text": ""}, usage={"output_tokens": 0}), EmptyAnswer),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', Broken),
        (b'{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}', RateLimited),
        (b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}', KeyRefused),
        (
            b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}}',
            ContextOverflow,
        ),
        (b'{"error":{"code":429,"message":"slow"}}', RateLimited),
        (b'{"error":"Too Many Requests","message":"slow"}', Broken),
        (b'[{"error":{"code":500,"message":"oh"}}]', Broken),
        (b'{"detail":"oh"}', Broken),
        (b'{"message":"oh"}', Broken),
        (b'{"base_resp":{"status_code":1002,"status_msg":"oh"}}', Broken),
    ],
)
def test_what_is_no_answer(body: bytes, kind: type[ProviderError]) -> None:
    for read in (PROVIDER.peek_reply, PROVIDER.decode_reply):
        with pytest.raises(ProviderError) as caught:
            read(body, NO_QUIRKS)
        assert type(caught.value) is kind
        assert caught.value.message


def test_an_empty_turn_that_was_billed_is_an_answer() -> None:
    """After tool results the model may have nothing to add."""
    assert reply_of(usage={"input_tokens": 3, "output_tokens": 2}).parts == ()


# --- to a client ---------------------------------------------------------------------------------------------------


def test_an_answer_of_another_dialect() -> None:
    reply = Reply(
        "chatcmpl-1",
        "gpt",
        (
            Reasoning("hm", origin="openai"),
            Reasoning(data="enc", origin="openai"),
            Text(""),
            Text("x"),
            ToolCall("c1", "f", ""),
            ToolCall("c2", "f", '{"a":', signature="s", origin="gemini"),
        ),
        StopReason.STOP,
        Usage(input=1, audio_input=2, image=3, output=4, audio_output=5),
    )
    found = said(reply)
    assert found["id"] == "msg_chatcmpl-1"
    assert found["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "hybridge:openai:"},
        {"type": "redacted_thinking", "data": "hybridge:openai:enc"},
        {"type": "text", "text": "x"},
        {"type": "tool_use", "id": "c1", "name": "f", "input": {}},
        {"type": "redacted_thinking", "data": "hybridge-call:gemini:s"},
        {"type": "tool_use", "id": "c2", "name": "f", "input": {"INVALID_JSON": '{"a":'}},
    ]
    assert found["stop_reason"] == "tool_use"
    assert (found["usage"]["input_tokens"], found["usage"]["output_tokens"]) == (6, 9)


def test_an_answer_without_an_id_gets_that_of_the_request() -> None:
    assert said(Reply("", "m", (Text("x"),), StopReason.LENGTH, Usage()))["id"] == "msg_req_1"

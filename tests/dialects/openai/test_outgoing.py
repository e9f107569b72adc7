"""Requests of other dialects, as this one's providers take them."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from hybridge.chat import (
    Ask,
    Audio,
    Chat,
    File,
    Format,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from hybridge.dialects import dialect
from hybridge.dialects.codec import Outgoing, Target
from hybridge.errors import CannotCarry
from hybridge.types import Bounds, Limits, Quirks

PROVIDER = dialect("openai").provider
TARGET = Target(model="gpt-4o-2024", name="gpt-4o", stream=False)
REASONER = Target(model="o3-mini", name="o3-mini", stream=False)
GATEWAY = replace(
    TARGET, quirks=Quirks(own_fields=("cache_control", "reasoning", "reasoning_details", "extra_content", "top_k"))
)
HI = Turn("user", (Text("hi"),))
CHAT = Chat(turns=(HI,))
TOOL = Tool("f", "d", Raw(b'{"type":"object"}'))


def encode(chat: Chat, target: Target = TARGET) -> Outgoing:
    return PROVIDER.encode_request(chat, target)


def body(chat: Chat, target: Target = TARGET) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(encode(chat, target).body)
    return found


def messages(*turns: Turn, target: Target = TARGET) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(Chat(turns=turns), target)["messages"]
    return found


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def assistant(*parts: Part) -> Turn:
    return Turn("assistant", parts)


def test_the_simplest_request() -> None:
    assert body(CHAT) == {"model": "gpt-4o-2024", "messages": [{"role": "user", "content": "hi"}]}
    assert encode(CHAT).dropped == ()


def test_a_stream_always_asks_for_usage() -> None:
    found = body(CHAT, replace(TARGET, stream=True))
    assert found["stream"] is True
    assert found["stream_options"] == {"include_usage": True}
    refusing = replace(TARGET, stream=True, quirks=Quirks(no_stream_options=True))
    assert "stream_options" not in body(CHAT, refusing)


def test_system_texts_are_joined_by_a_blank_line() -> None:
    chat = Chat(turns=(HI, Turn("system", (Text("later"),))), system=(Text("a"), Text(""), Text("b")))
    assert body(chat)["messages"] == [
        {"role": "system", "content": "a\n\nb"},
        {"role": "user", "content": "hi"},
        {"role": "system", "content": "later"},
    ]


def test_results_are_messages_of_their_own_before_the_users_words() -> None:
    found = messages(
        HI,
        assistant(Text("let me"), ToolCall("a", "f", ""), ToolCall("b", "g", '{"x":1}')),
        user(ToolResult("a", (Text("1"), Text("2"))), ToolResult("b", ()), Text("and?")),
    )
    assert found[1] == {
        "role": "assistant",
        "content": "let me",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
        ],
    }
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "a", "content": "1\n\n2"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        {"role": "user", "content": "and?"},
    ]


def test_pictures_of_a_result_follow_in_the_users_words() -> None:
    found = messages(
        HI, assistant(ToolCall("a", "f", "{}")), user(ToolResult("a", (Text("x"), Image(url="https://x/y"))))
    )
    assert found[2] == {"role": "tool", "tool_call_id": "a", "content": "x"}
    assert found[3]["content"] == [
        {"type": "text", "text": "Images in the result of a:"},
        {"type": "image_url", "image_url": {"url": "https://x/y"}},
    ]


def test_a_failed_result_is_named() -> None:
    chat = Chat(turns=(HI, assistant(ToolCall("a", "f", "{}")), user(ToolResult("a", (Text("x"),), is_error=True))))
    assert encode(chat).dropped == ("tool_result.is_error",)


def test_calls_without_words_have_null_content_and_empty_turns_vanish() -> None:
    found = messages(
        HI, assistant(Text("")), user(Text("again")), assistant(ToolCall("a", "f", "{}")), user(ToolResult("a", ()))
    )
    assert [message["role"] for message in found] == ["user", "user", "assistant", "tool"]
    assert found[2]["content"] is None


def test_a_refusal_goes_back_as_one() -> None:
    assert messages(HI, assistant(Refusal("no")), HI)[1] == {"role": "assistant", "content": None, "refusal": "no"}


def test_media() -> None:
    parts = user(
        Text("t"),
        Text(""),
        Image(data="iVBO", media_type="image/png", detail="low"),
        Audio("UklG", "wav"),
        File(data="JVBE", media_type="application/pdf"),
    )
    assert messages(parts)[0]["content"] == [
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO", "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
    ]


def test_a_plain_text_document_is_text() -> None:
    file = File(data=base64.b64encode("xin chào".encode()).decode(), media_type="text/plain", filename="a.txt")
    assert messages(user(file, Text("?")))[0]["content"] == "a.txt:\nxin chào\n\n?"


def test_a_documents_address_needs_its_bytes() -> None:
    chat = Chat(turns=(user(Text("?"), File(url="https://x/a.pdf")),))
    with pytest.raises(CannotCarry) as caught:
        encode(chat)
    assert caught.value.fields == ("file.url",)
    fetched = replace(TARGET, images={"https://x/a.pdf": ("application/pdf", "JVBE")})
    assert b"data:application/pdf;base64,JVBE" in encode(chat, fetched).body


def test_prefill_cannot_be_carried() -> None:
    chat = Chat(turns=(HI, assistant(Text("Sure,"))))
    with pytest.raises(CannotCarry) as caught:
        encode(chat)
    assert caught.value.fields == (Ask.PREFILL,)
    assert encode(chat, replace(TARGET, drop_unsupported=True)).dropped == (Ask.PREFILL,)


def test_tools() -> None:
    chat = replace(
        CHAT, tools=(TOOL, Tool("g", strict=False)), tool_choice=ToolChoice("tool", "f"), parallel_tools=False
    )
    found = body(chat)
    assert found["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"type": "function", "function": {"name": "g", "strict": False}},
    ]
    assert found["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert found["parallel_tool_calls"] is False


@pytest.mark.parametrize(("mode", "word"), [("auto", "auto"), ("none", "none"), ("any", "required")])
def test_choices(mode: Any, word: str) -> None:
    assert body(replace(CHAT, tools=(TOOL,), tool_choice=ToolChoice(mode)))["tool_choice"] == word


def test_a_choice_without_tools_is_left_out() -> None:
    found = body(replace(CHAT, tool_choice=ToolChoice("auto"), parallel_tools=True))
    assert "tool_choice" not in found
    assert "parallel_tool_calls" not in found


@pytest.mark.parametrize("name", ["a.b", "x" * 65, "a b", ""])
def test_names_of_tools_that_are_not_taken(name: str) -> None:
    chat = replace(CHAT, tools=(TOOL, Tool(name)))
    with pytest.raises(CannotCarry) as caught:
        encode(chat)
    assert caught.value.fields == ("tools.name",)
    assert len(body(chat, replace(TARGET, drop_unsupported=True))["tools"]) == 1


def test_long_ids_are_shortened_alike_in_call_and_result() -> None:
    long = "toolu_" + "x" * 60
    found = messages(HI, assistant(ToolCall(long, "f", "{}")), user(ToolResult(long, ())))
    sent = found[1]["tool_calls"][0]["id"]
    assert len(sent) <= 40
    assert found[2]["tool_call_id"] == sent


def test_formats() -> None:
    assert body(replace(CHAT, format=Format("json_object")))["response_format"] == {"type": "json_object"}
    form = Format("json_schema", "my name!", "d", Raw(b'{"type":"object"}'), True)
    assert body(replace(CHAT, format=form))["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "my_name_", "description": "d", "schema": {"type": "object"}, "strict": True},
    }
    nameless = body(replace(CHAT, format=Format("json_schema", schema=Raw(b"{}"))))
    assert nameless["response_format"]["json_schema"]["name"] == "response"


@pytest.mark.parametrize(
    "name", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5-mini", "gpt-5.1", "openai/gpt-5.2"]
)
def test_reasoning_models_take_other_members(name: str) -> None:
    chat = replace(CHAT, max_tokens=100, temperature=0.2, top_p=0.9, presence_penalty=1, frequency_penalty=0)
    outgoing = encode(chat, replace(REASONER, model=name, name=name))
    assert set(msgspec.json.decode(outgoing.body)) == {"model", "messages", "max_completion_tokens"}
    assert set(outgoing.dropped) == {"temperature", "top_p", "presence_penalty"}


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4.1", "gpt-5-chat-latest", "olmo-2", "o3x", "llama-3", "gpt-oss-120b"])
def test_other_models_take_the_usual_ones(name: str) -> None:
    found = body(replace(CHAT, max_tokens=100, temperature=0.2), replace(TARGET, model=name, name=name))
    assert (found["max_tokens"], found["temperature"]) == (100, 0.2)


def test_stop_is_not_for_reasoning_models() -> None:
    with pytest.raises(CannotCarry):
        encode(replace(CHAT, stop=("x",)), REASONER)
    assert body(replace(CHAT, stop=("x",)))["stop"] == ["x"]


def test_more_than_four_stops() -> None:
    chat = replace(CHAT, stop=tuple("abcde"))
    with pytest.raises(CannotCarry) as caught:
        encode(chat)
    assert caught.value.fields == (Ask.STOP_OVER_4,)
    assert body(chat, replace(TARGET, drop_unsupported=True))["stop"] == list("abcd")


def test_output_is_clamped_and_named() -> None:
    clamped = encode(replace(CHAT, max_tokens=100), replace(TARGET, max_tokens=50))
    assert msgspec.json.decode(clamped.body)["max_tokens"] == 50
    assert clamped.dropped == ("max_tokens",)
    assert encode(CHAT, replace(TARGET, max_tokens=50)).dropped == ("max_tokens",)
    assert encode(replace(CHAT, max_tokens=10), replace(TARGET, max_tokens=50)).dropped == ()
    limited = encode(replace(CHAT, max_tokens=64_000), replace(TARGET, limits=Limits(output=16_384)))
    assert msgspec.json.decode(limited.body)["max_tokens"] == 16_384
    assert limited.dropped == ("max_tokens",)
    assert "max_tokens" not in body(CHAT, replace(TARGET, limits=Limits(output=16_384)))


def test_temperature_is_clamped_and_named() -> None:
    outgoing = encode(replace(CHAT, temperature=2.5))
    assert msgspec.json.decode(outgoing.body)["temperature"] == 2
    assert outgoing.dropped == ("temperature",)


def test_hints_are_carried_or_named() -> None:
    chat = replace(CHAT, seed=1, user="u", top_k=4, service_tier="standard_only", hints=("metadata", "store"))
    outgoing = encode(chat)
    found = msgspec.json.decode(outgoing.body)
    assert (found["seed"], found["user"]) == (1, "u")
    assert set(outgoing.dropped) == {"metadata", "store", "top_k", "service_tier"}
    assert body(chat, GATEWAY)["top_k"] == 4
    assert body(replace(CHAT, service_tier="flex"))["service_tier"] == "flex"
    assert encode(replace(CHAT, service_tier="auto")).dropped == ()


def test_what_must_be_carried() -> None:
    chat = replace(CHAT, unknown=("container", "mcp_servers"))
    with pytest.raises(CannotCarry) as caught:
        encode(chat)
    assert caught.value.fields == ("container", "mcp_servers")
    assert encode(chat, replace(TARGET, drop_unsupported=True)).dropped == ("container", "mcp_servers")


@pytest.mark.parametrize(
    ("thinking", "name", "effort", "dropped"),
    [
        (Thinking(effort="high"), "o3-mini", "high", ()),
        (Thinking(effort="none"), "gpt-4o", None, ()),
        (Thinking(effort="none"), "gpt-5.1", "none", ()),
        (Thinking(effort="none"), "gpt-5-mini", "minimal", ()),
        (Thinking(effort="none"), "o3-mini", "low", ("thinking",)),
        (Thinking(budget_tokens=0), "gpt-4o", None, ()),
        (Thinking(budget_tokens=-1), "o3-mini", None, ()),
        (Thinking(budget_tokens=1024), "o3-mini", "low", ("thinking",)),
        (Thinking(budget_tokens=8000), "o3-mini", "medium", ("thinking",)),
        (Thinking(budget_tokens=32_000), "o3-mini", "high", ("thinking",)),
        (Thinking(visible=True), "o3-mini", None, ()),
    ],
)
def test_thinking(thinking: Thinking, name: str, effort: str | None, dropped: tuple[str, ...]) -> None:
    outgoing = encode(replace(CHAT, thinking=thinking), replace(TARGET, model=name, name=name))
    assert msgspec.json.decode(outgoing.body).get("reasoning_effort") == effort
    assert outgoing.dropped == dropped


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        (Thinking(effort="low", visible=False), {"effort": "low", "exclude": True}),
        (Thinking(budget_tokens=900), {"max_tokens": 900}),
        (Thinking(budget_tokens=0), {"enabled": False}),
        (Thinking(budget_tokens=-1), {"enabled": True}),
    ],
)
def test_a_gateway_takes_budgets_as_they_are(thinking: Thinking, expected: dict[str, Any]) -> None:
    outgoing = encode(replace(CHAT, thinking=thinking), GATEWAY)
    assert msgspec.json.decode(outgoing.body)["reasoning"] == expected
    assert outgoing.dropped == ()


SIGNED = assistant(
    Reasoning("x", "s", "", "anthropic"), Reasoning("", "", "d", "anthropic"), ToolCall("a", "f", "{}", "g", "gemini")
)


def test_foreign_reasoning_is_left_out_and_named() -> None:
    outgoing = encode(Chat(turns=(HI, SIGNED, user(ToolResult("a", ())))))
    assert outgoing.dropped == ("reasoning",)
    assert all(secret not in outgoing.body for secret in (b'"s"', b'"d"', b'"g"', b"reasoning"))


def test_a_gateway_gets_signatures_with_their_origin() -> None:
    for model in ("anthropic/claude-sonnet-4", "router/auto"):
        message = messages(HI, SIGNED, user(ToolResult("a", ())), target=replace(GATEWAY, model=model, name=model))[1]
        assert message["reasoning_content"] == "x"
        assert message["reasoning_details"] == [
            {"type": "reasoning.text", "text": "x", "signature": "s", "format": "anthropic-claude-v1", "index": 0},
            {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1", "index": 1},
        ]
        # Google's signature of a call goes to Google's models, and to a model that nobody knows.
        assert ("extra_content" in message["tool_calls"][0]) is (model == "router/auto")


def test_a_gateway_gets_none_of_the_thoughts_of_another_maker() -> None:
    chat = Chat(turns=(HI, SIGNED, user(ToolResult("a", ()))))
    outgoing = encode(chat, GATEWAY)
    assert outgoing.dropped == ("reasoning",)
    assert all(secret not in outgoing.body for secret in (b'"s"', b'"d"', b'"g"', b"reasoning"))
    words = encode(chat, replace(GATEWAY, model="deepseek/deepseek-chat", name="deepseek-chat"))
    assert msgspec.json.decode(words.body)["messages"][1]["reasoning_content"] == "x"
    assert words.dropped == ("reasoning",)
    assert all(secret not in words.body for secret in (b'"s"', b'"d"', b'"g"', b"claude"))


def test_unsigned_thoughts_go_where_they_are_wanted() -> None:
    target = replace(TARGET, quirks=Quirks(own_fields=("reasoning_content",)))
    chat = Chat(turns=(HI, assistant(Reasoning("x"), Text("a")), HI))
    assert body(chat, target)["messages"][1] == {"role": "assistant", "content": "a", "reasoning_content": "x"}
    assert encode(chat).dropped == ("reasoning",)
    signed = Chat(turns=(HI, assistant(Reasoning("x", "s", "", "anthropic"), Text("a")), HI))
    assert encode(signed, target).dropped == ("reasoning",)
    assert body(signed, target)["messages"][1] == {"role": "assistant", "content": "a", "reasoning_content": "x"}


def test_cache_marks_go_where_they_are_understood() -> None:
    chat = Chat(turns=(user(Text("a", "1h"), Text("b")),), system=(Text("s", "5m"),))
    assert encode(chat).dropped == ("cache_control",)
    assert body(chat)["messages"][0]["content"] == "s"
    marked = body(chat, GATEWAY)["messages"]
    assert marked[0]["content"] == [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]
    assert marked[1]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert marked[1]["content"][1] == {"type": "text", "text": "b"}


def test_pictures_of_the_assistant_cannot_be_carried() -> None:
    chat = Chat(turns=(HI, assistant(Text("x"), Image(url="https://x/y")), HI))
    with pytest.raises(CannotCarry):
        encode(chat)
    assert encode(chat, replace(TARGET, drop_unsupported=True)).dropped == ("assistant.media",)


def test_quirks_of_the_row_are_applied_and_named() -> None:
    target = replace(
        TARGET,
        quirks=Quirks(drop=("user",), rename={"max_tokens": "max_new"}, clamp={"temperature": Bounds(max=1)}),
    )
    outgoing = encode(replace(CHAT, user="u", max_tokens=5, temperature=1.5), target)
    found = msgspec.json.decode(outgoing.body)
    assert (found["max_new"], found["temperature"]) == (5, 1)
    assert "user" not in found
    assert set(outgoing.dropped) == {"user", "max_tokens", "temperature"}


def test_no_image_is_fetched() -> None:
    assert PROVIDER.images_to_fetch(Chat(turns=(user(Image(url="https://x/y.png")),))) == ()


def test_the_path() -> None:
    assert PROVIDER.path("any", stream=True) == "/chat/completions"

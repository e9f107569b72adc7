"""Requests of clients, to neutral chats: every trap of the wire by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hybridge.chat import (
    Audio,
    Chat,
    File,
    Format,
    Image,
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
from hybridge.errors import InvalidRequest

CLIENT = dialect("openai").client
USER = {"role": "user", "content": "hi"}
SCHEMA = Raw(b'{"type":"object"}')


def decode(*messages: dict[str, Any], **fields: Any) -> Chat:
    body = msgspec.json.encode({"model": "m", "messages": messages or (USER,), **fields})
    return CLIENT.decode_request(msgspec.json.decode(body, type=dict[str, Raw]))


def call(call_id: str, name: str = "f", arguments: Any = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def content(*parts: dict[str, Any]) -> tuple[Any, ...]:
    return decode({"role": "user", "content": list(parts)}).turns[0].parts


def test_system_text_at_the_start_is_the_system() -> None:
    chat = decode(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}}]},
        USER,
        {"role": "system", "content": "later"},
    )
    assert chat.system == (Text("a"), Text("b", "5m"))
    assert chat.turns == (Turn("user", (Text("hi"),)), Turn("system", (Text("later"),)))


def test_system_text_alone_is_asked_as_a_user() -> None:
    assert decode({"role": "system", "content": "a"}).turns == (Turn("user", (Text("a"),)),)


def test_turns_of_one_role_are_merged_and_results_come_first() -> None:
    chat = decode(
        USER,
        {"role": "user", "content": "more"},
        {"role": "assistant", "content": None, "tool_calls": [call("a"), call("b", "g")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "user", "content": "and?"},
    )
    assert chat.turns == (
        Turn("user", (Text("hi"), Text("more"))),
        Turn("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))),
        Turn("user", (ToolResult("a", (Text("1"),), "f"), ToolResult("b", (Text("2"),), "g"), Text("and?"))),
    )


def test_results_stand_before_text_that_was_said_earlier() -> None:
    chat = decode(USER, {"role": "tool", "tool_call_id": "a", "content": "1"})
    assert [type(part) for part in chat.turns[0].parts] == [ToolResult, Text]


def test_functions_of_old_are_calls() -> None:
    chat = decode(
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        functions=[{"name": "f"}],
    )
    assert chat.turns[1:] == (
        Turn("assistant", (ToolCall("call_f", "f", "{}"),)),
        Turn("user", (ToolResult("call_f", (Text("1"),), "f"),)),
    )
    assert chat.unknown == ("functions",)


def test_arguments_may_be_an_object_or_missing() -> None:
    message = {
        "role": "assistant",
        "tool_calls": [call("a", arguments={"x": 1}), {"id": "b", "function": {"name": "g"}}],
    }
    calls = decode(USER, message).turns[1].parts
    assert calls == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", ""))


def test_parts() -> None:
    assert content(
        {"type": "text", "text": "t"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {"type": "image_url", "image_url": "https://x/z.png"},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "https://x/a.pdf"}},
    ) == (
        Text("t"),
        Image(url="https://x/y.png", detail="low"),
        Image(data="iVBORw==", media_type="image/png"),
        Image(url="https://x/z.png"),
        Audio("UklG", "wav"),
        File(data="JVBE", media_type="application/pdf", filename="a.pdf"),
        File(url="https://x/a.pdf"),
    )


def test_parts_without_a_neutral_form_are_named() -> None:
    chat = decode(
        {"role": "user", "content": [{"type": "video_url", "video_url": {"url": "x"}}, {"type": "text", "text": "t"}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
    )
    assert chat.turns == (Turn("user", (Text("t"),)),)
    assert chat.unknown == ("messages.content.video_url", "messages.content.file_id")


def test_cache_marks() -> None:
    marks = [None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}]
    parts = content(*({"type": "text", "text": "t", "cache_control": mark} for mark in marks))
    assert [part.cache for part in parts] == ["", "5m", "1h"]


def test_reasoning_comes_back_in_every_form() -> None:
    def thoughts(**members: Any) -> tuple[Any, ...]:
        return decode(USER, {"role": "assistant", "content": "a", **members}).turns[1].parts[:-1]

    assert thoughts(reasoning_content="x") == (Reasoning("x"),)
    assert thoughts(reasoning="x") == (Reasoning("x"),)
    signed = {"type": "reasoning.text", "text": "x", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    hidden = {"type": "reasoning.encrypted", "data": "d", "format": "anthropic-claude-v1", "index": 1}
    assert thoughts(reasoning_content="x", reasoning_details=[signed, hidden]) == (
        Reasoning("x", "s", "", "anthropic"),
        Reasoning("", "", "d", "anthropic"),
    )
    unsigned = {"type": "reasoning.text", "signature": "s", "format": "google-gemini-v1", "index": 0}
    assert thoughts(reasoning="x", reasoning_details=[unsigned]) == (Reasoning("x", "s", "", "gemini"),)
    other = {"type": "reasoning.encrypted", "data": "d", "format": "xai-responses-v1"}
    assert thoughts(reasoning_details=[other]) == (Reasoning("", "", "d", "xai"),)


def test_pieces_of_one_block_are_joined() -> None:
    pieces = [
        {"type": "reasoning.text", "text": "a", "index": 0},
        {"type": "reasoning.text", "text": "b", "index": 0},
        {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "c", "index": 1},
    ]
    chat = decode(USER, {"role": "assistant", "content": "x", "reasoning_details": pieces})
    assert chat.turns[1].parts[:2] == (Reasoning("ab", "s", "", "anthropic"), Reasoning("c"))


def test_mistral_writes_thinking_into_the_content() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "x"}]}, {"type": "text", "text": "a"}]
    chat = decode(USER, {"role": "assistant", "content": parts})
    assert chat.turns[1].parts == (Reasoning("x"), Text("a"))


def test_gemini_signs_calls() -> None:
    signed = {**call("a"), "extra_content": {"google": {"thought_signature": "s"}}}
    chat = decode(USER, {"role": "assistant", "tool_calls": [signed]})
    assert chat.turns[1].parts == (ToolCall("a", "f", "{}", "s", "gemini"),)


def test_a_refusal_comes_back() -> None:
    chat = decode(USER, {"role": "assistant", "content": None, "refusal": "no"})
    assert chat.turns[1].parts == (Refusal("no"),)


def test_tools_and_choice() -> None:
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    bare = {"type": "function", "function": {"name": "g", "parameters": None}}
    chat = decode(tools=[{"type": "function", "function": function}, bare], tool_choice="required")
    assert chat.tools == (Tool("f", "d", SCHEMA, True), Tool("g"))
    assert chat.tool_choice == ToolChoice("any")
    named = decode(tools=[bare], tool_choice={"type": "function", "function": {"name": "g"}}, parallel_tool_calls=False)
    assert named.tool_choice == ToolChoice("tool", "g")
    assert named.parallel_tools is False


def test_a_choice_without_tools_is_none() -> None:
    chat = decode(tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert (chat.tools, chat.tool_choice, chat.parallel_tools) == ((), None, None)


def test_tools_of_the_provider_are_unknown() -> None:
    chat = decode(tools=[{"type": "web_search"}], tool_choice={"type": "allowed_tools"}, web_search_options={})
    assert chat.unknown == ("web_search_options", "tool_choice", "tools")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, Format("json_object")),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True}},
            Format("json_schema", "n", "", SCHEMA, True),
        ),
    ],
)
def test_formats(given: Any, expected: Format | None) -> None:
    assert decode(response_format=given).format == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, None),
        ({"reasoning_effort": "xhigh"}, Thinking(effort="xhigh")),
        ({"reasoning_effort": "none"}, Thinking(effort="none")),
        ({"reasoning_effort": "default"}, None),
        ({"reasoning": {"effort": "low"}}, Thinking(effort="low")),
        ({"reasoning": {"max_tokens": 900, "exclude": True}}, Thinking(budget_tokens=900, visible=False)),
        ({"reasoning": {"enabled": True}}, Thinking(budget_tokens=-1)),
        ({"reasoning": {"enabled": False}}, Thinking(effort="none")),
        ({"reasoning": {}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, Thinking(budget_tokens=5)),
        ({"thinking": {"type": "disabled"}}, Thinking(budget_tokens=0)),
        ({"enable_thinking": True}, Thinking(budget_tokens=-1)),
        ({"enable_thinking": True, "thinking_budget": 7}, Thinking(budget_tokens=7)),
        ({"enable_thinking": False}, Thinking(budget_tokens=0)),
    ],
)
def test_thinking(fields: dict[str, Any], expected: Thinking | None) -> None:
    assert decode(**fields).thinking == expected


def test_sampling_limits_and_hints() -> None:
    chat = decode(
        temperature=0.5, top_p=0.9, top_k=3, stop="x", max_completion_tokens=9, max_tokens=7, seed=1,
        presence_penalty=0.1, frequency_penalty=0.2, user="u", service_tier="flex", stream=True,
        stream_options={"include_usage": True}, metadata={"a": "b"}, store=False, prompt_cache_key="k",
        min_p=0.1, n=1, logprobs=None, verbosity="medium", future={},
    )  # fmt: skip
    assert (chat.temperature, chat.top_p, chat.top_k, chat.stop, chat.max_tokens) == (0.5, 0.9, 3, ("x",), 7)
    assert (chat.seed, chat.presence_penalty, chat.frequency_penalty) == (1, 0.1, 0.2)
    assert (chat.user, chat.service_tier, chat.stream, chat.include_usage) == ("u", "flex", True, True)
    assert chat.hints == ("metadata", "store", "prompt_cache_key")
    assert chat.unknown == ("min_p",)


def test_names_of_speakers_are_a_hint() -> None:
    assert decode({"role": "user", "content": "x", "name": "Ann"}).hints == ("messages.name",)


@pytest.mark.parametrize(
    ("messages", "fields", "param"),
    [
        ([{"role": "user"}], {}, "messages[0].content"),
        ([{"role": "user", "content": None}], {}, "messages[0].content"),
        ([{"role": "wizard", "content": "x"}], {}, "messages[0].role"),
        ([{"content": "x"}], {}, "messages[0]"),
        ([USER, {"role": "tool", "content": "x"}], {}, "messages[1].tool_call_id"),
        ([{"role": "function", "content": "x"}], {}, "messages[0].name"),
        ([USER, {"role": "assistant", "tool_calls": [{"id": "a"}]}], {}, "messages[1].tool_calls[0]"),
        ([USER, {"role": "assistant", "tool_calls": [call("")]}], {}, "messages[1].tool_calls[0].id"),
        ([{"role": "user", "content": [{"type": "text"}]}], {}, "messages[0].content[0].text"),
        ([{"role": "user", "content": [{"text": "x"}]}], {}, "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], {}, "messages[0].content[0].image_url"),
        (
            [USER, USER, {"role": "user", "content": [{"type": "image_url", "image_url": {"url": 5}}]}],
            {},
            "messages[2].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}],
            {},
            "messages[0].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png,xx"}}]}],
            {},
            "messages[0].content[0].image_url.url",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,*" + "A" * 99}}],
                }
            ],
            {},
            "messages[0].content[0].image_url.url",
        ),
        ([{"role": "user", "content": [{"type": "file", "file": {}}]}], {}, "messages[0].content[0].file"),
        (
            [{"role": "user", "content": [{"type": "file", "file": {"file_data": "AAAA"}}]}],
            {},
            "messages[0].content[0].file.file_data",
        ),
        ([{"role": "user", "content": [{"type": "input_audio"}]}], {}, "messages[0].content[0].input_audio"),
        ([{"role": "system", "content": [{"type": "image_url", "image_url": "https://x"}]}], {}, "messages[0].content"),
        ([USER], {"tools": [{"type": "function"}]}, "tools[0].function"),
        ([USER], {"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ([USER], {"tools": [{"type": "function", "function": {}}]}, "tools[0].function"),
        (
            [USER],
            {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "maybe"},
            "tool_choice",
        ),
        ([USER], {"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ([USER], {"response_format": {"type": "xml"}}, "response_format.type"),
        ([USER], {"reasoning_effort": "huge"}, "reasoning_effort"),
        ([USER], {"reasoning": {"effort": "huge"}}, "reasoning.effort"),
        ([USER], {"temperature": "hot"}, "temperature"),
        ([USER], {"max_tokens": 0}, "max_tokens"),
        ([USER], {"seed": 1.5}, "seed"),
    ],
)
def test_problems_name_their_place(messages: list[dict[str, Any]], fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode(*messages, **fields)
    assert caught.value.param == param
    assert param in caught.value.message

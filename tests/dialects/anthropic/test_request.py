"""A client's request, read whole."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from msgspec import Raw

from hybridge.chat import (
    Chat,
    File,
    Image,
    Reasoning,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from hybridge.errors import InvalidRequest
from tests.dialects.anthropic.corpus import CLIENT


def chat_of(**members: Any) -> Chat:
    fields = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return CLIENT.decode_request({name: Raw(json.dumps(value).encode()) for name, value in fields.items()})


def turns_of(*messages: tuple[str, Any]) -> tuple[Turn, ...]:
    return chat_of(messages=[{"role": role, "content": content} for role, content in messages]).turns


def blocks(*content: dict[str, Any]) -> Chat:
    return chat_of(messages=[{"role": "user", "content": list(content)}])


def test_consecutive_turns_of_one_role_are_merged() -> None:
    assert turns_of(("user", "a"), ("user", [{"type": "text", "text": "b"}]), ("assistant", "c")) == (
        Turn("user", (Text("a"), Text("b"))),
        Turn("assistant", (Text("c"),)),
    )


def test_system_at_the_start_joins_the_system_prompt_and_later_stays_a_turn() -> None:
    chat = chat_of(
        system="one",
        messages=[
            {"role": "system", "content": "two"},
            {"role": "user", "content": "a"},
            {"role": "system", "content": "three"},
        ],
    )
    assert chat.system == (Text("one"), Text("two"))
    assert chat.turns[-1] == Turn("system", (Text("three"),))


def test_tool_results_come_first_in_their_turn() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "42"}
    (turn,) = turns_of(("user", "look:"), ("user", [{"type": "text", "text": "so?"}, result]))
    assert turn.parts == (ToolResult("t1", (Text("42"),)), Text("look:"), Text("so?"))


def test_cache_marks() -> None:
    chat = blocks(
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    )
    assert chat.turns[0].parts == (Text("a", "5m"), Text("b", "1h"))
    assert chat.hints == ()


def test_a_cache_mark_without_a_slot_is_a_hint() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x"}, "cache_control": {"type": "ephemeral"}}
    assert blocks(image).hints == ("cache_control",)
    assert chat_of(cache_control={"type": "ephemeral"}).hints == ("cache_control",)


def test_images_and_documents() -> None:
    chat = blocks(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"},
            "title": "t",
        },
        {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "chữ"}, "context": "c"},
        {"type": "document", "source": {"type": "content", "content": "inline"}},
    )
    assert chat.turns[0].parts == (
        Image(data="AAAA", media_type="image/png"),
        Image(url="https://x/y.png"),
        File(data="BBBB", media_type="application/pdf", filename="t"),
        File(url="https://x/y.pdf"),
        Text("c"),
        File(data=base64.b64encode("chữ".encode()).decode(), media_type="text/plain"),
        Text("inline"),
    )
    assert chat.unknown == ()


def test_tools_calls_and_results() -> None:
    chat = chat_of(
        tools=[{"name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        messages=[
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {"b": [1]}}]},
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "t1",
                        "is_error": True,
                        "content": [
                            {"type": "text", "text": "x"},
                            {"type": "image", "source": {"type": "url", "url": "https://x"}},
                        ],
                    }
                ],
            },
        ],
    )
    assert [(tool.name, tool.description, bytes(tool.schema or b""), tool.strict) for tool in chat.tools] == [
        ("f", "d", b'{"type": "object"}', True)
    ]
    assert chat.tool_choice == ToolChoice("tool", "f")
    assert chat.parallel_tools is False
    assert chat.turns[1].parts == (ToolCall("t1", "f", '{"b": [1]}'),)
    assert chat.turns[2].parts == (ToolResult("t1", (Text("x"), Image(url="https://x")), is_error=True),)


def test_thinking_keeps_its_signature_and_its_origin() -> None:
    _, turn = turns_of(
        ("user", "a"),
        (
            "assistant",
            [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "xyz"},
                {"type": "thinking", "thinking": "mm", "signature": "hybridge:openai:"},
                {"type": "redacted_thinking", "data": "hybridge-call:gemini:s:1"},
                {"type": "tool_use", "id": "t", "name": "f", "input": {}},
                {"type": "tool_use", "id": "u", "name": "f", "input": {}},
            ],
        ),
    )
    assert turn.parts == (
        Reasoning("hm", "sig", origin="anthropic"),
        Reasoning(data="xyz", origin="anthropic"),
        Reasoning("mm", "", origin="openai"),
        ToolCall("t", "f", "{}", signature="s:1", origin="gemini"),
        ToolCall("u", "f", "{}"),
    )


@pytest.mark.parametrize(
    ("members", "thinking"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, Thinking("none")),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Thinking(budget_tokens=2000)),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, Thinking(budget_tokens=-1, visible=False)),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, Thinking("max")),
        ({"output_config": {"effort": "low"}}, Thinking("low")),
    ],
)
def test_thinking(members: dict[str, Any], thinking: Thinking | None) -> None:
    assert chat_of(**members).thinking == thinking


def test_simple_members() -> None:
    chat = chat_of(
        max_tokens=7, temperature=0.5, top_p=0.9, top_k=3, stop_sequences=["x"], metadata={"user_id": "u"},
        service_tier="auto", stream=True, output_config={"format": {"type": "json_schema", "schema": {"a": 1}}},
    )  # fmt: skip
    assert (chat.max_tokens, chat.temperature, chat.top_p, chat.top_k) == (7, 0.5, 0.9, 3)
    assert (chat.stop, chat.user, chat.service_tier, chat.stream) == (("x",), "u", "auto", True)
    assert chat.format is not None
    assert bytes(chat.format.schema or b"") == b'{"a": 1}'


def test_what_has_no_slot_is_named() -> None:
    chat = chat_of(
        container="c", mcp_servers=[], route={"budget": "1 USD"}, inference_geo=None,
        tools=[{"type": "bash_20250124", "name": "bash"}, {"name": "f", "defer_loading": True, "input_examples": []}],
        output_config={"task_budget": {"total": 1}},
        messages=[{"role": "user", "content": [
            {"type": "container_upload", "file_id": "f"},
            {"type": "image", "source": {"type": "file", "file_id": "f"}},
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "search_result", "source": "s"}]},
        ]}],
    )  # fmt: skip
    assert set(chat.unknown) == {
        "container", "tools.bash_20250124", "output_config.task_budget", "container_upload", "file_id",
        "tool_result.search_result",
    }  # fmt: skip
    assert chat.hints == ("tools.defer_loading",)


_BAD_BLOCKS: list[tuple[dict[str, Any], str]] = [
    ({"type": "text"}, "text"),
    ({"type": "text", "text": 7}, "text"),
    ({"type": "image"}, "source"),
    ({"type": "image", "source": {"type": "url"}}, "source.url"),
    ({"type": "image", "source": {"type": "smoke"}}, "source.type"),
    ({"type": "image", "source": {"type": "base64", "data": 5}}, "source.data"),
    ({"type": "tool_use", "id": "t", "input": {}}, "name"),
    ({"type": "tool_result", "content": "x"}, "tool_use_id"),
    ({"type": "tool_result", "tool_use_id": "t", "content": {"a": 1}}, "content"),
    ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}, "content[0].text"),
    ({"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "2h"}}, "cache_control.ttl"),
]


@pytest.mark.parametrize(("block", "place"), _BAD_BLOCKS)
def test_a_bad_block_names_its_place(block: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        turns_of(("user", "a"), ("user", [{"type": "text", "text": "b"}, block]))
    assert caught.value.param == f"messages[1].content[1].{place}"


@pytest.mark.parametrize(
    ("members", "place"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].role"),
        ({"system": 7}, "system"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"tools": [{"description": "x"}]}, "tools[0]"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format"),
        ({"stop_sequences": "x"}, "stop_sequences"),
    ],
)
def test_a_bad_member_names_its_place(members: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        chat_of(**members)
    assert caught.value.param == place

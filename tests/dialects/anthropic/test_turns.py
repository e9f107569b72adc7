"""Turns to a provider."""

from __future__ import annotations

import base64
import json

import pytest
from msgspec.structs import replace

from hybridge.chat import (
    Audio,
    Chat,
    File,
    Image,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from tests.dialects.anthropic.asking import HI, TOOL, body, chat, content, encoded, refused
from tests.dialects.anthropic.corpus import NEW, OLD, PROVIDER


def test_roles_alternate_and_the_user_is_first() -> None:
    sent = body(chat(Turn("assistant", (Text("a"),)), HI, Turn("user", (Text("b"),))))["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[0]["content"] == [{"type": "text", "text": "."}]
    assert sent[2]["content"] == [{"type": "text", "text": "hi"}, {"type": "text", "text": "b"}]


def test_empty_text_and_empty_turns_are_left_out() -> None:
    turns = (HI, Turn("assistant", (Text(""),)), Turn("user", (Text(""), Text("b"))))
    assert body(chat(*turns, system=(Text(""),)))["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "b"}]}
    ]
    assert body(Chat((), system=(Text("s"),)))["messages"][0]["content"] == [{"type": "text", "text": "."}]


def test_system_prompts_keep_their_cache_marks() -> None:
    sent = body(chat(system=(Text("a"), Text("b", "5m"), Text("c", "1h"))))
    assert sent["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "c", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]


def test_only_the_last_four_cache_marks_are_sent() -> None:
    texts = tuple(Text(str(number), "5m") for number in range(6))
    sent, dropped = encoded(chat(Turn("user", texts)))
    marked = [block["text"] for block in sent["messages"][0]["content"] if "cache_control" in block]
    assert marked == ["2", "3", "4", "5"]
    assert dropped == ("cache_control",)


def test_system_turns_in_the_middle() -> None:
    late = Turn("system", (Text("be brief"),))
    newest = body(chat(HI, late), NEW)["messages"]
    assert [message["role"] for message in newest] == ["user", "system"]
    for target, turns in ((OLD, (HI, late)), (NEW, (HI, Turn("assistant", (Text("a"),)), late)), (NEW, (HI, late, HI))):
        sent = body(chat(*turns), target)["messages"]
        assert "system" not in {message["role"] for message in sent}
        assert "<system>\nbe brief\n</system>" in json.dumps(sent).replace("\\n", "\n")


def test_prefill() -> None:
    answer = Turn("assistant", (Text("The answer is \n"),))
    assert body(chat(HI, answer))["messages"][-1]["content"] == [{"type": "text", "text": "The answer is"}]
    assert refused(chat(HI, answer), NEW) == ("prefill",)
    assert refused(chat(HI, answer, thinking=Thinking("low"), max_tokens=9000)) == ("reasoning_effort",)


def test_tool_results_stand_first_in_one_message() -> None:
    call = Turn("assistant", (Text("so"), ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "f", "")))
    results = (
        Turn("user", (ToolResult("t1", (Text("1"),)),)),
        Turn("user", (Text("and?"),)),
        Turn("user", (ToolResult("t2", (Text("x"), Image(url="https://x")), is_error=True),)),
    )
    sent = body(chat(HI, call, *results, tools=(TOOL,)))["messages"]
    assert sent[1]["content"][1:] == [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
    ]
    assert sent[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "t1", "content": "1"},
        {
            "type": "tool_result",
            "tool_use_id": "t2",
            "is_error": True,
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "source": {"type": "url", "url": "https://x"}},
            ],
        },
        {"type": "text", "text": "and?"},
    ]


@pytest.mark.parametrize("arguments", ['{"a":', "[1]", "7", "nonsense"])
def test_arguments_that_are_no_object_are_quoted(arguments: str) -> None:
    (block,) = content(ToolCall("t", "f", arguments), role="assistant")
    assert block["input"] == {"INVALID_JSON": arguments}


def test_arguments_keep_their_text() -> None:
    turns = (HI, Turn("assistant", (ToolCall("t", "f", '{ "a" : 1.0 }'),)), HI)
    assert b'{ "a" : 1.0 }' in PROVIDER.encode_request(chat(*turns), OLD).body


def test_ids_are_made_valid_the_same_way_for_a_call_and_its_result() -> None:
    (call,) = content(ToolCall("call.1:x", "f", ""), role="assistant")
    (result,) = content(ToolResult("call.1:x", (Text("1"),)))
    assert call["id"] == result["tool_use_id"]
    assert call["id"].replace("_", "").isalnum()
    (other,) = content(ToolCall("call:1.x", "f", ""), role="assistant")
    assert other["id"] != call["id"]
    (empty,) = content(ToolCall("", "f", ""), role="assistant")
    assert empty["id"]


def test_media() -> None:
    text = base64.b64encode("chữ".encode()).decode()
    assert content(
        Image(data="AAAA", media_type="image/png", detail="auto"),
        Image(url="https://x/y.png"),
        File(data="BBBB", media_type="application/pdf", filename="t"),
        File(url="https://x/y.pdf"),
        File(data=text, media_type="text/markdown"),
        Refusal("no"),
    ) == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "BBBB"},
            "title": "t",
        },
        {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "chữ"}},
        {"type": "text", "text": "no"},
    ]


def test_media_that_cannot_be_carried() -> None:
    assert refused(chat(Turn("user", (Audio("AAAA", "wav"), Text("x"))))) == ("input_audio",)
    for file in (File(data="AAAA", media_type="application/zip"), File(data="?", media_type="text/plain")):
        assert refused(chat(Turn("user", (file, Text("x"))))) == ("file",)


def test_image_detail_is_a_hint() -> None:
    assert encoded(chat(Turn("user", (Image(url="https://x", detail="high"),))))[1] == ("detail",)


def test_images_without_tls_are_fetched_and_inlined() -> None:
    asked = chat(Turn("user", (Image(url="http://x/a"), Image(url="https://x/b"), Image(url="http://x/a"))))
    assert PROVIDER.images_to_fetch(asked) == ("http://x/a",)
    sent = body(asked, replace(OLD, images={"http://x/a": ("image/png", "AAAA")}))["messages"][0]["content"]
    assert [block["source"]["type"] for block in sent] == ["base64", "url", "base64"]


def test_only_thoughts_of_this_dialect_go_back() -> None:
    asked = chat(
        HI,
        Turn(
            "assistant",
            (
                Reasoning("a", "sig", origin="anthropic"),
                Reasoning(data="xyz", origin="anthropic"),
                Reasoning("b", "sig", origin="gemini"),
                Reasoning(data="enc", origin="openai"),
                Reasoning("c"),
                Reasoning("d", origin="anthropic"),
                Text("x"),
            ),
        ),
        HI,
    )
    sent, dropped = encoded(asked)
    assert sent["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "a", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "x"},
    ]
    assert dropped == ("reasoning",)
    assert b"enc" not in PROVIDER.encode_request(asked, OLD).body


def test_marks_are_counted_over_system_results_and_turns() -> None:
    call = Turn("assistant", (ToolCall("t", "f", ""),))
    result = Turn("user", (ToolResult("t", (Text("r", "5m"), Text("", "5m"))), Text("u", "1h"), Text("v", "5m")))
    sent, dropped = encoded(chat(HI, call, result, system=(Text("a", "5m"), Text("b", "5m"), Text("", "5m"))))
    assert "cache_control" not in sent["system"][0]
    assert sent["system"][1]["cache_control"] == {"type": "ephemeral"}
    inner, first, second = sent["messages"][2]["content"]
    assert inner["content"] == [{"type": "text", "text": "r", "cache_control": {"type": "ephemeral"}}]
    assert first["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert second["cache_control"] == {"type": "ephemeral"}
    assert dropped == ("cache_control",)


def test_tools_that_were_called_are_defined() -> None:
    turns = (HI, Turn("assistant", (ToolCall("t", "f", ""), ToolCall("u", "g", ""), ToolCall("v", "f", ""))), HI)
    sent = body(chat(*turns))
    assert sent["tools"] == [{"name": name, "input_schema": {"type": "object"}} for name in ("f", "g")]
    assert sent["tool_choice"] == {"type": "none"}

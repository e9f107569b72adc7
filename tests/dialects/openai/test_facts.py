"""What a request needs and asks."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from hybridge.chat import Ask
from hybridge.dialects import dialect
from hybridge.errors import InvalidRequest
from hybridge.types import Facts, Needs

CLIENT = dialect("openai").client
USER = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def facts(**fields: Any) -> Facts:
    return CLIENT.read_facts(msgspec.json.encode({"model": "m", "messages": [USER], **fields}))


def refused(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.read_facts(body)
    return caught.value


def test_the_simplest_request() -> None:
    found = facts()
    assert found.model == "m"
    assert not found.stream
    assert found.needs == Needs.NOTHING
    assert found.asks == frozenset()
    assert set(found.fields) == {"model", "messages"}


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": [TOOL]}, Needs.TOOLS),
        ({"tools": []}, Needs.NOTHING),
        ({"tools": None}, Needs.NOTHING),
        ({"tools": [TOOL], "parallel_tool_calls": True}, Needs.TOOLS | Needs.PARALLEL_TOOLS),
        ({"tools": [TOOL], "parallel_tool_calls": False}, Needs.TOOLS),
        ({"parallel_tool_calls": True}, Needs.NOTHING),
        ({"functions": [{"name": "f"}]}, Needs.TOOLS),
        ({"response_format": {"type": "text"}}, Needs.NOTHING),
        ({"response_format": {"type": "json_object"}}, Needs.JSON_OBJECT),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, Needs.JSON_SCHEMA),
        ({"response_format": None}, Needs.NOTHING),
        ({"reasoning_effort": "high"}, Needs.REASONING),
        ({"reasoning_effort": "none"}, Needs.NOTHING),
        ({"reasoning_effort": None}, Needs.NOTHING),
        ({"reasoning": {"max_tokens": 100}}, Needs.REASONING),
        ({"reasoning": {"enabled": False}}, Needs.NOTHING),
        ({"reasoning": {"exclude": True}}, Needs.NOTHING),
        ({"thinking": {"type": "enabled"}}, Needs.REASONING),
        ({"thinking": {"type": "disabled"}}, Needs.NOTHING),
        ({"enable_thinking": True}, Needs.REASONING),
        ({"thinking_budget": 0}, Needs.NOTHING),
        ({"modalities": ["text"]}, Needs.NOTHING),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, Needs.AUDIO_OUTPUT),
        ({"stream": True}, Needs.STREAMING),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, Needs.VISION),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, Needs.NOTHING),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "input_audio", "input_audio": {"data": "A", "format": "wav"}}],
                    }
                ]
            },
            Needs.AUDIO_INPUT,
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}}],
                    }
                ]
            },
            Needs.FILES,
        ),
        ({"messages": [{"role": "tool", "tool_call_id": "a", "content": "x"}]}, Needs.TOOLS),
        ({"messages": [{"role": "function", "name": "f", "content": "x"}]}, Needs.TOOLS),
        ({"messages": [USER, {"role": "assistant", "tool_calls": [TOOL]}, USER]}, Needs.TOOLS),
        ({"messages": [USER, {"role": "assistant", "content": "x", "tool_calls": []}, USER]}, Needs.NOTHING),
    ],
)
def test_needs(fields: dict[str, Any], needs: Needs) -> None:
    assert facts(**fields).needs == needs


@pytest.mark.parametrize(
    ("fields", "asks"),
    [
        ({"n": 1, "logprobs": False, "top_logprobs": 0, "logit_bias": {}, "prediction": None}, set()),
        ({"n": 2}, {Ask.N}),
        ({"logprobs": True, "top_logprobs": 3}, {Ask.LOGPROBS}),
        ({"logit_bias": {"1": 5}}, {Ask.LOGIT_BIAS}),
        ({"prediction": {"type": "content", "content": "x"}}, {Ask.PREDICTION}),
        ({"modalities": ["text", "audio"]}, {Ask.MODALITIES}),
        ({"web_search_options": {}}, {Ask.WEB_SEARCH}),
        ({"web_search_options": None}, set()),
        ({"tools": [{"type": "web_search"}]}, {Ask.SERVER_TOOLS}),
        ({"tools": [TOOL], "parallel_tool_calls": False}, {Ask.PARALLEL_OFF}),
        ({"parallel_tool_calls": False}, set()),
        ({"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]}, {Ask.STRICT_TOOLS}),
        ({"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}, {Ask.ALLOWED_TOOLS}),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}}, set()),
        ({"tools": [TOOL], "tool_choice": "required"}, set()),
        ({"stop": ["a"] * 4}, set()),
        ({"stop": ["a"] * 5}, {Ask.STOP_OVER_4}),
        ({"stop": ["a"] * 6}, {Ask.STOP_OVER_4, Ask.STOP_OVER_5}),
        ({"stop": "aaaaaaaaaa"}, set()),
        ({"messages": [USER, {"role": "assistant", "content": "Sure,"}]}, {Ask.PREFILL}),
        ({"messages": [{"role": "tool", "tool_call_id": "a", "content": [IMAGE]}]}, {Ask.TOOL_IMAGES}),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, {"messages.content.video_url"}),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
            {"messages.content.file_id"},
        ),
        ({"min_p": 0.1, "moderation": {"a": 1}}, {"min_p", "moderation"}),
        ({"future": None, "later": [], "other": {}, "flag": False, "text": ""}, set()),
        ({"verbosity": "medium"}, set()),
        ({"verbosity": "low"}, {"verbosity"}),
        ({"functions": [{"name": "f"}], "function_call": "auto"}, {"functions"}),
        ({"response_format": {"type": "grammar"}}, {"response_format"}),
    ],
)
def test_asks(fields: dict[str, Any], asks: set[str]) -> None:
    assert facts(**fields).asks == asks


def test_hints_and_a_gateways_own_members_ask_for_nothing() -> None:
    found = facts(
        user="u", safety_identifier="s", metadata={"a": "b"}, store=True, seed=1, presence_penalty=1, top_k=4,
        frequency_penalty=1, service_tier="flex", prompt_cache_key="k", prompt_cache_retention="24h",
        stream_options={"include_usage": True}, route={"budget": "1000 VND"}, models=["a"], provider={"sort": "price"},
        transforms=["middle-out"], plugins=[{"id": "web"}], temperature=1, top_p=1, usage={"include": True},
    )  # fmt: skip
    assert found.asks == frozenset()
    assert found.user == "u"
    assert found.include_usage
    assert "provider" in found.fields


def test_the_user_is_the_safety_identifier_where_there_is_no_other() -> None:
    assert facts(safety_identifier="s").user == "s"
    assert facts(safety_identifier="s", user="u").user == "u"
    assert facts(user=None).user is None


def test_max_tokens_has_two_names() -> None:
    assert facts(max_tokens=5).max_tokens == 5
    assert facts(max_completion_tokens=6).max_tokens == 6
    assert facts(max_tokens=5, max_completion_tokens=6).max_tokens == 5
    assert facts(max_tokens=None).max_tokens is None


def test_the_path_may_say_model_and_stream() -> None:
    body = msgspec.json.encode({"messages": [USER]})
    found = CLIENT.read_facts(body, "deployed", True)
    assert (found.model, found.stream) == ("deployed", True)
    assert Needs.STREAMING in found.needs


def test_media_is_no_text() -> None:
    text = facts(messages=[{"role": "user", "content": "x" * 5000}])
    assert text.input_bytes > 5000
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    seen = facts(messages=[{"role": "user", "content": [{"type": "text", "text": "x"}, picture, picture]}])
    assert seen.input_bytes < 500
    assert seen.images == 2


def test_a_huge_image_is_not_decoded_for_a_flag() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 20_000_000}}
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": [picture]}]})
    started = time.process_time()
    found = CLIENT.read_facts(body)
    assert found.images == 1
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}]', None),
        (b"[]", None),
        (b'"x"', None),
        (b"\xff", None),
        (b'{"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"","messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":null,"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":5,"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":null}', "messages"),
        (b'{"model":"m","messages":"x"}', "messages"),
        (b'{"model":"m","messages":[7]}', "messages[0]"),
        (b'{"model":"m","messages":[{"role":7}]}', "messages[0].role"),
        (b'{"model":"m","messages":[{"role":"user","content":[5]}]}', "messages[0].content[0]"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"tools":{}}', "tools"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":"5"}', "max_tokens"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}],"stop":[1]}', "stop[0]"),
    ],
)
def test_what_cannot_be_understood(body: bytes, param: str | None) -> None:
    error = refused(body)
    assert error.param == param
    assert error.status == 400
    assert "`" in error.message or "body" in error.message


@pytest.mark.parametrize(
    ("message", "thoughts"),
    [
        ({"content": "reasoning", "name": "reasoning_details"}, False),
        ({"reasoning": "x"}, True),
        ({"reasoning_content": "x"}, True),
        ({"reasoning_details": []}, True),
        ({"tool_calls": [TOOL]}, False),
        ({"tool_calls": [{**TOOL, "extra_content": {"google": {"thought_signature": "s"}}}]}, True),
    ],
)
def test_thoughts_are_seen(message: dict[str, Any], thoughts: bool) -> None:
    for role in ("assistant", "user"):
        assert facts(messages=[USER, {"role": role, **message}, USER]).thoughts is thoughts

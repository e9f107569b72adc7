"""What routing learns of a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hybridge.chat import Ask
from hybridge.errors import InvalidRequest
from hybridge.types import Facts, Needs, Operation
from tests.dialects.anthropic.corpus import CLIENT

ASKED: dict[str, Any] = {
    "model": "claude-3-haiku-20240307",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}


def facts_of(**members: Any) -> Facts:
    return CLIENT.read_facts(json.dumps({**ASKED, **members}).encode())


def with_block(block: dict[str, Any], role: str = "user") -> Facts:
    return facts_of(messages=[{"role": role, "content": [block]}, {"role": "user", "content": "go on"}])


def test_the_plain_request() -> None:
    body = json.dumps(ASKED).encode()
    facts = CLIENT.read_facts(body)
    assert (facts.model, facts.stream, facts.max_tokens) == ("claude-3-haiku-20240307", False, 100)
    assert facts.needs == Needs.NOTHING
    assert facts.asks == frozenset()
    assert facts.input_bytes == len(body)
    assert facts.user is None


def test_what_asks_for_nothing_is_no_need() -> None:
    facts = facts_of(
        tools=[], tool_choice={"type": "auto", "disable_parallel_tool_use": False}, thinking={"type": "disabled"},
        stop_sequences=[], output_config={"effort": None, "format": None}, container=None, mcp_servers=[],
        metadata={}, service_tier="auto", temperature=1, top_k=5, cache_control={"type": "ephemeral"},
    )  # fmt: skip
    assert facts.needs == Needs.NOTHING
    assert facts.asks == frozenset()


def test_our_own_and_openrouters_members_are_no_ask() -> None:
    facts = facts_of(
        route={"budget": "1000 VND"}, models=["a"], provider={"order": ["x"]}, transforms=["y"], plugins=[{}]
    )
    assert facts.asks == frozenset()


@pytest.mark.parametrize(
    ("members", "needs"),
    [
        ({"stream": True}, Needs.STREAMING),
        ({"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, Needs.TOOLS),
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, Needs.REASONING),
        ({"thinking": {"type": "adaptive"}}, Needs.REASONING),
        ({"output_config": {"effort": "low"}}, Needs.REASONING),
        ({"output_config": {"effort": "low"}, "thinking": {"type": "disabled"}}, Needs.NOTHING),
        ({"output_config": {"format": {"type": "json_schema", "schema": {}}}}, Needs.JSON_SCHEMA),
    ],
)
def test_needs(members: dict[str, Any], needs: Needs) -> None:
    assert facts_of(**members).needs == needs


@pytest.mark.parametrize(
    ("members", "asks"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {Ask.SERVER_TOOLS}),
        ({"tools": [{"type": "custom", "name": "f", "strict": True}]}, {Ask.STRICT_TOOLS}),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, {Ask.PARALLEL_OFF}),
        ({"stop_sequences": list("abcde")}, {Ask.STOP_OVER_4}),
        ({"stop_sequences": list("abcdef")}, {Ask.STOP_OVER_4, Ask.STOP_OVER_5}),
        ({"mcp_servers": [{"url": "https://x"}]}, {"mcp_servers"}),
        ({"output_config": {"task_budget": {"total": 1}}}, {"output_config.task_budget"}),
        (
            {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
            {Ask.PREFILL},
        ),
    ],
)
def test_asks(members: dict[str, Any], asks: set[str]) -> None:
    assert facts_of(**members).asks == asks


@pytest.mark.parametrize(
    ("block", "needs", "asks"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://x"}}, Needs.VISION, set()),
        ({"type": "image", "source": {"type": "file", "file_id": "f"}}, Needs.VISION, {"file_id"}),
        ({"type": "document", "source": {"type": "text", "data": "x"}}, Needs.FILES, set()),
        (
            {"type": "document", "source": {"type": "text", "data": "x"}, "citations": {"enabled": True}},
            Needs.FILES,
            {"citations"},
        ),
        ({"type": "tool_result", "tool_use_id": "t", "content": "image"}, Needs.NOTHING, set()),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "image", "source": {"type": "base64", "data": "AAAA"}}],
            },
            Needs.VISION,
            {Ask.TOOL_IMAGES},
        ),
        (
            {
                "type": "tool_result",
                "tool_use_id": "t",
                "content": [{"type": "document", "source": {"type": "text", "data": "x"}}],
            },
            Needs.FILES,
            {"tool_result.document"},
        ),
        ({"type": "search_result", "source": "https://x", "content": []}, Needs.NOTHING, {"search_result"}),
        ({"type": "of_tomorrow", "content": {"deep": 1}}, Needs.NOTHING, {"of_tomorrow"}),
    ],
)
def test_blocks(block: dict[str, Any], needs: Needs, asks: set[str]) -> None:
    facts = with_block(block)
    assert facts.needs == needs
    assert facts.asks == asks


def test_media_are_taken_off_the_input() -> None:
    data = "A" * 100_000
    facts = with_block({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}})
    assert facts.images == 1
    assert facts.input_bytes < 400


def test_the_user_and_the_model_of_the_path() -> None:
    assert facts_of(metadata={"user_id": "u1"}).user == "u1"
    asked = json.dumps({"messages": ASKED["messages"]}).encode()
    facts = CLIENT.read_facts(asked, "claude-3-haiku", True)
    assert (facts.model, facts.stream) == ("claude-3-haiku", True)


def test_fields_are_kept_as_they_came() -> None:
    facts = CLIENT.read_facts(b'{"model":"m","messages":[{"role":"user","content":"a"}],"new":{ "x" : 1.50 }}')
    assert bytes(facts.fields["new"]) == b'{ "x" : 1.50 }'


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b'{"model":"m",}', None),
        (b"[]", None),
        (b'"hi"', None),
        (b"\xff\xfe", None),
        (b'{"model":"m","messages":' + b"[" * 100_000, None),
        (b'{"messages":[{"role":"user","content":"a"}]}', "model"),
        (b'{"model":"","messages":[{"role":"user","content":"a"}]}', "model"),
        (b'{"model":7,"messages":[{"role":"user","content":"a"}]}', "model"),
        (b'{"model":"\xff","messages":[{"role":"user","content":"a"}]}', "model"),
        (b'{"model":"m"}', "messages"),
        (b'{"model":"m","messages":[]}', "messages"),
        (b'{"model":"m","messages":null}', "messages"),
        (b'{"model":"m","messages":{}}', "messages"),
        (b'{"model":"m","messages":["x"]}', "messages[0]"),
        (b'{"model":"m","messages":[{"role":"user"}]}', "messages[0]"),
        (b'{"model":"m","messages":[{"role":"user","content":7}]}', "messages[0].content"),
        (b'{"model":"m","messages":[{"role":"user","content":[{}]}]}', "messages[0].content[0]"),
        (
            b'{"model":"m","messages":[{"role":"user","content":[{"type":"image"}]}]}',
            "messages[0].content[0].source",
        ),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"stream":"yes"}', "stream"),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":"9"}', "max_tokens"),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"max_tokens":-1}', "max_tokens"),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"tools":{}}', "tools"),
        (b'{"model":"m","messages":[{"role":"user","content":"a"}],"metadata":{"user_id":7}}', "metadata.user_id"),
    ],
)
def test_bad_input_names_its_place(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.read_facts(body)
    assert caught.value.param == param
    assert caught.value.status == 400
    assert len(caught.value.message) > 10


def test_only_an_answer_needs_max_tokens() -> None:
    facts = facts_of()
    CLIENT.check(facts, Operation.CHAT)
    facts = CLIENT.read_facts(b'{"model":"m","messages":[{"role":"user","content":"a"}]}')
    CLIENT.check(facts, Operation.COUNT_TOKENS)
    with pytest.raises(InvalidRequest) as caught:
        CLIENT.check(facts, Operation.CHAT)
    assert caught.value.param == "max_tokens"
    assert json.loads(CLIENT.encode_count(12)) == {"input_tokens": 12}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"temperature": 1, "top_p": 0.5, "top_k": 3, "service_tier": "auto", "cache_control": {"type": "ephemeral"}},
        {"system": "s", "stream": True, "metadata": {"user_id": "u"}},
        {"system": [{"type": "text", "text": "s"}]},
    ],
)
def test_a_plain_request_is_surveyed_as_if_it_were_not(members: dict[str, Any]) -> None:
    plain = facts_of(**members)
    for other in (
        facts_of(**members, tools=[]),
        facts_of(**members, container=None),
        facts_of(**members, messages=[{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
    ):
        assert (other.needs, other.asks, other.user, other.stream) == (
            plain.needs,
            plain.asks,
            plain.user,
            plain.stream,
        )
    assert facts_of(**members, new={"a": 1}).asks == {"new"}


def test_of_a_member_that_comes_twice_the_last_one_counts() -> None:
    facts = CLIENT.read_facts(
        b'{"model":7,"model":"m","max_tokens":"x","max_tokens":5,"messages":[],"messages":[{"role":"user","content":"a"}]}'
    )
    assert (facts.model, facts.max_tokens) == ("m", 5)

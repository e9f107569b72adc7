"""Whole answers: every trap of the wire by name."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hybridge.chat import Image, Reasoning, Refusal, Reply, StopReason, Text, ToolCall
from hybridge.dialects import dialect
from hybridge.errors import (
    Broken,
    ContentFiltered,
    EmptyAnswer,
    KeyRefused,
    MalformedAnswer,
    ProviderError,
    RateLimited,
    Rejected,
)
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks

OPENAI = dialect("openai")
SPENT = {"prompt_tokens": 5, "completion_tokens": 3}


def answer(message: dict[str, Any] | None = None, finish: str | None = "stop", **fields: Any) -> bytes:
    message = {"role": "assistant", "content": "hi"} if message is None else message
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return msgspec.json.encode({"id": "x", "model": "m", "choices": [choice], "usage": SPENT, **fields})


def decode(body: bytes, quirks: Quirks = NO_QUIRKS) -> Reply:
    return OPENAI.provider.decode_reply(body, quirks)


def usage(wire: dict[str, Any], quirks: Quirks = NO_QUIRKS) -> Usage:
    found = OPENAI.provider.peek_reply(answer(usage=wire), quirks).usage
    assert found is not None
    return found


def test_a_plain_answer() -> None:
    assert decode(answer()) == Reply("x", "m", (Text("hi"),), StopReason.STOP, Usage(input=5, output=3))


@pytest.mark.parametrize(
    ("finish", "stop"),
    [
        ("stop", StopReason.STOP),
        ("eos", StopReason.STOP),
        ("something_new", StopReason.STOP),
        ("", StopReason.STOP),
        (None, StopReason.STOP),
        ("length", StopReason.LENGTH),
        ("model_length", StopReason.LENGTH),
        ("model_context_window_exceeded", StopReason.LENGTH),
        ("tool_calls", StopReason.TOOL_CALLS),
        ("function_call", StopReason.TOOL_CALLS),
        ("content_filter", StopReason.CONTENT_FILTER),
        ("sensitive", StopReason.CONTENT_FILTER),
    ],
)
def test_finish_reasons(finish: str | None, stop: StopReason) -> None:
    assert decode(answer(finish=finish)).stop is stop


@pytest.mark.parametrize("finish", ["error", "network_error", "insufficient_system_resource", "abort"])
def test_finish_reasons_that_are_failures(finish: str) -> None:
    for read in (decode, lambda body: OPENAI.provider.peek_reply(body, NO_QUIRKS)):
        with pytest.raises(Broken):
            read(answer(finish=finish))


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


def test_a_forced_call_ends_in_stop() -> None:
    reply = decode(answer({"content": None, "tool_calls": [CALL]}, "stop"))
    assert reply.parts == (ToolCall("a", "f", '{"x":1}'),)
    assert reply.stop is StopReason.TOOL_CALLS


def test_calls_may_lack_ids_or_text_arguments() -> None:
    loose = {"function": {"name": "f", "arguments": {"x": 1}}}
    first, second = decode(answer({"tool_calls": [{**loose, "id": ""}, loose]})).parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.arguments == '{"x":1}'
    assert first.id != second.id
    assert decode(answer({"tool_calls": [loose, loose]})).parts[0] == first


def test_a_function_call_of_old() -> None:
    (part,) = decode(
        answer({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call")
    ).parts
    assert isinstance(part, ToolCall)
    assert (part.name, part.arguments) == ("f", "{}")


def test_a_refusal() -> None:
    reply = decode(answer({"content": None, "refusal": "no"}))
    assert reply.parts == (Refusal("no"),)
    assert reply.stop is StopReason.REFUSAL
    again = msgspec.json.decode(OPENAI.client.encode_reply(reply, request_id="r", created=1))["choices"][0]
    assert again["message"]["refusal"] == "no"
    assert again["message"]["content"] is None
    assert again["finish_reason"] == "stop"


def test_mistral_thinks_in_the_content() -> None:
    content = [
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            "closed": True,
        },
        {"type": "text", "text": "c"},
        {"type": "reference", "reference_ids": [1]},
    ]
    assert decode(answer({"content": content})).parts == (Reasoning("ab"), Text("c"))


def test_reasoning_in_every_place() -> None:
    assert decode(answer({"content": "a", "reasoning_content": "x"})).parts[0] == Reasoning("x")
    assert decode(answer({"content": "a", "reasoning": "x"})).parts[0] == Reasoning("x")
    detail = {"type": "reasoning.text", "text": "x", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    found = decode(answer({"content": "a", "reasoning": "x", "reasoning_details": [detail]})).parts
    assert found == (Reasoning("x", "s", "", "anthropic"), Text("a"))
    assert decode(answer({"content": "a", "reasoning_details": [detail]})).parts == found


def test_images_of_an_answer() -> None:
    images = [{"type": "image_url", "image_url": {"url": url}} for url in ("data:image/png;base64,iVBO", "https://x/y")]
    reply = decode(answer({"content": "", "images": images}))
    assert reply.parts == (Image(data="iVBO", media_type="image/png"), Image(url="https://x/y"))
    assert decode(OPENAI.client.encode_reply(reply, request_id="r", created=1)).parts == reply.parts
    with pytest.raises(MalformedAnswer):
        decode(answer({"images": [{"image_url": {"url": "data:image/png,raw"}}]}))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", EmptyAnswer),
        (b"  \n ", EmptyAnswer),
        (b"<html><h1>502 Bad Gateway</h1></html>", MalformedAnswer),
        (b"plain words", MalformedAnswer),
        (b'{"id":"x","choices":[{"message":{"conte', MalformedAnswer),
        (b"null", MalformedAnswer),
        (b"[]", MalformedAnswer),
        (b"{}", MalformedAnswer),
        (b'{"choices":"x"}', MalformedAnswer),
        (b'{"choices":[]}', EmptyAnswer),
        (b'{"choices":[{"message":{"content":""},"finish_reason":"stop"}]}', EmptyAnswer),
        (b'{"choices":[{"message":{"content":null}}],"usage":{"prompt_tokens":5,"completion_tokens":0}}', EmptyAnswer),
        (b'{"error":{"code":502,"message":"down"}}', Broken),
        (b'{"error":{"code":429,"message":"slow"},"choices":[]}', RateLimited),
        (b'{"error":{"code":"429","message":"slow"}}', RateLimited),
        (b'{"error":{"code":429,"message":"slow"},"choices":[{"message":{"content":"x"}}]}', RateLimited),
        (b'{"error":{"code":401,"message":"key"}}', KeyRefused),
        (b'{"error":{"code":400,"message":"bad"}}', Rejected),
        (b'{"error":"broken inside"}', Broken),
        (b'{"choices":[{"error":{"code":502,"message":"down"},"message":{"content":"x"}}]}', Broken),
        (b'{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}', Broken),
        (b'{"base_resp":{"status_code":1004,"status_msg":"login fail"},"choices":null}', KeyRefused),
        (b'{"base_resp":{"status_code":1026,"status_msg":"sensitive"}}', ContentFiltered),
        (b'{"detail":"Not Found"}', Broken),
        (b'{"error":{"message":"x"},"choices":7}', Broken),
        (b"\xff\xfe", MalformedAnswer),
    ],
)
def test_a_200_that_is_none(body: bytes, kind: type[ProviderError]) -> None:
    for read in (OPENAI.provider.peek_reply, OPENAI.provider.decode_reply):
        with pytest.raises(ProviderError) as caught:
            read(body, NO_QUIRKS)
        assert type(caught.value) is kind
        assert caught.value.message


def test_an_answer_eaten_by_reasoning_is_not_empty() -> None:
    spent = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 9}}
    assert decode(answer({"content": ""}, "length", usage=spent)).usage == Usage(input=5, reasoning=9)
    assert decode(answer({"content": ""}, "stop", usage=spent)).parts == ()


def test_a_null_error_is_none() -> None:
    assert decode(answer(error=None)).parts == (Text("hi"),)


def test_white_space_before_an_answer() -> None:
    assert decode(b"\n         \n\n" + answer()).parts == (Text("hi"),)


def test_cached_and_audio_tokens_are_inside_the_prompt() -> None:
    wire = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 20, "image_tokens": 5, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 15, "audio_tokens": 5},
    }
    found = usage(wire)
    assert found == Usage(
        input=35, cache_read=30, cache_write=10, audio_input=20, image=5, output=30, reasoning=15, audio_output=5
    )
    assert (found.prompt_tokens, found.completion_tokens) == (100, 50)


def test_reasoning_outside_the_completion() -> None:
    wire = {"prompt_tokens": 1, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 9}}
    assert usage(wire, Quirks(reasoning_outside_completion=True)) == Usage(input=1, output=5, reasoning=9)
    assert usage(wire) == Usage(input=1, output=0, reasoning=5)


@pytest.mark.parametrize(
    "extra",
    [
        {"cached_tokens": 4},
        {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6},
        {"prompt_tokens_details": {"cached_tokens": 4}, "cached_tokens": 4},
        {"prompt_tokens_details": None, "cached_tokens": 4},
    ],
)
def test_where_cached_tokens_stand(extra: dict[str, Any]) -> None:
    assert usage({"prompt_tokens": 10, "completion_tokens": 1, **extra}) == Usage(input=6, cache_read=4, output=1)


def test_more_cached_than_prompted_was_counted_beside() -> None:
    wire = {"prompt_tokens": 7, "completion_tokens": 8, "prompt_tokens_details": {"cached_tokens": 161}}
    assert usage(wire) == Usage(input=7, cache_read=161, output=8)


def test_whole_numbers_may_be_written_as_floats() -> None:
    assert usage({"prompt_tokens": 7.0, "completion_tokens": 8.0}) == Usage(input=7, output=8)


@pytest.mark.parametrize("wire", [None, "x", [], {"prompt_tokens": "x"}])
def test_usage_that_is_none(wire: Any) -> None:
    assert OPENAI.provider.peek_reply(answer(usage=wire), NO_QUIRKS).usage is None


def test_groq_puts_usage_elsewhere() -> None:
    body = answer(usage=None, x_groq={"id": "r", "usage": SPENT})
    quirks = Quirks(usage_path="x_groq.usage")
    assert OPENAI.provider.peek_reply(body, quirks).usage == Usage(input=5, output=3)
    assert decode(body, quirks).usage == Usage(input=5, output=3)
    assert OPENAI.provider.peek_reply(answer(usage=None, x_groq=7), quirks).usage is None


@pytest.mark.parametrize(
    ("extra", "quirks", "nano_usd"),
    [
        ({"cost": 0.0076509169000000005}, Quirks(cost_path="cost"), 7_650_917),
        ({"cost": 0}, Quirks(cost_path="cost"), 0),
        ({"cost": None}, Quirks(cost_path="cost"), None),
        ({"cost": "0.5"}, Quirks(cost_path="cost"), 500_000_000),
        ({"cost": "much"}, Quirks(cost_path="cost"), None),
        ({}, Quirks(cost_path="cost"), None),
        ({"cost": 0.5}, Quirks(), None),
        ({"cost": {"total_cost": 0.000601}}, Quirks(cost_path="cost.total_cost"), 601_000),
        (
            {"cost_in_usd_ticks": 3_206_000},
            Quirks(cost_path="cost_in_usd_ticks", cost_units_per_usd=10_000_000_000),
            320_600,
        ),
        ({"cost": 0.000000000_5}, Quirks(cost_path="cost"), 0),
        ({"cost": 0.000000001_5}, Quirks(cost_path="cost"), 2),
        (
            {"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.0002265}},
            Quirks(cost_path="cost"),
            226_500,
        ),
        ({"cost": 0, "is_byok": True}, Quirks(cost_path="cost"), None),
    ],
)
def test_bills(extra: dict[str, Any], quirks: Quirks, nano_usd: int | None) -> None:
    assert usage({**SPENT, **extra}, quirks).reported_nano_usd == nano_usd


def test_an_answer_for_a_client() -> None:
    reply = Reply(
        "",
        "claude",
        (Reasoning("x", "s", "", "anthropic"), Text("a"), Text("b"), ToolCall("c", "f", "", "g", "gemini")),
        StopReason.TOOL_CALLS,
        Usage(input=1, cache_read=2, cache_write=3, cache_write_1h=4, image=5, output=6, reasoning=7),
    )
    assert msgspec.json.decode(OPENAI.client.encode_reply(reply, request_id="req_1", created=9)) == {
        "id": "chatcmpl-req_1",
        "object": "chat.completion",
        "created": 9,
        "model": "claude",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "ab",
                    "refusal": None,
                    "reasoning_content": "x",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "text": "x",
                            "signature": "s",
                            "format": "anthropic-claude-v1",
                            "index": 0,
                        }
                    ],
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "g"}},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 15,
            "completion_tokens": 13,
            "total_tokens": 28,
            "prompt_tokens_details": {
                "cached_tokens": 2,
                "audio_tokens": 0,
                "cache_write_tokens": 7,
                "image_tokens": 5,
            },
            "completion_tokens_details": {
                "reasoning_tokens": 7,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        (StopReason.STOP, "stop"),
        (StopReason.STOP_SEQUENCE, "stop"),
        (StopReason.PAUSE, "stop"),
        (StopReason.LENGTH, "length"),
        (StopReason.CONTENT_FILTER, "content_filter"),
        (StopReason.REFUSAL, "content_filter"),
    ],
)
def test_finish_reasons_for_a_client(stop: StopReason, finish: str) -> None:
    reply = Reply("x", "m", (Text("a"),), stop, Usage())
    written = msgspec.json.decode(OPENAI.client.encode_reply(reply, request_id="r", created=1))
    assert written["choices"][0]["finish_reason"] == finish


def test_words_beside_a_call_and_no_parts_at_all_for_a_client() -> None:
    call = ToolCall("a", "f", "{}")
    for parts, content in (((Text("x"), call), "x"), ((Text("x"), Text("y")), "xy"), ((), ""), ((call,), None)):
        reply = Reply("x", "m", parts, StopReason.STOP, Usage())
        message = msgspec.json.decode(OPENAI.client.encode_reply(reply, request_id="r", created=1))["choices"][0][
            "message"
        ]
        assert message["content"] == content
        assert ("tool_calls" in message) is (call in parts)


#: With a place for a bill an answer is read in full; nothing stands there.
IN_FULL = Quirks(cost_path="nowhere")

_counts = st.sampled_from([0, 1, 20, 12.0, -3, None, "7", 2.5])
_details = st.none() | st.fixed_dictionaries(
    {}, optional={"cached_tokens": _counts, "audio_tokens": _counts, "reasoning_tokens": _counts}
)
_usages: st.SearchStrategy[Any] = st.sampled_from([None, {}, "none", []]) | st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": _counts,
        "completion_tokens": _counts,
        "prompt_tokens_details": _details,
        "completion_tokens_details": _details,
    },
)
_messages: st.SearchStrategy[Any] = st.sampled_from([None, {}, "no"]) | st.fixed_dictionaries(
    {},
    optional={
        "content": st.sampled_from([None, "", " ", "Hi", [], [{"type": "text", "text": "Hi"}], 7]),
        "tool_calls": st.sampled_from([None, [], [{"function": {"name": "f"}}], ""]),
        "reasoning": st.sampled_from([None, "", "Hm"]),
        "refusal": st.sampled_from([None, "", "No"]),
    },
)
_choices = st.fixed_dictionaries(
    {},
    optional={
        "message": _messages,
        "finish_reason": st.sampled_from([None, "", "stop", "length", "content_filter", "error", "odd", 3]),
        "error": st.sampled_from([None, {}, {"message": "broken", "code": 500}]),
    },
)
_answers = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.none() | st.lists(_choices, max_size=2),
        "usage": _usages,
        "error": st.sampled_from([None, "", {"message": "broken", "code": 500}]),
    },
)


def _peeked(body: bytes, quirks: Quirks) -> object:
    try:
        return OPENAI.provider.peek_reply(body, quirks)
    except ProviderError as error:
        return type(error), error.message, error.status


@given(_answers, st.sampled_from([None, 1, -1]))
@example({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": {}}, None)
@example({"choices": [{"message": {"content": "Hi"}}] * 2, "usage": {"prompt_tokens": 1}}, None)
@example({"choices": [{"message": {"content": "Hi"}, "finish_reason": "error"}], "usage": {"prompt_tokens": 1}}, None)
@example({"choices": [{"message": {"content": "Hi"}, "error": {"message": "x"}}], "usage": {"prompt_tokens": 1}}, None)
@example({"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 1}, "error": {"message": "x"}}, None)
@example({"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": -3, "completion_tokens": 1}}, None)
@example({"choices": [{"message": {"content": "Hi"}}], "usage": {"prompt_tokens": 3, "completion_tokens": -1}}, None)
@example({"choices": [{"message": {"tool_calls": [{}]}}], "usage": {"prompt_tokens": 3}}, None)
@example({"choices": [{"message": {"content": ""}}], "usage": {"prompt_tokens": 3}}, None)
def test_a_plain_answer_is_peeked_at_as_any_other(said: dict[str, Any], end: int | None) -> None:
    body = msgspec.json.encode(said)[:end]
    assert _peeked(body, NO_QUIRKS) == _peeked(body, IN_FULL)

"""Events as chunks for a client."""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.chat import (
    Event,
    Finish,
    ReasoningDelta,
    RefusalDelta,
    Start,
    StopReason,
    TextDelta,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects import dialect
from hybridge.money import Usage

CLIENT = dialect("openai").client


def written(*events: Event, include_usage: bool = False) -> list[dict[str, Any]]:
    encoder = CLIENT.stream_encoder(model="asked", include_usage=include_usage, request_id="req_1", created=9)
    out = b"".join(encoder.encode([event]) for event in events) + encoder.finish()
    again = CLIENT.stream_encoder(model="asked", include_usage=include_usage, request_id="req_1", created=9)
    assert again.encode(events) + again.finish() == out
    *blocks, end, nothing = out.split(b"\n\n")
    assert (end, nothing) == (b"data: [DONE]", b"")
    return [msgspec.json.decode(block.removeprefix(b"data: ")) for block in blocks]


def deltas(*events: Event) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in written(*events)]


def test_a_plain_stream() -> None:
    first, text, last = written(Start("x", "m"), TextDelta('ü"'), Finish(StopReason.STOP), UsageEvent(Usage(input=1)))
    frame = {"id": "x", "object": "chat.completion.chunk", "created": 9, "model": "m"}
    choice = {"index": 0, "logprobs": None}
    assert first == {
        **frame,
        "choices": [{**choice, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}],
    }
    assert text == {**frame, "choices": [{**choice, "delta": {"content": 'ü"'}, "finish_reason": None}]}
    assert last == {**frame, "choices": [{**choice, "delta": {}, "finish_reason": "stop"}]}


def test_usage_comes_last_and_only_if_asked_for() -> None:
    for events in ([UsageEvent(Usage(input=1, output=2)), Finish(StopReason.STOP)], [Finish(StopReason.STOP)]):
        chunks = written(Start("x", "m", Usage(input=1, output=2)), TextDelta("a"), *events, include_usage=True)
        assert all(chunk["usage"] is None for chunk in chunks[:-1])
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["total_tokens"] == 3
    assert not any("usage" in chunk for chunk in written(TextDelta("a"), UsageEvent(Usage(input=1))))


def test_the_role_comes_first_whatever_begins() -> None:
    chunks = written(TextDelta("a"))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert (chunks[0]["id"], chunks[0]["model"]) == ("chatcmpl-req_1", "asked")
    assert chunks[1]["choices"][0]["delta"] == {"content": "a"}


def test_the_finish_reason_comes_once_and_always() -> None:
    for events in ([], [Finish(StopReason.STOP)], [Finish(StopReason.STOP), Finish(StopReason.LENGTH)]):
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in written(TextDelta("a"), *events)]
        assert reasons == [None, None, "stop"]


def test_calls() -> None:
    assert deltas(ToolStart(0, "a", "f"), ToolDelta(0, "{}"), ToolStart(1, "b", "g", "s", "gemini"))[1:-1] == [
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {
            "tool_calls": [
                {
                    "index": 1,
                    "id": "b",
                    "type": "function",
                    "function": {"name": "g", "arguments": ""},
                    "extra_content": {"google": {"thought_signature": "s"}},
                }
            ]
        },
    ]


def test_reasoning_is_told_in_both_forms() -> None:
    assert deltas(
        ReasoningDelta("x"),
        ReasoningDelta(signature="s", origin="anthropic"),
        ReasoningDelta(data="d", origin="o", block=1),
    )[1:-1] == [
        {"reasoning_content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "x", "index": 0}]},
        {
            "reasoning_details": [
                {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
            ]
        },
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": "o", "index": 1}]},
    ]


def test_a_refusal_in_words_ends_in_stop() -> None:
    chunks = written(RefusalDelta("no"), Finish(StopReason.REFUSAL))
    assert chunks[1]["choices"][0]["delta"] == {"refusal": "no"}
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert written(Finish(StopReason.REFUSAL))[-1]["choices"][0]["finish_reason"] == "content_filter"


def test_nothing_is_written_for_nothing() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=False, request_id="r", created=1)
    assert encoder.encode([]) == b""
    assert encoder.encode([UsageEvent(Usage(input=1))]) == b""


def test_what_keeps_a_stream_open_is_a_comment() -> None:
    assert CLIENT.keep_alive == b": keep-alive\n\n"
    assert CLIENT.stream_content_type.startswith(b"text/event-stream")


def test_words_in_pieces_of_any_size_are_written_alike() -> None:
    events: list[Event] = [
        Start("x", "m"),
        *map(TextDelta, "abc"),
        ToolStart(0, "a", "f"),
        TextDelta("d"),
        Finish(StopReason.STOP),
    ]
    whole = CLIENT.stream_encoder(model="m", include_usage=False, request_id="r", created=1).encode(events)
    for cut in range(1, len(events)):
        encoder = CLIENT.stream_encoder(model="m", include_usage=False, request_id="r", created=1)
        assert encoder.encode(events[:cut]) + encoder.encode(events[cut:]) == whole

"""Neutral events to a client's stream, as the official SDK reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

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
from hybridge.money import Usage
from tests.dialects.anthropic.corpus import CLIENT, wire_events

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def stream_of(*events: Event) -> bytes:
    encoder = CLIENT.stream_encoder(model="asked", include_usage=True, request_id="req_1", created=1)
    return b"".join(encoder.encode([event]) for event in events) + encoder.finish()


def read(stream: bytes) -> dict[str, Any]:
    """The message that a client puts together; fails where the order of events is not the official one."""
    names = [line[7:] for line in stream.decode().splitlines() if line.startswith("event: ")]
    events = list(wire_events(stream))
    assert names == [event["type"] for event in events]
    for event in events:
        _EVENT.validate_python(event)
    first, *middle, last, end = events
    assert (first["type"], last["type"], end["type"]) == ("message_start", "message_delta", "message_stop")
    return {**first["message"], "content": _content(middle), **last["delta"], "usage": last["usage"]}


def _content(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    is_open = False
    for event in events:
        assert event["index"] == len(content) - is_open
        if event["type"] == "content_block_start":
            assert not is_open
            content.append(dict(event["content_block"]))
        else:
            assert is_open
        is_open = event["type"] != "content_block_stop"
        delta = event.get("delta", {})
        for name, value in delta.items():
            if name != "type":
                content[-1][name] = content[-1].get(name, "") + value
    assert not is_open
    for block in content:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block.pop("partial_json", "") or "{}")
    return content


def content_of(*events: Event) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(stream_of(*events))["content"]
    return found


def call(index: int, **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"c{index}", "name": "f", "input": arguments}


def test_a_message() -> None:
    usage = Usage(input=3, cache_read=2, output=4, reasoning=1)
    message = read(
        stream_of(
            Start("msg_1", "m", Usage(input=3)),
            TextDelta("a"),
            TextDelta(""),
            TextDelta('b"\n'),
            Finish(StopReason.STOP_SEQUENCE, "END"),
            UsageEvent(usage),
        )
    )
    assert (message["id"], message["model"], message["role"]) == ("msg_1", "m", "assistant")
    assert message["content"] == [{"type": "text", "text": 'ab"\n'}]
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    assert message["usage"]["input_tokens"] == 3
    assert message["usage"]["cache_read_input_tokens"] == 2
    assert message["usage"]["output_tokens"] == 5


def test_usage_may_come_before_or_after_the_reason_or_not_at_all() -> None:
    finish, usage = Finish(StopReason.LENGTH), UsageEvent(Usage(input=1, output=2))
    before, after = stream_of(Start(), TextDelta("a"), usage, finish), stream_of(Start(), TextDelta("a"), finish, usage)
    assert before == after
    assert read(stream_of(TextDelta("a"), finish))["usage"]["output_tokens"] == 0


def test_a_stream_without_a_start_begins_all_the_same() -> None:
    message = read(stream_of(TextDelta("a")))
    assert (message["id"], message["model"], message["stop_reason"]) == ("msg_req_1", "asked", "end_turn")
    assert read(stream_of())["content"] == []


def test_a_start_that_comes_again_is_passed_over() -> None:
    assert content_of(Start("a", "m"), TextDelta("x"), Start("b", "m"), TextDelta("y")) == [
        {"type": "text", "text": "xy"}
    ]


def test_one_block_is_closed_before_the_next_one_opens() -> None:
    assert content_of(
        Start(),
        ReasoningDelta("h", origin="anthropic"),
        ReasoningDelta("m", origin="anthropic"),
        ReasoningDelta(signature="sig", origin="anthropic"),
        TextDelta("a"),
        ToolStart(0, "c0", "f"),
        ToolDelta(0, '{"x"'),
        ToolDelta(0, ":1}"),
        ToolStart(1, "c1", "f"),
        TextDelta("b"),
    ) == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "a"},
        call(0, x=1),
        call(1),
        {"type": "text", "text": "b"},
    ]


def test_pieces_of_two_calls_in_turn() -> None:
    """Blocks cannot be interleaved here: the second call waits, and nothing of it is lost."""
    assert content_of(
        ToolStart(0, "c0", "f"),
        ToolDelta(0, '{"x"'),
        ToolStart(1, "c1", "f"),
        ToolDelta(1, '{"y"'),
        ToolDelta(0, ":1}"),
        ToolStart(2, "c2", "f"),
        ToolDelta(1, ":2}"),
        ToolDelta(2, '{"z":3}'),
    ) == [call(0, x=1), call(1, y=2), call(2, z=3)]


def test_two_calls_that_begin_before_either_says_anything() -> None:
    starts = (ToolStart(0, "c0", "f"), ToolStart(1, "c1", "f"))
    assert content_of(*starts, ToolDelta(0, '{"x":1}'), ToolDelta(1, '{"y":2}')) == [call(0, x=1), call(1, y=2)]


def test_a_whole_call_is_closed_when_the_next_one_begins() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=1)
    encoder.encode([ToolStart(0, "c0", "f"), ToolDelta(0, '{"x":1}')])
    sent = encoder.encode([ToolStart(1, "c1", "f"), ToolDelta(1, '{"y"')])
    assert [event["type"] for event in wire_events(sent)] == [
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
    ]
    assert encoder.encode([ToolDelta(0, "late"), ToolDelta(1, "")]) == b""


def test_thoughts_of_another_origin_are_marked() -> None:
    assert content_of(
        ReasoningDelta("a", origin="openai", block=0),
        ReasoningDelta("b", origin="gemini", block=1),
        ReasoningDelta(signature="s", origin="gemini", block=1),
        ReasoningDelta(data="enc", origin="openai", block=2),
        ReasoningDelta(data="own", origin="anthropic", block=3),
        ReasoningDelta("c", origin="anthropic", block=4),
        ReasoningDelta(block=5),
        TextDelta("x"),
        ToolStart(0, "c0", "f", signature="s", origin="gemini"),
    ) == [
        {"type": "thinking", "thinking": "a", "signature": "hybridge:openai:"},
        {"type": "thinking", "thinking": "b", "signature": "hybridge:gemini:s"},
        {"type": "redacted_thinking", "data": "hybridge:openai:enc"},
        {"type": "redacted_thinking", "data": "own"},
        {"type": "thinking", "thinking": "c", "signature": ""},
        {"type": "text", "text": "x"},
        {"type": "redacted_thinking", "data": "hybridge-call:gemini:s"},
        call(0),
    ]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([TextDelta("a"), Finish(StopReason.STOP)], "end_turn"),
        ([ToolStart(0, "c0", "f"), Finish(StopReason.STOP)], "tool_use"),
        ([ToolStart(0, "c0", "f"), Finish(StopReason.LENGTH)], "max_tokens"),
        ([TextDelta("a"), Finish(StopReason.CONTENT_FILTER)], "refusal"),
        ([RefusalDelta("n"), RefusalDelta("o"), Finish(StopReason.STOP)], "refusal"),
        ([TextDelta("a"), Finish(StopReason.PAUSE)], "pause_turn"),
    ],
)
def test_stop_reasons(events: list[Event], reason: str) -> None:
    message = read(stream_of(*events))
    assert message["stop_reason"] == reason
    if isinstance(events[0], RefusalDelta):
        assert message["content"] == [{"type": "text", "text": "no"}]
        assert message["stop_details"]["explanation"] == "no"


def test_what_keeps_an_idle_stream_open() -> None:
    assert list(wire_events(CLIENT.keep_alive)) == [{"type": "ping"}]
    assert CLIENT.keep_alive.startswith(b"event: ping\n")
    assert CLIENT.keep_alive.endswith(b"\n\n")

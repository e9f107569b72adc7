"""Anthropic's SDK in front of providers of the three dialects."""

from __future__ import annotations

import json
from typing import cast

import anthropic
from anthropic.types import ContentBlockParam, MessageParam

from hybridge.simulator.answers import tokens
from tests.sdk.asking import ANTHROPIC_TOOLS, BOTH, WEATHER_AND_TRAFFIC, Capital
from tests.sdk.house import PIXEL, Behind, weight

HELLO: list[MessageParam] = [{"role": "user", "content": "hello"}]
QUESTION: list[MessageParam] = [{"role": "user", "content": WEATHER_AND_TRAFFIC}]


def text_of(message: anthropic.types.Message) -> str:
    (block,) = message.content
    assert block.type == "text"
    return block.text


def calls_of(message: anthropic.types.Message) -> list[tuple[str, object]]:
    return [(block.name, block.input) for block in message.content if block.type == "tool_use"]


def test_a_whole_answer(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    message = anthropic_client.messages.create(model=theirs.model, max_tokens=200, system="Be brief.", messages=HELLO)
    assert (message.type, message.role, message.stop_reason) == ("message", "assistant", "end_turn")
    assert text_of(message).startswith("You said: “hello”.")
    assert theirs.system == "Be brief."
    assert theirs.question.max_tokens == 200
    assert message.usage.input_tokens == theirs.question.sent
    assert message.usage.output_tokens == tokens(text_of(message))


def test_a_system_prompt_in_blocks(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    anthropic_client.messages.create(
        model=theirs.model,
        max_tokens=200,
        system=[
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}},
        ],
        messages=HELLO,
    )
    assert theirs.system.startswith("Be brief.")
    assert theirs.system.endswith("Be kind.")


def test_a_stream(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    events = list(anthropic_client.messages.create(model=theirs.model, max_tokens=200, messages=HELLO, stream=True))
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    text = "".join(
        event.delta.text for event in events if event.type == "content_block_delta" and event.delta.type == "text_delta"
    )
    assert text.startswith("You said: “hello”.")
    (ended,) = [event for event in events if event.type == "message_delta"]
    assert ended.delta.stop_reason == "end_turn"
    assert ended.usage.output_tokens == tokens(text)


def test_the_stream_helper(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    with anthropic_client.messages.stream(model=theirs.model, max_tokens=200, messages=HELLO) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 1
    assert text_of(message) == "".join(pieces)
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == theirs.question.sent
    assert message.usage.output_tokens == tokens("".join(pieces))


def test_a_forced_tool(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    message = anthropic_client.messages.create(
        model=theirs.model,
        max_tokens=200,
        messages=HELLO,
        tools=ANTHROPIC_TOOLS,
        tool_choice={"type": "tool", "name": "get_traffic"},
    )
    assert theirs.question.choice == "tool:get_traffic"
    ((name, given),) = calls_of(message)
    assert (name, given) == ("get_traffic", {"road": "hello"})
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens == weight((name, given))


def test_parallel_calls_and_what_the_tools_said(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    messages = list(QUESTION)
    message = anthropic_client.messages.create(
        model=theirs.model, max_tokens=200, messages=messages, tools=ANTHROPIC_TOOLS
    )
    assert calls_of(message) == BOTH
    assert message.stop_reason == "tool_use"
    blocks = cast(list[ContentBlockParam], [block.to_dict() for block in message.content])
    weather, traffic = (block.id for block in message.content if block.type == "tool_use")
    assert weather != traffic
    messages += [
        {"role": "assistant", "content": blocks},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": weather, "content": "sunny"},
                {"type": "tool_result", "tool_use_id": traffic, "content": "no road", "is_error": True},
            ],
        },
    ]
    message = anthropic_client.messages.create(
        model=theirs.model, max_tokens=200, messages=messages, tools=ANTHROPIC_TOOLS
    )
    assert "no road" in text_of(message)
    assert message.stop_reason == "end_turn"
    sent = json.dumps(theirs.body)
    assert sent.index("sunny") < sent.index("no road")


def test_one_call_at_a_time(anthropic_client: anthropic.Anthropic, behind: dict[str, Behind]) -> None:
    for dialect in ("openai", "anthropic"):
        message = anthropic_client.messages.create(
            model=behind[dialect].model,
            max_tokens=200,
            messages=QUESTION,
            tools=ANTHROPIC_TOOLS,
            tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        )
        assert calls_of(message) == [("get_weather", {"city": "Hanoi"})]


def test_streamed_arguments(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    with anthropic_client.messages.stream(
        model=theirs.model, max_tokens=200, messages=QUESTION, tools=ANTHROPIC_TOOLS
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    assert "".join(pieces) == '{"city":"Hanoi"}{"road":"Hanoi"}'
    assert calls_of(message) == BOTH
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens == weight(*calls_of(message))


def test_vision(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    messages: list[MessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
                {"type": "text", "text": "What is this?"},
            ],
        }
    ]
    message = anthropic_client.messages.create(model=theirs.model, max_tokens=200, messages=messages)
    assert text_of(message).startswith("I see 1 image(s). You said: “What is this?”.")
    assert PIXEL in json.dumps(theirs.body)


def test_structured_output(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    message = anthropic_client.messages.parse(model=theirs.model, max_tokens=200, messages=HELLO, output_format=Capital)
    assert isinstance(message.parsed_output, Capital)
    assert message.stop_reason == "end_turn"
    assert list(theirs.question.schema["properties"]) == ["city", "people", "rivers"]


def test_stop_sequences(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    message = anthropic_client.messages.create(
        model=theirs.model, max_tokens=200, messages=HELLO, stop_sequences=["hell", "never said"]
    )
    assert text_of(message) == "You said: “"
    # Only Anthropic tells which sequence ended it.
    told = ("stop_sequence", "hell") if theirs.dialect == "anthropic" else ("end_turn", None)
    assert (message.stop_reason, message.stop_sequence) == told
    assert theirs.question.stop == ("hell", "never said")


def test_max_tokens(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    message = anthropic_client.messages.create(model=theirs.model, max_tokens=3, messages=HELLO)
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == tokens(text_of(message)) <= 3


def test_counting_tokens(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    calls = theirs.count
    short = anthropic_client.messages.count_tokens(model=theirs.model, messages=HELLO)
    long = anthropic_client.messages.count_tokens(
        model=theirs.model, messages=QUESTION, system="Be brief.", tools=ANTHROPIC_TOOLS
    )
    assert 0 < short.input_tokens < 20 < long.input_tokens
    assert theirs.count == calls


def test_models(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    names = {model.id for model in anthropic_client.models.list()}
    assert names >= {"via-openai", "via-anthropic", "via-gemini", "gpt-4o-mini"}
    model = anthropic_client.models.retrieve(theirs.model)
    assert (model.type, model.id) == ("model", theirs.model)


async def test_the_async_client(anthropic_client: anthropic.Anthropic, theirs: Behind) -> None:
    async with (
        anthropic.AsyncAnthropic(base_url=anthropic_client.base_url, api_key="any") as client,
        client.messages.stream(model=theirs.model, max_tokens=200, messages=HELLO) as stream,
    ):
        words = [word async for word in stream.text_stream]
    assert "".join(words).startswith("You said: “hello”.")

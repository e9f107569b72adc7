"""OpenAI's SDK in front of providers of the three dialects."""

from __future__ import annotations

import json
from typing import Any, cast

import openai
import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall, ChatCompletionMessageParam

from hybridge.simulator.answers import tokens
from hybridge.simulator.scenario import DialectName
from tests.sdk.asking import BOTH, OPENAI_TOOLS, WEATHER_AND_TRAFFIC, Capital
from tests.sdk.house import OLD, PIXEL, Behind, weight

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello"}]


def test_a_whole_answer(openai_client: openai.OpenAI, theirs: Behind) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": "Be brief."}, *HELLO]
    answer = openai_client.chat.completions.create(model=theirs.model, messages=messages, temperature=0.3)
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert choice.message.content
    assert choice.message.content.startswith("You said: “hello”.")
    assert theirs.system == "Be brief."
    assert theirs.question.text == "hello"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == theirs.question.sent
    assert answer.usage.completion_tokens == tokens(choice.message.content)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream(openai_client: openai.OpenAI, theirs: Behind) -> None:
    stream = openai_client.chat.completions.create(
        model=theirs.model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text.startswith("You said: “hello”.")
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert len({chunk.id for chunk in chunks}) == 1
    usage = chunks[-1].usage
    assert usage is not None
    assert not chunks[-1].choices
    assert (usage.prompt_tokens, usage.completion_tokens) == (theirs.question.sent, tokens(text))
    assert theirs.question.stream


def test_a_stream_whose_usage_nobody_asked_for(openai_client: openai.OpenAI, theirs: Behind) -> None:
    chunks = list(openai_client.chat.completions.create(model=theirs.model, messages=HELLO, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_the_stream_helper(openai_client: openai.OpenAI, theirs: Behind) -> None:
    with openai_client.chat.completions.stream(model=theirs.model, messages=HELLO) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta"]
        answer = stream.get_final_completion()
    assert len(pieces) > 1
    assert answer.choices[0].message.content == "".join(pieces)
    assert answer.choices[0].finish_reason == "stop"


def test_a_forced_tool(openai_client: openai.OpenAI, theirs: Behind) -> None:
    answer = openai_client.chat.completions.create(
        model=theirs.model,
        messages=HELLO,
        tools=OPENAI_TOOLS,
        tool_choice={"type": "function", "function": {"name": "get_traffic"}},
    )
    assert theirs.question.choice == "tool:get_traffic"
    (call,) = answer.choices[0].message.tool_calls or []
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert call.function.name == "get_traffic"
    assert list(json.loads(call.function.arguments)) == ["road"]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == weight((call.function.name, json.loads(call.function.arguments)))


def test_parallel_calls_and_what_the_tools_said(openai_client: openai.OpenAI, theirs: Behind) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": WEATHER_AND_TRAFFIC}]
    answer = openai_client.chat.completions.create(model=theirs.model, messages=messages, tools=OPENAI_TOOLS)
    message = answer.choices[0].message
    calls = [call for call in message.tool_calls or () if call.type == "function"]
    assert [call.function.name for call in calls] == ["get_weather", "get_traffic"]
    assert [json.loads(call.function.arguments) for call in calls] == [{"city": "Hanoi"}, {"road": "Hanoi"}]
    assert len({call.id for call in calls}) == 2
    messages.append(cast(ChatCompletionMessageParam, message.to_dict()))
    for call, said in zip(calls, ("sunny", "jammed"), strict=True):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": said})
    answer = openai_client.chat.completions.create(model=theirs.model, messages=messages, tools=OPENAI_TOOLS)
    assert "jammed" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    sent = json.dumps(theirs.body)
    assert sent.index("sunny") < sent.index("jammed")


def test_streamed_arguments(openai_client: openai.OpenAI, theirs: Behind) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": WEATHER_AND_TRAFFIC}]
    with openai_client.chat.completions.stream(
        model=theirs.model, messages=messages, tools=OPENAI_TOOLS, stream_options={"include_usage": True}
    ) as stream:
        pieces = [event for event in stream if event.type == "tool_calls.function.arguments.delta"]
        answer = stream.get_final_completion()
    for index, expected in enumerate(({"city": "Hanoi"}, {"road": "Hanoi"})):
        mine = "".join(event.arguments_delta for event in pieces if event.index == index)
        assert json.loads(mine) == expected
    calls = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ["get_weather", "get_traffic"]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == weight(*BOTH)


def test_vision(openai_client: openai.OpenAI, theirs: Behind) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}},
            ],
        }
    ]
    answer = openai_client.chat.completions.create(model=theirs.model, messages=messages)
    assert (answer.choices[0].message.content or "").startswith("I see 1 image(s). You said: “What is this?”.")
    assert PIXEL in json.dumps(theirs.body)


def test_structured_output(openai_client: openai.OpenAI, theirs: Behind) -> None:
    answer = openai_client.chat.completions.parse(model=theirs.model, messages=HELLO, response_format=Capital)
    message = answer.choices[0].message
    assert isinstance(message.parsed, Capital)
    assert message.content is not None
    assert json.loads(message.content) == message.parsed.model_dump()
    assert answer.choices[0].finish_reason == "stop"
    assert list(theirs.question.schema["properties"]) == ["city", "people", "rivers"]


def test_a_streamed_structured_output(openai_client: openai.OpenAI, theirs: Behind) -> None:
    with openai_client.chat.completions.stream(model=theirs.model, messages=HELLO, response_format=Capital) as stream:
        answer = stream.get_final_completion()
    assert isinstance(answer.choices[0].message.parsed, Capital)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_structured_output_of_an_old_model(
    openai_client: openai.OpenAI, behind: dict[DialectName, Behind], streamed: bool
) -> None:
    asked: dict[str, Any] = {"model": f"anthropic/{OLD}", "messages": HELLO, "response_format": Capital}
    if streamed:
        with openai_client.chat.completions.stream(**asked) as stream:
            (choice,) = stream.get_final_completion().choices
    else:
        (choice,) = openai_client.chat.completions.parse(**asked).choices
    # It is made to call a tool of that shape, which the client does not see.
    assert behind["anthropic"].question.choice.startswith("tool:")
    assert not choice.message.tool_calls
    assert choice.finish_reason == "stop"
    assert isinstance(choice.message.parsed, Capital)


def test_json_mode(openai_client: openai.OpenAI, theirs: Behind) -> None:
    answer = openai_client.chat.completions.create(
        model=theirs.model,
        messages=[{"role": "user", "content": "Answer in JSON."}],
        response_format={"type": "json_object"},
    )
    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


def test_stop_sequences(openai_client: openai.OpenAI, theirs: Behind) -> None:
    answer = openai_client.chat.completions.create(model=theirs.model, messages=HELLO, stop=["hell", "never said"])
    assert answer.choices[0].message.content == "You said: “"
    assert answer.choices[0].finish_reason == "stop"
    assert theirs.question.stop == ("hell", "never said")


def test_max_tokens(openai_client: openai.OpenAI, theirs: Behind) -> None:
    answer = openai_client.chat.completions.create(model=theirs.model, messages=HELLO, max_completion_tokens=3)
    assert answer.choices[0].finish_reason == "length"
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens == tokens(answer.choices[0].message.content) <= 3


def test_models(openai_client: openai.OpenAI, theirs: Behind) -> None:
    names = {model.id for model in openai_client.models.list()}
    assert names >= {"via-openai", "via-anthropic", "via-gemini", "gpt-4o-mini"}
    assert openai_client.models.retrieve(theirs.model).id == theirs.model


async def test_the_async_client(openai_client: openai.OpenAI, theirs: Behind) -> None:
    async with openai.AsyncOpenAI(base_url=openai_client.base_url, api_key="any") as client:
        stream = await client.chat.completions.create(model=theirs.model, messages=HELLO, stream=True)
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert "".join(words).startswith("You said: “hello”.")

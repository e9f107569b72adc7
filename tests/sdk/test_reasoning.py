"""Thoughts reach the SDKs with their signatures, and come back such that the provider that signed them agrees."""

from __future__ import annotations

import json
from typing import Any, cast

import anthropic
import openai
import pytest
from anthropic.types import ContentBlockParam, MessageParam
from google import genai
from google.genai import types
from openai.types.chat import ChatCompletionMessageParam

from hybridge.simulator.scenario import DialectName
from tests.sdk.asking import ANTHROPIC_TOOLS, GEMINI_TOOLS, OPENAI_TOOLS, gemini_config
from tests.sdk.house import Behind

ASKED = "Tell me the weather in Hanoi"


@pytest.fixture(params=["anthropic", "gemini"])
def thinker(request: pytest.FixtureRequest, behind: dict[DialectName, Behind]) -> Behind:
    """A provider whose dialect has thoughts. It refuses a signature that is not its own."""
    dialect: DialectName = request.param
    return behind[dialect]


@pytest.mark.parametrize("streamed", [False, True])
def test_openais_sdk(openai_client: openai.OpenAI, thinker: Behind, streamed: bool) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": ASKED}]
    asked: dict[str, Any] = {"model": thinker.model, "reasoning_effort": "low", "tools": OPENAI_TOOLS}
    if streamed:
        with openai_client.chat.completions.stream(messages=messages, **asked) as stream:
            answer = cast(openai.types.chat.ChatCompletion, stream.get_final_completion())
    else:
        answer = openai_client.chat.completions.create(messages=messages, **asked)
    assert thinker.question.reasoning
    message = answer.choices[0].message.to_dict()
    assert str(message["reasoning_content"]).startswith("The user asks: Tell me the weather")
    (call,) = answer.choices[0].message.tool_calls or []
    if streamed:
        # The helper's own marks, which are no part of the dialect.
        message.pop("parsed", None)
        for one in cast(list[dict[str, Any]], message["tool_calls"]):
            one.pop("index", None)
            one["function"].pop("parsed_arguments", None)
    messages += [
        cast(ChatCompletionMessageParam, message),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    answer = openai_client.chat.completions.create(messages=messages, **asked)
    assert "sunny" in (answer.choices[0].message.content or "")
    assert _signed(thinker)


@pytest.mark.parametrize("streamed", [False, True])
def test_anthropics_sdk(anthropic_client: anthropic.Anthropic, thinker: Behind, streamed: bool) -> None:
    messages: list[MessageParam] = [{"role": "user", "content": ASKED}]
    asked: dict[str, Any] = {
        "model": thinker.model,
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": ANTHROPIC_TOOLS,
    }
    if streamed:
        with anthropic_client.messages.stream(messages=messages, **asked) as stream:
            message = cast(anthropic.types.Message, stream.get_final_message())
    else:
        message = anthropic_client.messages.create(messages=messages, **asked)
    thought, call = message.content[0], message.content[-1]
    assert thought.type == "thinking"
    assert thought.thinking.startswith("The user asks: Tell me the weather")
    assert call.type == "tool_use"
    messages += [
        {"role": "assistant", "content": cast(list[ContentBlockParam], [one.to_dict() for one in message.content])},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
    ]
    message = anthropic_client.messages.create(messages=messages, **asked)
    assert message.content[-1].type == "text"
    assert "sunny" in message.content[-1].text
    assert _signed(thinker)


@pytest.mark.parametrize("streamed", [False, True])
def test_googles_sdk(gemini_client: genai.Client, thinker: Behind, streamed: bool) -> None:
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    talk = gemini_client.chats.create(
        model=thinker.model, config=gemini_config(tools=GEMINI_TOOLS, thinking_config=thinking)
    )
    answers = list(talk.send_message_stream(ASKED)) if streamed else [talk.send_message(ASKED)]
    parts = [part for answer in answers for part in answer.parts or ()]
    assert "".join(part.text or "" for part in parts if part.thought).startswith("The user asks: Tell me the weather")
    assert [part.function_call.name for part in parts if part.function_call] == ["get_weather"]
    answer = talk.send_message(types.Part.from_function_response(name="get_weather", response={"result": "sunny"}))
    assert "sunny" in (answer.text or "")
    assert _signed(thinker)


def _signed(thinker: Behind) -> bool:
    """Whether the last request brought a signature back."""
    member = "signature" if thinker.dialect == "anthropic" else "thoughtSignature"
    return f'"{member}": "' in json.dumps(thinker.body)

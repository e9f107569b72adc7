"""OpenAI's own client against a simulated OpenAI, and what OpenRouter adds."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI
from pydantic import BaseModel

from hybridge.simulator.scenario import Card, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ASKS, ask, call

HELLO: Any = [{"role": "user", "content": "Hello, who are you?"}]
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city", "unit"],
        },
    },
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with SimulatedProvider(Leg("openai", models={"gpt-4o-mini": Card(), "o3-mini": Card()}, keys=("k",))) as one:
        yield one


@pytest.fixture
async def client(provider: SimulatedProvider) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=provider.base_url, api_key="k", max_retries=0) as one:
        yield one


async def test_unary(client: AsyncOpenAI) -> None:
    said = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert said.choices[0].message.content
    assert "Hello, who are you?" in said.choices[0].message.content
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None
    assert said.usage.total_tokens == said.usage.prompt_tokens + said.usage.completion_tokens


async def test_a_stream_is_the_unary_answer_in_pieces(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len("".join(chunk.choices[0].delta.content or "" for chunk in chunks)) > 20
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)


async def test_usage_comes_last_and_only_if_asked_for(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks[:-1])
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


async def test_tools_forced_and_asked_for_and_answered(client: AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": "What is the weather in Hanoi?"}]
    said = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[WEATHER])
    (tool_call,) = said.choices[0].message.tool_calls or []
    assert said.choices[0].finish_reason == "tool_calls"
    assert tool_call.type == "function"
    arguments = json.loads(tool_call.function.arguments)
    assert arguments["city"] == "Hanoi"
    assert arguments["unit"] in ("c", "f")

    forced = await client.chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, tools=[WEATHER], tool_choice="required"
    )
    assert forced.choices[0].message.tool_calls
    named = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=HELLO,
        tools=[WEATHER],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
    )
    assert named.choices[0].message.tool_calls
    none = await client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=[WEATHER], tool_choice="none"
    )
    assert none.choices[0].message.tool_calls is None

    messages += [said.choices[0].message, {"role": "tool", "tool_call_id": tool_call.id, "content": "31 degrees"}]
    after = await client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=[WEATHER])
    assert "31 degrees" in (after.choices[0].message.content or "")


async def test_tools_in_a_stream(client: AsyncOpenAI) -> None:
    messages: Any = [{"role": "user", "content": "The weather and the time in Hanoi, please"}]
    clock: Any = {"type": "function", "function": {"name": "tell_time"}}
    stream = await client.chat.completions.create(
        model="gpt-4o-mini", messages=messages, tools=[WEATHER, clock], stream=True
    )
    calls: dict[int, list[str]] = {}
    async for chunk in stream:
        for piece in chunk.choices[0].delta.tool_calls or []:
            assert piece.function is not None
            calls.setdefault(piece.index, [piece.function.name or "", ""])[1] += piece.function.arguments or ""
    assert [name for name, _ in calls.values()] == ["get_weather", "tell_time"]
    assert json.loads(calls[0][1])["city"] == "Hanoi"
    assert json.loads(calls[1][1]) == {}


async def test_one_call_at_a_time_if_asked_for(client: AsyncOpenAI) -> None:
    clock: Any = {"type": "function", "function": {"name": "tell_time"}}
    said = await client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "weather and time"}],
        tools=[WEATHER, clock],
        parallel_tool_calls=False,
    )
    assert len(said.choices[0].message.tool_calls or []) == 1


async def test_structured_output(client: AsyncOpenAI) -> None:
    class Step(BaseModel):
        title: str
        minutes: int

    class Plan(BaseModel):
        name: str
        steps: list[Step]
        final: bool

    parsed = await client.chat.completions.parse(model="gpt-4o-mini", messages=HELLO, response_format=Plan)
    plan = parsed.choices[0].message.parsed
    assert plan is not None and plan.steps
    plain = await client.chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, response_format={"type": "json_object"}
    )
    assert isinstance(json.loads(plain.choices[0].message.content or ""), dict)


async def test_images_are_seen(client: AsyncOpenAI) -> None:
    content: Any = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    said = await client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": content}])
    assert "I see 2 image(s)" in (said.choices[0].message.content or "")


async def test_max_tokens_stop_n_and_reasoning(client: AsyncOpenAI) -> None:
    short = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=3, n=2)
    assert [choice.finish_reason for choice in short.choices] == ["length", "length"]
    assert short.usage is not None and short.usage.completion_tokens == 6
    stopped = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stop=["who", "are"])
    assert stopped.choices[0].message.content == "You said: “Hello, "
    mulled = await client.chat.completions.create(model="o3-mini", messages=HELLO, reasoning_effort="low")
    assert mulled.usage is not None and mulled.usage.completion_tokens_details is not None
    assert (mulled.usage.completion_tokens_details.reasoning_tokens or 0) > 0
    stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, n=2, stream=True)
    assert {choice.index async for chunk in stream for choice in chunk.choices} == {0, 1}


@pytest.mark.parametrize(
    ("changes", "status", "code", "param"),
    [
        ({"model": None}, 400, None, None),
        ({"model": "gpt-9"}, 404, "model_not_found", None),
        ({"messages": None}, 400, "missing_required_parameter", "messages"),
        ({"messages": []}, 400, "empty_array", "messages"),
        ({"messages": "hi"}, 400, "invalid_type", "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 400, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, 400, None, "messages[0].content"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, 400, None, "messages[0].role"),
        (
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"id": "x", "function": {}}]},
                    {"role": "user", "content": "so?"},
                ]
            },
            400,
            None,
            "messages[1].role",
        ),
        ({"temperature": 3}, 400, "decimal_above_max_value", "temperature"),
        ({"temperature": "hot"}, 400, "invalid_type", "temperature"),
        ({"n": 0}, 400, "integer_below_min_value", "n"),
        ({"max_tokens": 99_999}, 400, "invalid_value", "max_tokens"),
        ({"model": "o3-mini", "max_tokens": 5}, 400, "unsupported_parameter", "max_tokens"),
        ({"tools": []}, 400, "empty_array", "tools"),
        ({"tools": [{"type": "function"}]}, 400, "missing_required_parameter", "tools[0].function.name"),
        ({"tool_choice": "auto"}, 400, None, "tool_choice"),
        ({"stream_options": {}}, 400, None, "stream_options"),
        ({"route": {"budget": "1 VND"}}, 400, None, None),
        (
            {"response_format": {"type": "json_schema"}},
            400,
            "missing_required_parameter",
            "response_format.json_schema.name",
        ),
        ({"messages": [{"role": "user", "content": "long " * 200_000}]}, 400, "context_length_exceeded", "messages"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            400,
            "invalid_image_url",
            None,
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}],
                    }
                ]
            },
            400,
            "invalid_image_format",
            None,
        ),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "x"}}},
            400,
            None,
            "tool_choice",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}},
                }
            },
            400,
            None,
            "response_format",
        ),
        ({"tools": ["x"]}, 400, "missing_required_parameter", "tools[0].function.name"),
        ({"messages": [{"role": "assistant", "tool_calls": "x"}]}, 400, None, None),
    ],
)
async def test_bad_requests_are_refused_as_openai_does(
    provider: SimulatedProvider, changes: dict[str, Any], status: int, code: str | None, param: str | None
) -> None:
    got = await ask(provider, **{"model": "gpt-4o-mini", **changes})
    assert got.status == status
    error = got.json["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]


async def test_errors_reach_the_client_typed(provider: SimulatedProvider, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        await client.chat.completions.create(model="gpt-9", messages=HELLO)
    async with AsyncOpenAI(base_url=provider.base_url, api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
            await stranger.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    missing = await call(provider, "/v1/chat/completions", ASKS["openai"], headers={})
    assert (missing.status, missing.json["error"]["code"]) == (401, "invalid_api_key")
    garbage = await call(provider, "/v1/chat/completions", b"{nope")
    assert (garbage.status, garbage.json["error"]["type"]) == (400, "invalid_request_error")
    nowhere = await call(provider, "/v1/nowhere", {})
    assert nowhere.status == 404


async def test_models(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["gpt-4o-mini", "o3-mini"]
    assert (await client.models.retrieve("o3-mini")).id == "o3-mini"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-9")


async def test_what_no_gateway_may_pass_on_is_sent() -> None:
    async with SimulatedProvider(Leg("openai")) as provider:
        got = await ask(provider)
    assert {"set-cookie", "openai-organization", "x-ratelimit-remaining-requests", "x-request-id"} <= got.headers.keys()


async def test_openrouter_adds_comments_costs_and_a_second_finish() -> None:
    leg = Leg("openrouter", flavour="openrouter", models={"m": Card(input=1, output=2)})
    async with SimulatedProvider(leg) as provider:
        assert provider.base_url.endswith("/api/v1")
        streamed = await call(provider, "/api/v1/chat/completions", {**ASKS["openai"], "stream": True, "provider": {}})
        unary = await call(provider, "/api/v1/chat/completions", {**ASKS["openai"], "reasoning": {"effort": "low"}})
        models = await call(provider, "/api/v1/models")
        refused = await call(provider, "/api/v1/chat/completions", {**ASKS["openai"], "model": "x"})
    assert streamed.body.startswith(b": OPENROUTER PROCESSING\n\n")
    assert streamed.body.endswith(b"data: [DONE]\n\n")
    chunks = [json.loads(line[6:]) for line in streamed.body.splitlines() if line.startswith(b"data: {")]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[-2:]] == ["stop", "stop"]
    assert all(chunk["choices"][0]["delta"]["role"] == "assistant" for chunk in chunks)
    usage = chunks[-1]["usage"]
    assert usage["cost"] == pytest.approx((usage["prompt_tokens"] + 2 * usage["completion_tokens"]) / 1e6)
    message = unary.json["choices"][0]["message"]
    assert message["reasoning"] == message["reasoning_details"][0]["text"] != ""
    assert unary.headers["x-generation-id"] == unary.json["id"]
    assert models.json["data"][0]["pricing"]["completion"] == "0.0000020000"
    assert refused.json["error"]["code"] == 404

"""Anthropic's own client against a simulated Anthropic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import pytest
from anthropic import AsyncAnthropic

from hybridge.simulator.scenario import Card, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ASKS, ask, call

HELLO: Any = [{"role": "user", "content": "Hello, who are you?"}]
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CLOCK: Any = {"name": "tell_time", "input_schema": {"type": "object", "properties": {}}}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
THINK: Any = {"type": "enabled", "budget_tokens": 1024}


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with SimulatedProvider(Leg("anthropic", "anthropic", models={"m": Card()}, keys=("k",))) as one:
        yield one


@pytest.fixture
async def client(provider: SimulatedProvider) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=provider.address, api_key="k", max_retries=0) as one:
        yield one


async def test_unary(client: AsyncAnthropic) -> None:
    said = await client.messages.create(model="m", max_tokens=1000, messages=HELLO, system="Be brief.")
    assert said.content[0].type == "text"
    assert "Hello, who are you?" in said.content[0].text
    assert said.stop_reason == "end_turn"
    assert said.usage.output_tokens > 0


async def test_a_stream_adds_up(client: AsyncAnthropic) -> None:
    async with client.messages.stream(model="m", max_tokens=2000, messages=HELLO, thinking=THINK) as stream:
        kinds = [event.type async for event in stream]
        said = await stream.get_final_message()
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    thought, text = said.content
    assert thought.type == "thinking" and thought.signature and thought.thinking
    assert text.type == "text" and text.text
    assert said.usage.output_tokens > 10


async def test_tools_called_streamed_and_answered(client: AsyncAnthropic) -> None:
    messages: Any = [{"role": "user", "content": "The weather in Hanoi and the time?"}]
    async with client.messages.stream(
        model="m", max_tokens=2000, messages=messages, tools=[WEATHER, CLOCK], thinking=THINK
    ) as stream:
        said = await stream.get_final_message()
    assert said.stop_reason == "tool_use"
    calls = [block for block in said.content if block.type == "tool_use"]
    assert [(block.name, block.input) for block in calls] == [("get_weather", {"city": "Hanoi"}), ("tell_time", {})]
    results = [{"type": "tool_result", "tool_use_id": block.id, "content": f"{block.name} done"} for block in calls]
    messages += [{"role": "assistant", "content": said.content}, {"role": "user", "content": results}]
    after = await client.messages.create(model="m", max_tokens=100, messages=messages, tools=[WEATHER, CLOCK])
    assert after.content[0].type == "text"
    assert "get_weather done" in after.content[0].text


async def test_tool_choice(client: AsyncAnthropic) -> None:
    async def called(choice: Any) -> list[str]:
        said = await client.messages.create(
            model="m", max_tokens=500, messages=HELLO, tools=[WEATHER, CLOCK], tool_choice=choice
        )
        return [block.name for block in said.content if block.type == "tool_use"]

    assert await called({"type": "any"}) == ["get_weather"]
    assert await called({"type": "tool", "name": "tell_time"}) == ["tell_time"]
    assert await called({"type": "auto"}) == await called({"type": "none"}) == []


async def test_images_structured_output_and_stops(client: AsyncAnthropic) -> None:
    content: Any = [
        {"type": "image", "source": PIXEL},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "text", "text": "Hello"},
    ]
    seen = await client.messages.create(model="m", max_tokens=500, messages=[{"role": "user", "content": content}])
    assert seen.content[0].type == "text" and "I see 2 image(s)" in seen.content[0].text
    stopped = await client.messages.create(model="m", max_tokens=500, messages=HELLO, stop_sequences=["who"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "who")
    short = await client.messages.create(model="m", max_tokens=2, messages=HELLO)
    assert (short.stop_reason, short.usage.output_tokens) == ("max_tokens", 2)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    config: Any = {"format": {"type": "json_schema", "schema": schema}}
    formed = await client.messages.create(model="m", max_tokens=500, messages=HELLO, output_config=config)
    assert formed.content[0].type == "text" and formed.content[0].text.startswith('{"a":')


async def test_counting_and_models(client: AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model="m", messages=HELLO)
    said = await client.messages.create(model="m", max_tokens=5, messages=HELLO)
    assert counted.input_tokens == said.usage.input_tokens > 0
    assert [model.id async for model in client.models.list()] == ["m"]
    assert (await client.models.retrieve("m")).id == "m"
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("x")


def user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


CALLED = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]}
ASKED = {"role": "user", "content": "x"}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "y"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"model": None}, "model: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "at least one message"),
        ({"messages": "x"}, "valid list"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
        ({"messages": [{"role": "user"}]}, "content: Field required"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "first message must use"),
        ({"messages": [ASKED, {"role": "assistant", "content": "so "}]}, "trailing whitespace"),
        ({"messages": user({"type": "text", "text": " "})}, "text content blocks must be non-empty"),
        ({"messages": user({"type": "hologram"})}, "Input tag 'hologram'"),
        ({"messages": user({"type": "image", "source": {"type": "url", "url": "http://x"}})}, "Only HTTPS"),
        ({"messages": user({"type": "image", "source": {**PIXEL, "media_type": "image/bmp"}})}, "media_type"),
        ({"messages": user({"type": "image", "source": {**PIXEL, "data": ""}})}, "data: Field required"),
        ({"messages": user({"type": "thinking", "thinking": "x", "signature": "y"})}, "Invalid `signature`"),
        ({"messages": [ASKED, CALLED, ASKED]}, "without `tool_result` blocks"),
        ({"messages": [ASKED, CALLED]}, "without `tool_result` blocks"),
        ({"messages": [ASKED, *user(RESULT)]}, "unexpected `tool_use_id`"),
        ({"messages": [ASKED, CALLED, *user({"type": "text", "text": "x"}, RESULT)]}, "must come first"),
        ({"messages": [ASKED, {**CALLED, "content": [{**CALLED["content"][0], "input": "{}"}]}]}, "valid dictionary"),  # type: ignore[dict-item]
        ({"temperature": 1.5}, "temperature: range: 0..1"),
        ({"temperature": "hot"}, "valid number"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"max_tokens": 1.5}, "valid integer"),
        ({"max_tokens": 99_999}, "maximum allowed number of output tokens"),
        ({"stop_sequences": [" "]}, "non-whitespace"),
        ({"thinking": {"type": "enabled"}}, "budget_tokens: Field required"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "greater than or equal to 1024"),
        ({"thinking": THINK}, "must be greater than `thinking.budget_tokens`"),
        ({"thinking": THINK, "max_tokens": 2000, "temperature": 0}, "only be set to 1"),
        ({"thinking": THINK, "max_tokens": 2000, "tools": [CLOCK], "tool_choice": {"type": "any"}}, "forces tool use"),
        ({"tools": [{"name": "f"}]}, "input_schema: Field required"),
        ({"tools": [{"name": "f", "input_schema": {"type": "string"}}]}, "Input should be 'object'"),
        ({"tool_choice": {"type": "any"}}, "while providing tools"),
        ({"tools": [CLOCK], "tool_choice": {"type": "tool", "name": "x"}}, "not found in provided tools"),
        ({"presence_penalty": 1}, "presence_penalty: Extra inputs are not permitted"),
        ({"messages": [{"role": "user", "content": "long " * 200_000}]}, "prompt is too long"),
    ],
)
async def test_bad_requests_are_refused_as_anthropic_does(
    provider: SimulatedProvider, changes: dict[str, Any], words: str
) -> None:
    got = await ask(provider, **changes)
    assert (got.status, got.json["type"], got.json["error"]["type"]) == (400, "error", "invalid_request_error")
    assert words in got.json["error"]["message"]


async def test_keys_versions_models_and_garbage(provider: SimulatedProvider, client: AsyncAnthropic) -> None:
    async def refused(body: Any, **headers: str) -> tuple[int, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        got = await call(provider, "/v1/messages", body, headers=named)
        return got.status, got.json["error"]["type"]

    body = ASKS["anthropic"]
    assert await refused(body) == (401, "authentication_error")
    assert await refused(body, x_api_key="wrong", anthropic_version="1") == (401, "authentication_error")
    assert await refused(body, authorization="Bearer k") == (400, "invalid_request_error")
    assert await refused(b"[]", x_api_key="k", anthropic_version="1") == (400, "invalid_request_error")
    assert await refused(b"{", x_api_key="k", anthropic_version="1") == (400, "invalid_request_error")
    with pytest.raises(anthropic.NotFoundError, match="model: x"):
        await client.messages.create(model="x", max_tokens=5, messages=HELLO)


async def test_events_are_padded_and_pinged(provider: SimulatedProvider) -> None:
    got = await ask(provider, stream=True)
    assert b'event: ping\ndata: {"type": "ping"}\n\n' in got.body
    assert b"  }\n\n" in got.body
    assert got.body.endswith(b"\n\n")
    assert got.headers["retry-after"] == "27"

"""Google's own client against a simulated Gemini."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from hybridge.simulator.scenario import Card, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.simulator.raw import ASKS, ask, call

WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}, required=["city"]
            ),
        )
    ]
)


@pytest.fixture
async def provider() -> AsyncIterator[SimulatedProvider]:
    async with SimulatedProvider(Leg("google", "gemini", models={"m": Card()}, keys=("k",))) as one:
        yield one


@pytest.fixture
async def client(provider: SimulatedProvider) -> AsyncIterator[genai.client.AsyncClient]:
    whole = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=provider.address))
    async with whole.aio as one:
        yield one
    whole.close()


async def test_unary(client: genai.client.AsyncClient) -> None:
    said = await client.models.generate_content(
        model="m", contents="Hello", config=types.GenerateContentConfig(system_instruction="Be brief.")
    )
    assert "Hello" in (said.text or "")
    assert said.usage_metadata is not None
    usage = said.usage_metadata
    assert usage.total_token_count == (usage.prompt_token_count or 0) + (usage.candidates_token_count or 0)


async def test_every_chunk_of_a_stream_has_the_usage_so_far(client: genai.client.AsyncClient) -> None:
    stream = await client.models.generate_content_stream(model="m", contents="Hello")
    chunks = [chunk async for chunk in stream]
    assert len(chunks) > 1
    counts = [chunk.usage_metadata.total_token_count or 0 for chunk in chunks if chunk.usage_metadata]
    assert counts == sorted(counts) and len(counts) == len(chunks)
    finishes = [candidate.finish_reason for chunk in chunks for candidate in chunk.candidates or []]
    assert finishes[-1] == types.FinishReason.STOP and not any(finishes[:-1])


async def test_tools_called_whole_and_answered(client: genai.client.AsyncClient) -> None:
    config = types.GenerateContentConfig(
        tools=[WEATHER],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        thinking_config=types.ThinkingConfig(include_thoughts=True, thinking_budget=512),
    )
    contents: list[Any] = [types.Content(role="user", parts=[types.Part(text="What is the weather in Hanoi?")])]
    stream = await client.models.generate_content_stream(model="m", contents=contents, config=config)
    parts = [
        part
        async for chunk in stream
        for candidate in chunk.candidates or []
        for part in (candidate.content.parts if candidate.content else None) or []
    ]
    assert parts[0].thought
    called = parts[-1]
    assert called.function_call is not None and called.function_call.args == {"city": "Hanoi"}
    assert called.thought_signature
    answer = types.Part.from_function_response(name="get_weather", response={"result": "31 degrees"})
    contents += [types.Content(role="model", parts=[called]), types.Content(role="user", parts=[answer])]
    after = await client.models.generate_content(model="m", contents=contents, config=config)
    assert "31 degrees" in (after.text or "")
    contents[1] = types.Content(
        role="model", parts=[types.Part(function_call=called.function_call, thought_signature=b"forged")]
    )
    with pytest.raises(errors.ClientError, match="Thought signature is not valid"):
        await client.models.generate_content(model="m", contents=contents, config=config)


async def test_structured_output_images_and_limits(client: genai.client.AsyncClient) -> None:
    class Recipe(BaseModel):
        name: str
        minutes: int

    said = await client.models.generate_content(
        model="m",
        contents="A recipe",
        config=types.GenerateContentConfig(response_mime_type="application/json", response_schema=Recipe),
    )
    assert isinstance(said.parsed, Recipe)
    picture = types.Part.from_bytes(data=b"x", mime_type="image/png")
    seen = await client.models.generate_content(model="m", contents=[picture, "What is it?"])
    assert "I see 1 image(s)" in (seen.text or "")
    short = await client.models.generate_content(
        model="m", contents="Hello", config=types.GenerateContentConfig(max_output_tokens=2)
    )
    assert short.candidates is not None
    assert short.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


async def test_counting_and_models(client: genai.client.AsyncClient) -> None:
    counted = await client.models.count_tokens(model="m", contents="Hello")
    said = await client.models.generate_content(model="m", contents="Hello")
    assert said.usage_metadata is not None
    assert counted.total_tokens == said.usage_metadata.prompt_token_count
    assert [model.name async for model in await client.models.list()] == ["models/m"]
    assert (await client.models.get(model="m")).input_token_limit == 128_000
    with pytest.raises(errors.ClientError, match="models/x is not found"):
        await client.models.get(model="x")


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def tool(**declared: Any) -> dict[str, Any]:
    return {"tools": [{"functionDeclarations": [{"name": "f", **declared}]}]}


CALLED = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"contents": None}, "contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "robot", "parts": [{"text": "x"}]}]}, "valid role"),
        ({"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        ({"contents": [user({"thought": True})]}, "required oneof field 'data'"),
        ({"contents": [user({"hologram": 1})]}, 'Unknown name "hologram" at'),
        ({"contents": [user({"functionResponse": {"name": "f", "response": "x"}})]}, "function_response.response"),
        ({"contents": [user({"text": "x"}), CALLED, user({"text": "y"})]}, "number of function response parts"),
        (
            {"contents": [user({"functionResponse": {"name": "f", "response": {}}})]},
            "number of function response parts",
        ),
        ({"presence_penalty": 1}, 'Unknown name "presencePenalty": Cannot find field'),
        ({"generationConfig": {"logitBias": {}}}, "Unknown name \"logitBias\" at 'generation_config'"),
        ({"generationConfig": {"maxOutputTokens": "x"}}, "TYPE_INT32"),
        ({"generationConfig": {"maxOutputTokens": 0}}, "must be positive"),
        ({"generationConfig": {"responseSchema": {"type": "STRING"}}}, "response mime type"),
        (
            {"generationConfig": {"responseMimeType": "application/json", "responseSchema": {"$schema": "x"}}},
            'Unknown name "$schema"',
        ),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 5, "thinkingLevel": "LOW"}}},
            "only one of thinking budget and thinking level",
        ),
        (tool(name="1f"), "Invalid function name"),
        (tool(parameters={"type": "OBJECT", "additionalProperties": False}), 'Unknown name "additionalProperties"'),
        (tool(parameters={"type": "OBJECT", "properties": {"a": {"type": ["string"]}}}), "not repeating"),
        (tool(parameters={"type": "OBJECT", "properties": {}}), "should be non-empty for OBJECT"),
        ({"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"]}}}, "mode is ANY"),
        (
            {"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}}},
            "is not declared",
        ),
        ({"contents": [user({"text": "long " * 200_000})]}, "exceeds the maximum number of tokens allowed"),
        ({"contents": [5]}, "Invalid request"),
    ],
)
async def test_bad_requests_are_refused_as_google_does(
    provider: SimulatedProvider, changes: dict[str, Any], words: str
) -> None:
    got = await ask(provider, **changes)
    assert (got.status, got.json["error"]["code"], got.json["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert words in got.json["error"]["message"]


async def test_keys_models_and_garbage(provider: SimulatedProvider) -> None:
    async def refused(path: str, body: Any, **headers: str) -> tuple[int, str]:
        got = await call(
            provider, path, body, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        return got.status, got.json["error"]["status"]

    path, body = "/v1beta/models/m:generateContent", ASKS["gemini"]
    assert await refused(path, body) == (403, "PERMISSION_DENIED")
    wrong = await call(provider, path, body, headers={"x-goog-api-key": "wrong"})
    assert (wrong.status, wrong.json["error"]["details"][0]["reason"]) == (400, "API_KEY_INVALID")
    assert (await call(provider, f"{path}?key=k", body, headers={})).status == 200
    assert await refused(path.replace("/m:", "/x:"), body, x_goog_api_key="k") == (404, "NOT_FOUND")
    assert await refused(path, b"{", x_goog_api_key="k") == (400, "INVALID_ARGUMENT")
    assert await refused(path, b"[]", x_goog_api_key="k") == (400, "INVALID_ARGUMENT")


async def test_modes_of_calling(provider: SimulatedProvider) -> None:
    async def called(**config: Any) -> list[str]:
        declared = [{"name": "look", "parameters": {}}, {"name": "listen"}]
        got = await ask(
            provider, tools=[{"functionDeclarations": declared}], toolConfig={"functionCallingConfig": config}
        )
        parts = got.json["candidates"][0]["content"]["parts"]
        return [part["functionCall"]["name"] for part in parts if "functionCall" in part]

    assert await called(mode="ANY") == ["look"]
    assert await called(mode="ANY", allowedFunctionNames=["listen"]) == ["listen"]
    assert await called(mode="NONE") == await called() == []


async def test_a_stream_is_an_array_without_sse_and_crlf_with_it(provider: SimulatedProvider) -> None:
    array = await call(provider, "/v1beta/models/m:streamGenerateContent", ASKS["gemini"])
    assert array.headers["content-type"].startswith("application/json")
    chunks = json.loads(array.body)
    assert len(chunks) > 1 and chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    refused = await call(provider, "/v1beta/models/m:streamGenerateContent", {})
    assert refused.json[0]["error"]["code"] == 400
    events = await ask(provider, stream=True)
    assert events.body.startswith(b"data: {") and events.body.endswith(b"}\r\n\r\n")


async def test_snake_case_and_one_content_without_a_list(provider: SimulatedProvider) -> None:
    got = await call(
        provider,
        "/v1beta/models/m:generateContent",
        {
            "system_instruction": {"parts": [{"text": "x"}]},
            "contents": {"parts": [{"inline_data": {"mime_type": "image/png", "data": "eA=="}}]},
            "generation_config": {"max_output_tokens": 50},
        },
    )
    assert "I see 1 image(s)" in got.json["candidates"][0]["content"]["parts"][0]["text"]

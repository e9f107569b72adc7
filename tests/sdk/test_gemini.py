"""Google's SDK in front of providers of the three dialects."""

from __future__ import annotations

import base64
import json

from google import genai
from google.genai import types

from hybridge.simulator.answers import tokens
from tests.sdk.asking import BOTH, GEMINI_TOOLS, WEATHER_AND_TRAFFIC, Capital, gemini_config
from tests.sdk.clients import Clients
from tests.sdk.house import PIXEL, Behind, weight


def finish(answer: types.GenerateContentResponse) -> str | None:
    assert answer.candidates
    reason = answer.candidates[0].finish_reason
    return reason and reason.name


def calls_of(answer: types.GenerateContentResponse) -> list[tuple[str, object]]:
    return [(str(call.name), call.args) for call in answer.function_calls or ()]


def spent(answer: types.GenerateContentResponse) -> tuple[int, int, int]:
    """Prompt, output and total as the answer tells them."""
    usage = answer.usage_metadata
    assert usage is not None
    return usage.prompt_token_count or 0, usage.candidates_token_count or 0, usage.total_token_count or 0


def test_a_whole_answer(gemini_client: genai.Client, theirs: Behind) -> None:
    answer = gemini_client.models.generate_content(
        model=theirs.model, contents="hello", config=gemini_config(system_instruction="Be brief.", temperature=0.3)
    )
    assert answer.text is not None
    assert answer.text.startswith("You said: “hello”.")
    assert finish(answer) == "STOP"
    assert theirs.system == "Be brief."
    sent, said = theirs.question.sent, tokens(answer.text)
    assert spent(answer) == (sent, said, sent + said)


def test_a_stream(gemini_client: genai.Client, theirs: Behind) -> None:
    chunks = list(gemini_client.models.generate_content_stream(model=theirs.model, contents="hello"))
    text = "".join(chunk.text or "" for chunk in chunks)
    assert len(chunks) > 1
    assert text.startswith("You said: “hello”.")
    assert finish(chunks[-1]) == "STOP"
    sent, said = theirs.question.sent, tokens(text)
    assert spent(chunks[-1]) == (sent, said, sent + said)
    assert theirs.question.stream


def test_a_conversation(gemini_client: genai.Client, theirs: Behind) -> None:
    talk = gemini_client.chats.create(model=theirs.model)
    first = "".join(chunk.text or "" for chunk in talk.send_message_stream("hello"))
    answer = talk.send_message("And then?")
    assert (answer.text or "").startswith("You said: “And then?”.")
    assert first.startswith("You said: “hello”.")
    assert "You said: “hello”." in json.dumps(theirs.body, ensure_ascii=False)
    assert theirs.question.text == "And then?"


def test_a_forced_tool(gemini_client: genai.Client, theirs: Behind) -> None:
    calling = {"mode": "ANY", "allowed_function_names": ["get_traffic"]}
    answer = gemini_client.models.generate_content(
        model=theirs.model,
        contents="hello",
        config=gemini_config(tools=GEMINI_TOOLS, tool_config={"function_calling_config": calling}),
    )
    assert theirs.question.choice == "tool:get_traffic"
    assert calls_of(answer) == [("get_traffic", {"road": "hello"})]
    assert finish(answer) == "STOP"
    assert spent(answer)[1] == weight(*calls_of(answer))


def test_parallel_calls_and_what_the_tools_said(gemini_client: genai.Client, theirs: Behind) -> None:
    talk = gemini_client.chats.create(model=theirs.model, config=gemini_config(tools=GEMINI_TOOLS))
    answer = talk.send_message(WEATHER_AND_TRAFFIC)
    assert calls_of(answer) == BOTH
    answer = talk.send_message(
        [
            types.Part.from_function_response(name="get_weather", response={"result": "sunny"}),
            types.Part.from_function_response(name="get_traffic", response={"result": "jammed"}),
        ]
    )
    assert "jammed" in (answer.text or "")
    sent = json.dumps(theirs.body)
    assert sent.index("sunny") < sent.index("jammed")


def test_streamed_calls(gemini_client: genai.Client, theirs: Behind) -> None:
    chunks = list(
        gemini_client.models.generate_content_stream(
            model=theirs.model, contents=WEATHER_AND_TRAFFIC, config=gemini_config(tools=GEMINI_TOOLS)
        )
    )
    assert [call for chunk in chunks for call in calls_of(chunk)] == BOTH
    assert finish(chunks[-1]) == "STOP"
    assert spent(chunks[-1])[1] == weight(*BOTH)


def test_vision(gemini_client: genai.Client, theirs: Behind) -> None:
    picture = types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png")
    answer = gemini_client.models.generate_content(model=theirs.model, contents=[picture, "What is this?"])
    assert (answer.text or "").startswith("I see 1 image(s). You said: “What is this?”.")
    # The SDK writes base64 in the alphabet for addresses, which only Gemini reads.
    assert PIXEL in json.dumps(theirs.body).replace("-", "+").replace("_", "/")
    assert (theirs.dialect == "gemini") or PIXEL in json.dumps(theirs.body)


def test_structured_output(gemini_client: genai.Client, theirs: Behind) -> None:
    answer = gemini_client.models.generate_content(
        model=theirs.model,
        contents="hello",
        config=gemini_config(response_mime_type="application/json", response_schema=Capital),
    )
    assert isinstance(answer.parsed, Capital)
    assert finish(answer) == "STOP"
    assert list(theirs.question.schema["properties"]) == ["city", "people", "rivers"]


def test_json_mode(gemini_client: genai.Client, theirs: Behind) -> None:
    answer = gemini_client.models.generate_content(
        model=theirs.model, contents="Answer in JSON.", config=gemini_config(response_mime_type="application/json")
    )
    assert isinstance(json.loads(answer.text or ""), dict)


def test_stop_sequences(gemini_client: genai.Client, theirs: Behind) -> None:
    answer = gemini_client.models.generate_content(
        model=theirs.model, contents="hello", config=gemini_config(stop_sequences=["hell", "never said"])
    )
    assert answer.text == "You said: “"
    assert finish(answer) == "STOP"
    assert theirs.question.stop == ("hell", "never said")


def test_max_tokens(gemini_client: genai.Client, theirs: Behind) -> None:
    answer = gemini_client.models.generate_content(
        model=theirs.model, contents="hello", config=gemini_config(max_output_tokens=3)
    )
    assert finish(answer) == "MAX_TOKENS"
    assert spent(answer)[1] == tokens(answer.text or "") <= 3


def test_counting_tokens(gemini_client: genai.Client, theirs: Behind) -> None:
    calls = theirs.count
    short = gemini_client.models.count_tokens(model=theirs.model, contents="hello")
    long = gemini_client.models.count_tokens(model=theirs.model, contents=f"{WEATHER_AND_TRAFFIC}. " * 5)
    assert short.total_tokens is not None
    assert long.total_tokens is not None
    assert 0 < short.total_tokens < 20 < long.total_tokens
    assert theirs.count == calls


def test_models(gemini_client: genai.Client, theirs: Behind) -> None:
    names = {model.name for model in gemini_client.models.list()}
    assert names >= {"models/via-openai", "models/via-anthropic", "models/via-gemini", "models/gpt-4o-mini"}
    assert gemini_client.models.get(model=theirs.model).name == f"models/{theirs.model}"


async def test_the_async_client(sdks: Clients, theirs: Behind) -> None:
    client = genai.Client(api_key="any", http_options={"base_url": sdks.url})
    stream = await client.aio.models.generate_content_stream(model=theirs.model, contents="hello")
    words = [chunk.text or "" async for chunk in stream]
    await client.aio.aclose()
    client.close()
    assert "".join(words).startswith("You said: “hello”.")

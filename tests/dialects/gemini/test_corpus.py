"""Every recorded exchange goes through both sides."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from hybridge.chat import (
    Event,
    Failed,
    Finish,
    Reasoning,
    ReasoningDelta,
    Start,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects.codec import Target
from hybridge.errors import ContextOverflow, InvalidRequest, ModelUnknown, ProviderError, RateLimited, Rejected
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, QUIRKS, Recorded, recorded, streams

MODELS = ("gemini-2.0-flash", "gemini-2.5-flash", "gemini-3-flash-preview")


def requests(shared: Path) -> list[Recorded]:
    found = [*recorded(shared), *recorded(shared, "sse")]
    assert len(found) > 40
    return [exchange for exchange in found if exchange.request]


def test_every_request_is_read_decoded_and_passed_on(shared: Path) -> None:
    for exchange in requests(shared):
        facts = CLIENT.read_facts(exchange.request, "m", stream=False)
        whole = json.loads(exchange.request)
        whole = whole.get("generateContentRequest", whole)
        passed = PROVIDER.adapt(facts, Target("m", "m", stream=False))
        assert json.loads(passed.body) == {k: v for k, v in whole.items() if k != "model"}, exchange.name
        assert passed.dropped == ()
        if "Please use a valid role" in exchange.response.decode():
            with pytest.raises(InvalidRequest) as caught:
                CLIENT.decode_request(facts.fields)
            assert caught.value.param == "contents[0].role"
            continue
        assert CLIENT.decode_request(facts.fields).turns, exchange.name


def test_every_request_survives_translation(shared: Path) -> None:
    for exchange in requests(shared):
        facts = CLIENT.read_facts(exchange.request, "m")
        if "Please use a valid role" in exchange.response.decode():
            continue
        chat = CLIENT.decode_request(facts.fields)
        for model in MODELS:
            sent = PROVIDER.encode_request(chat, Target(model, model, stream=False, drop_unsupported=True))
            again = CLIENT.decode_request(CLIENT.read_facts(sent.body, model).fields)
            assert again.system == chat.system, exchange.name
            if model == MODELS[-1]:
                assert again.turns == chat.turns, exchange.name
                assert [tool.name for tool in again.tools] == [tool.name for tool in chat.tools]


def test_every_answer_is_decoded(shared: Path) -> None:
    count = 0
    for exchange in recorded(shared):
        if exchange.status != 200 or "countTokens" in exchange.url or exchange.response.startswith(b"["):
            continue
        count += 1
        reply = PROVIDER.decode_reply(exchange.response, QUIRKS)
        expected = json.loads(exchange.response)
        candidate = expected.get("candidates", [{}])[0]
        parts = candidate.get("content", {}).get("parts", [])
        text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        assert "".join(part.text for part in reply.parts if isinstance(part, Text)) == text, exchange.name
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        found = [part for part in reply.parts if isinstance(part, ToolCall)]
        assert [(call.name, json.loads(call.arguments)) for call in found] == [
            (call["name"], call["args"]) for call in calls
        ]
        assert all(found_call.id for found_call in found)
        signed = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
        assert [
            part.signature for part in reply.parts if isinstance(part, (ToolCall, Reasoning)) and part.signature
        ] == signed
        assert (reply.stop is StopReason.TOOL_CALLS) == bool(calls)
        assert reply.model == expected["modelVersion"]
        counts = expected["usageMetadata"]
        heard = PROVIDER.peek_reply(exchange.response, QUIRKS).usage
        if "promptTokenCount" not in counts:
            assert heard is None
            continue
        assert heard == reply.usage
        assert reply.usage.prompt_tokens + reply.usage.completion_tokens == counts["totalTokenCount"], exchange.name
    assert count > 25


def test_streams_that_came_as_one_array_are_answers(shared: Path) -> None:
    arrays = [exchange for exchange in recorded(shared) if exchange.response.startswith(b"[")]
    assert len(arrays) == 2
    for exchange in arrays:
        chunks = json.loads(exchange.response)
        reply = PROVIDER.decode_reply(exchange.response, QUIRKS)
        parts = [part for chunk in chunks for part in chunk["candidates"][0]["content"]["parts"]]
        assert [part.name for part in reply.parts if isinstance(part, ToolCall)] == [
            part["functionCall"]["name"] for part in parts if "functionCall" in part
        ]
        assert "".join(part.text for part in reply.parts if isinstance(part, Text)) == "".join(
            part.get("text", "") for part in parts
        )
        assert reply.usage.prompt_tokens == chunks[-1]["usageMetadata"]["promptTokenCount"]


def test_every_answer_goes_to_a_client_and_comes_back(shared: Path) -> None:
    for exchange in recorded(shared):
        if exchange.status != 200 or "countTokens" in exchange.url or exchange.response.startswith(b"["):
            continue
        reply = PROVIDER.decode_reply(exchange.response, QUIRKS)
        made = CLIENT.encode_reply(reply, request_id="req_1", created=1)
        assert PROVIDER.decode_reply(made, QUIRKS) == reply, exchange.name


def test_every_error_has_its_class(shared: Path) -> None:
    classes = {
        "gemini/count_tokens_error404_01": ModelUnknown,
        "gemini/generate_error404_01": ModelUnknown,
        "gemini/generate_error429_01": RateLimited,
        "vertex/generate_error400_01": ContextOverflow,
        "vertex/generate_error400_02": Rejected,
        "vertex/generate_error400_03": Rejected,
        "vertex/generate_error400_tooldefs_toolresult_vision_01": Rejected,
    }
    found: dict[str, type[ProviderError]] = {}
    for exchange in recorded(shared):
        if exchange.status != 200:
            error = PROVIDER.classify(exchange.status, {}, exchange.response)
            found[exchange.name.removesuffix(".response.json")] = type(error)
            assert error.message in json.loads(exchange.response)["error"]["message"]
    assert found == classes


def decoded(pieces: list[bytes]) -> tuple[list[Event], bool]:
    decoder = PROVIDER.stream_decoder(QUIRKS)
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events, decoder.ended


def relayed(pieces: list[bytes]) -> tuple[bytes, tuple[object, ...]]:
    listener = PROVIDER.listener(withhold_usage=True, quirks=QUIRKS)
    out = b"".join(listener.feed(piece) for piece in pieces) + listener.end()
    return out, (listener.content, listener.stop, listener.usage, listener.said, listener.error)


def cut(data: bytes, chance: random.Random) -> list[bytes]:
    places = sorted(chance.sample(range(len(data)), min(len(data), chance.randint(1, 40))))
    return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def test_every_stream_is_decoded(shared: Path) -> None:
    found = streams(shared)
    assert len(found) > 20
    for exchange in found:
        events, ended = decoded([exchange.response])
        assert ended, exchange.name
        kinds = [type(event) for event in events]
        assert kinds[0] is Start
        assert kinds.count(Finish) == 1
        assert Failed not in kinds
        usage = [event.usage for event in events if isinstance(event, UsageEvent)][-1]
        total = json.loads(exchange.response.rstrip().rpartition(b"data: ")[2])["usageMetadata"]["totalTokenCount"]
        assert usage.prompt_tokens + usage.completion_tokens == total, exchange.name


def test_every_stream_says_what_its_chunks_say(shared: Path) -> None:
    for exchange in streams(shared):
        parts = [
            part
            for line in exchange.response.splitlines()
            if line
            for candidate in json.loads(line.removeprefix(b"data: "))["candidates"]
            for part in candidate.get("content", {}).get("parts", [])
        ]
        events, _ = decoded([exchange.response])
        text = "".join(part["text"] for part in parts if "text" in part and not part.get("thought"))
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text
        names = [part["functionCall"]["name"] for part in parts if part.get("functionCall", {}).get("name")]
        assert [event.name for event in events if isinstance(event, ToolStart)] == names
        signed = [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]
        assert [
            event.signature for event in events if isinstance(event, (ReasoningDelta, ToolStart)) and event.signature
        ] == signed, exchange.name


def test_any_split_gives_the_same_events_and_bytes(shared: Path) -> None:
    chance = random.Random(7)
    for exchange in streams(shared):
        whole = decoded([exchange.response])
        passed, heard = relayed([exchange.response])
        assert passed == exchange.response, exchange.name
        assert heard[-1] is None
        pieces = [cut(exchange.response, chance) for _ in range(6)]
        if len(exchange.response) < 3_000:
            pieces.append([bytes([byte]) for byte in exchange.response])
        for split in pieces:
            assert decoded(split) == whole, exchange.name
            assert relayed(split) == (passed, heard), exchange.name


def test_every_stream_goes_to_a_client_and_comes_back(shared: Path) -> None:
    for exchange in streams(shared):
        events, _ = decoded([exchange.response])
        encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="req_1", created=1)
        made = b"".join(encoder.encode([event]) for event in events) + encoder.finish()
        again, ended = decoded([made])
        assert ended
        for kind in (TextDelta, ToolStart, Finish):
            assert [e for e in again if isinstance(e, kind)] == [e for e in events if isinstance(e, kind)]
        assert last_usage(again) == last_usage(events)


def last_usage(events: list[Event]) -> UsageEvent:
    return [event for event in events if isinstance(event, UsageEvent)][-1]

"""Everything recorded from providers of this dialect, through the public door."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from hybridge.chat import (
    Failed,
    Finish,
    Reasoning,
    ReasoningDelta,
    Refusal,
    Start,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects import dialect
from hybridge.dialects.codec import Target
from hybridge.errors import ContextOverflow, ProviderError, QuotaExhausted, RateLimited
from hybridge.types import NO_QUIRKS, Needs, Quirks
from tests.dialects.openai.corpus import (
    NEEDS_CORPUS,
    QUIRKS,
    Exchange,
    captured_replies,
    captured_streams,
    exchanges,
    reported_errors,
    usage_rows,
)

pytestmark = NEEDS_CORPUS

OPENAI = dialect("openai")
EVERYTHING_OWN = Quirks(own_fields=("cache_control", "reasoning_details", "extra_content", "top_k", "reasoning"))

STOPS = {
    "stop": StopReason.STOP,
    "eos": StopReason.STOP,
    "length": StopReason.LENGTH,
    "tool_calls": StopReason.TOOL_CALLS,
    "function_call": StopReason.TOOL_CALLS,
    "content_filter": StopReason.CONTENT_FILTER,
}


def model_of(exchange: Exchange) -> str | None:
    """Azure's older addresses name the model, so that the body may not."""
    return None if msgspec.json.decode(exchange.request).get("model") else "from-the-path"


@pytest.mark.parametrize("exchange", exchanges(ok=True) + exchanges(ok=False))
def test_requests_are_read(exchange: Exchange) -> None:
    sent = msgspec.json.decode(exchange.request)
    facts = OPENAI.client.read_facts(exchange.request, model_of(exchange))
    assert facts.stream == bool(sent.get("stream"))
    assert (Needs.TOOLS in facts.needs) >= bool(sent.get("tools"))
    assert (Needs.VISION in facts.needs) == (b'"type":"image_url"' in exchange.request.replace(b" ", b""))
    assert 0 < facts.input_bytes <= len(exchange.request)
    chat = OPENAI.client.decode_request(facts.fields)
    assert chat.turns
    assert len(chat.tools) == sum(tool.get("type", "function") == "function" for tool in sent.get("tools") or ())
    assert chat.max_tokens == facts.max_tokens


@pytest.mark.parametrize("exchange", exchanges(ok=True))
def test_requests_pass_through_but_for_the_model(exchange: Exchange) -> None:
    facts = OPENAI.client.read_facts(exchange.request, model_of(exchange))
    target = Target(model="another", name="another", stream=facts.stream, quirks=Quirks(no_stream_options=True))
    outgoing = OPENAI.provider.adapt(facts, target)
    sent = msgspec.json.decode(exchange.request)
    sent.pop("stream_options", None)
    assert msgspec.json.decode(outgoing.body) == {**sent, "model": "another"}
    assert outgoing.dropped == ()
    assert OPENAI.provider.adapt(replace(facts, thoughts=True), target) == outgoing


@pytest.mark.parametrize("exchange", exchanges(ok=True))
def test_requests_survive_encoding(exchange: Exchange) -> None:
    chat = OPENAI.client.decode_request(OPENAI.client.read_facts(exchange.request, model_of(exchange)).fields)
    target = Target(model="m", name="m", stream=chat.stream, quirks=EVERYTHING_OWN, drop_unsupported=True)
    outgoing = OPENAI.provider.encode_request(chat, target)
    again = OPENAI.client.decode_request(OPENAI.client.read_facts(outgoing.body).fields)
    assert words(again) == words(chat)
    assert again.tools == chat.tools
    assert again.format == chat.format or (chat.format is not None and not chat.format.name)
    assert again.tool_choice == chat.tool_choice


def words(chat: Any) -> list[tuple[str, str, list[str]]]:
    """Texts and calls by turn; texts that stand together may be joined."""
    return [
        (
            turn.role,
            "".join(part.text.strip() for part in turn.parts if isinstance(part, Text)).replace("\n", ""),
            [part.id for part in turn.parts if isinstance(part, ToolCall)],
        )
        for turn in chat.turns
    ]


def prompt_of(usage: dict[str, Any]) -> int:
    prompt: int = usage["prompt_tokens"]
    cached: int = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
    return prompt + cached if cached > prompt else prompt


def check_reply(body: bytes, quirks: Quirks) -> None:
    received = msgspec.json.decode(body)
    message = received["choices"][0].get("message") or {}
    reply = OPENAI.provider.decode_reply(body, quirks)
    texts = "".join(part.text for part in reply.parts if isinstance(part, Text))
    content = message.get("content")
    if isinstance(content, list):
        assert texts == "".join(part.get("text", "") for part in content)
        assert any(isinstance(part, Reasoning) for part in reply.parts)
    else:
        assert texts == (content or "")
    calls = [part for part in reply.parts if isinstance(part, ToolCall)]
    legacy = (message.get("function_call") or {}).get("name")
    assert [(call.id, call.name, call.arguments) for call in calls if call.name != legacy] == [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    ]
    if thoughts := message.get("reasoning_content") or message.get("reasoning"):
        assert "".join(part.text for part in reply.parts if isinstance(part, Reasoning)) == thoughts
    assert [part.text for part in reply.parts if isinstance(part, Refusal)] == [
        text for text in [message.get("refusal")] if text
    ]
    expected = STOPS.get(received["choices"][0]["finish_reason"], StopReason.STOP)
    if expected is StopReason.STOP and calls:
        expected = StopReason.TOOL_CALLS
    elif expected is StopReason.STOP and message.get("refusal"):
        expected = StopReason.REFUSAL
    assert reply.stop is expected
    assert OPENAI.provider.peek_reply(body, quirks).usage == reply.usage
    if received.get("usage"):
        assert reply.usage.prompt_tokens == prompt_of(received["usage"])
        assert reply.usage.completion_tokens == received["usage"]["completion_tokens"]
    again = OPENAI.provider.decode_reply(OPENAI.client.encode_reply(reply, request_id="req_1", created=1), NO_QUIRKS)
    assert again.stop is reply.stop
    assert [part for part in again.parts if isinstance(part, ToolCall)] == [
        ToolCall(call.id, call.name, call.arguments or "{}", call.signature, call.origin) for call in calls
    ]


@pytest.mark.parametrize("exchange", exchanges(ok=True, stream=False))
def test_answers(exchange: Exchange) -> None:
    check_reply(exchange.response, exchange.quirks)


@pytest.mark.parametrize(("folder", "body"), captured_replies())
def test_captured_answers(folder: str, body: bytes) -> None:
    check_reply(body, QUIRKS.get(folder, NO_QUIRKS))


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    lines = (line[5:].strip() for line in stream.splitlines() if line.startswith(b"data:"))
    return [msgspec.json.decode(line) for line in lines if line and line != b"[DONE]"]


def events_of(stream: bytes, quirks: Quirks, cuts: list[int]) -> tuple[list[Any], bool]:
    decoder = OPENAI.provider.stream_decoder(quirks)
    events = []
    for piece in pieces_of(stream, cuts):
        events += decoder.feed(piece)
    return events, decoder.ended


def pieces_of(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cuts), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def check_stream(stream: bytes, quirks: Quirks) -> None:
    events, ended = events_of(stream, quirks, [])
    chosen = [
        choice for chunk in chunks_of(stream) for choice in chunk.get("choices") or () if choice.get("index", 0) == 0
    ]
    deltas = [choice.get("delta") or {} for choice in chosen]
    texts = [delta["content"] for delta in deltas if isinstance(delta.get("content"), str)]
    listed = [part for delta in deltas if isinstance(delta.get("content"), list) for part in delta["content"]]
    texts += [part["text"] for part in listed if part["type"] == "text"]
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert sorted(said) == sorted("".join(texts))
    thoughts = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert thoughts or not any(delta.get("reasoning_content") or delta.get("reasoning") for delta in deltas)
    names = [event.name for event in events if isinstance(event, ToolStart)]
    # One provider repeats id and name with every piece.
    started = {
        (call.get("id") or at, call["function"]["name"]): None
        for at, delta in enumerate(deltas)
        for call in delta.get("tool_calls") or ()
        if (call.get("function") or {}).get("name")
    }
    assert names == [name for _, name in started]
    for index in range(len(names)):
        arguments = [event.arguments for event in events if isinstance(event, ToolDelta) and event.index == index]
        assert isinstance(msgspec.json.decode("".join(arguments) or "{}"), dict)
    finishes = [event.stop for event in events if isinstance(event, Finish)]
    reason = next((choice["finish_reason"] for choice in chosen if choice.get("finish_reason")), "stop")
    assert finishes == [STOPS[reason] if not (reason == "stop" and names) else StopReason.TOOL_CALLS]
    assert ended
    assert not any(isinstance(event, Failed) for event in events)
    usages = [chunk["usage"] for chunk in chunks_of(stream) if chunk.get("usage")]
    if usages:
        last = [event.usage for event in events if isinstance(event, UsageEvent)][-1]
        assert last.prompt_tokens == prompt_of(usages[-1])
        assert last.completion_tokens == usages[-1]["completion_tokens"]


def check_relay(stream: bytes, quirks: Quirks, cuts: list[int], *, withhold: bool) -> bytes:
    relay = OPENAI.provider.listener(withhold_usage=withhold, quirks=quirks)
    out = b"".join(relay.feed(piece) for piece in pieces_of(stream, cuts)) + relay.end()
    assert relay.error is None
    assert relay.content or relay.stop is StopReason.LENGTH
    return out


def any_cuts(stream: bytes, seed: int) -> list[int]:
    chance = random.Random(seed)
    return chance.sample(range(len(stream)), min(len(stream), chance.choice([1, 5, 40, 400])))


BROKEN = "midstream_error"
WHOLE_STREAMS = [
    pytest.param(param.values[0].response, param.values[0].quirks, id=param.id)
    for param in exchanges(ok=True, stream=True)
    if BROKEN not in str(param.id)
] + [pytest.param(param.values[1], QUIRKS.get(param.values[0], NO_QUIRKS), id=param.id) for param in captured_streams()]


@pytest.mark.parametrize(("stream", "quirks"), WHOLE_STREAMS)
def test_streams(stream: bytes, quirks: Quirks) -> None:
    check_stream(stream, quirks)


@pytest.mark.parametrize(("stream", "quirks"), WHOLE_STREAMS)
def test_streams_cut_anywhere(stream: bytes, quirks: Quirks) -> None:
    whole = events_of(stream, quirks, [])
    for seed in range(4):
        cuts = any_cuts(stream, seed)
        assert events_of(stream, quirks, cuts) == whole
        assert check_relay(stream, quirks, cuts, withhold=False) == stream


@pytest.mark.parametrize(("stream", "quirks"), WHOLE_STREAMS)
def test_streams_lose_only_a_lone_usage_chunk(stream: bytes, quirks: Quirks) -> None:
    expected = stream
    for line in stream.splitlines(keepends=True):
        if line.startswith(b"data: {"):
            chunk = msgspec.json.decode(line[6:])
            if chunk.get("usage") and not chunk["choices"]:
                expected = expected.replace(line + b"\n", b"")
    for seed in range(4):
        assert check_relay(stream, quirks, any_cuts(stream, seed), withhold=True) == expected


@pytest.mark.parametrize(("stream", "quirks"), WHOLE_STREAMS)
def test_streams_survive_encoding(stream: bytes, quirks: Quirks) -> None:
    events, _ = events_of(stream, quirks, [])
    encoder = OPENAI.client.stream_encoder(model="m", include_usage=True, request_id="req_1", created=1)
    out = encoder.encode(events) + encoder.finish()
    again, ended = events_of(out, NO_QUIRKS, [])
    assert ended
    usages = [event for event in events if isinstance(event, UsageEvent)]
    heard = [event for event in again if isinstance(event, UsageEvent)]
    assert [u.usage.completion_tokens for u in heard] == [u.usage.completion_tokens for u in usages[-1:]]
    unlike = (Start, UsageEvent)
    assert [e for e in again if not isinstance(e, unlike)] == [e for e in events if not isinstance(e, unlike)]


@pytest.mark.parametrize("exchange", [param for param in exchanges(ok=True, stream=True) if BROKEN in str(param.id)])
def test_errors_in_streams(exchange: Exchange) -> None:
    for seed in range(4):
        cuts = any_cuts(exchange.response, seed)
        events, _ = events_of(exchange.response, exchange.quirks, cuts)
        assert isinstance(events[-1], Failed)
        assert sum(isinstance(event, Failed) for event in events) == 1
        relay = OPENAI.provider.listener(withhold_usage=True, quirks=exchange.quirks)
        out = b"".join(relay.feed(piece) for piece in pieces_of(exchange.response, cuts)) + relay.end()
        assert relay.error is not None
        assert relay.error.message == events[-1].error.message
        assert exchange.response.startswith(out)
        assert b'"error"' not in out


CLASSES = {
    "chat_error400_tooldefs_01": "broken",
    "deepseek/chat_error400_01": "context_overflow",
    "ollama/chat_error400_01": "context_overflow",
    "openrouter/chat_error400_01": "context_overflow",
    "perplexity/chat_error400_01": "context_overflow",
}
BY_STATUS = {400: "rejected", 401: "key_refused", 404: "model_unknown", 429: "rate_limited"}


@pytest.mark.parametrize("exchange", exchanges(ok=False))
def test_error_answers(exchange: Exchange) -> None:
    error = OPENAI.provider.classify(exchange.status, {}, exchange.response)
    expected = next((kind for name, kind in CLASSES.items() if name in exchange.name), BY_STATUS[exchange.status])
    assert error.error_class == expected
    assert error.status == exchange.status
    assert len(error.message) > 5
    assert "{" not in error.message[:1]
    assert error.body == exchange.response


REPORTED = {
    "azure/400_content_filter": "content_filtered",
    "aihubmix/400_incorrect_model": "model_unknown",
    "aihubmix/400_upstream": "context_overflow",
    "fireworks/412_suspended": "key_refused",
    "fireworks/429_usage_limits": "rate_limited",
    "mistral/429": "rate_limited",
    "moonshot/403_quota": "quota_exhausted",
    "moonshot/429_engine_overloaded": "broken",
    "moonshot/429_anthropic_envelope": "rate_limited",
    "moonshot/429_tpm": "rate_limited",
    "openai/429_insufficient_quota": "quota_exhausted",
    "openai/429_request_too_large": "context_overflow",
    "openai/429_tpm": "rate_limited",
    "openrouter/403_guardrail": "content_filtered",
    "openrouter/429_platform": "rate_limited",
}


@pytest.mark.parametrize(("status", "body"), reported_errors())
def test_reported_errors(status: int, body: bytes, request: pytest.FixtureRequest) -> None:
    error = OPENAI.provider.classify(status, {}, body)
    name = request.node.callspec.id.removesuffix(".response.json")
    assert error.error_class == REPORTED[name]
    assert isinstance(error, ProviderError)
    assert isinstance(error, QuotaExhausted) <= (not error.retry)
    assert isinstance(error, RateLimited) <= error.retry
    assert isinstance(error, ContextOverflow) <= (not error.fallback)


LABELS = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "output_reasoning_tokens": "reasoning",
    "input_audio_tokens": "audio_input",
    "output_audio_tokens": "audio_output",
}


def labelled(row: dict[str, Any], provider: str) -> dict[str, int] | None:
    for extracted in row["extracted"]:
        if {"api_flavor": "chat", "provider_id": provider} in extracted["extractors"]:
            return {name: count for name, count in extracted["usage"].items() if count}
    return None


@pytest.mark.parametrize("row", [pytest.param(row, id=str(at)) for at, row in enumerate(usage_rows())])
def test_usage_rows(row: dict[str, Any]) -> None:
    body = msgspec.json.encode({**row["body"], "choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})
    expected = labelled(row, "openai")
    if expected is not None:
        usage = OPENAI.provider.decode_reply(body, NO_QUIRKS).usage
        found = {label: getattr(usage, bucket) for label, bucket in LABELS.items()}
        assert {label: count for label, count in found.items() if count} == expected
        assert OPENAI.provider.peek_reply(body, NO_QUIRKS).usage == usage
    outside = labelled(row, "x-ai")
    if outside is not None:
        usage = OPENAI.provider.decode_reply(body, Quirks(reasoning_outside_completion=True)).usage
        assert usage.completion_tokens == outside.get("output_tokens", 0)
        assert usage.reasoning == outside.get("output_reasoning_tokens", 0)


def test_there_are_usage_rows() -> None:
    assert sum(labelled(row, "openai") is not None for row in usage_rows()) > 50


@pytest.mark.parametrize(
    "exchange",
    [p for p in exchanges(ok=True, stream=False) if str(p.id).startswith(("openrouter/", "perplexity/"))],
)
def test_reported_bills(exchange: Exchange) -> None:
    usage = OPENAI.provider.decode_reply(exchange.response, exchange.quirks).usage
    cost = msgspec.json.decode(exchange.response)["usage"].get("cost")
    cost = cost["total_cost"] if isinstance(cost, dict) else cost
    if cost is None:
        assert usage.reported_nano_usd is None
    elif not msgspec.json.decode(exchange.response)["usage"].get("is_byok"):
        assert usage.reported_nano_usd == round(cost * 1_000_000_000)

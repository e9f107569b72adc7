"""The recorded traffic, read through the public door."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hybridge.chat import Failed, StopReason, Text, ToolCall
from hybridge.dialects.anthropic.models import traits_of
from hybridge.dialects.codec import events_of
from hybridge.errors import (
    Broken,
    ContextOverflow,
    KeyRefused,
    MalformedAnswer,
    ModelUnknown,
    RateLimited,
    Rejected,
)
from hybridge.types import NO_QUIRKS, Needs
from tests.dialects.anthropic import corpus
from tests.dialects.anthropic.corpus import CLIENT, PROVIDER

_STOPS = {
    "end_turn": StopReason.STOP,
    "tool_use": StopReason.TOOL_CALLS,
    "max_tokens": StopReason.LENGTH,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "refusal": StopReason.REFUSAL,
}


def test_every_recorded_request_is_understood(shared: Path) -> None:
    found = corpus.requests(shared)
    assert len(found) >= 50
    for path in found:
        body = path.read_bytes()
        said = json.loads(body)
        facts = CLIENT.read_facts(body)
        chat = CLIENT.decode_request(facts.fields)
        assert facts.model == said["model"], path.name
        assert facts.stream is chat.stream is bool(said.get("stream")), path.name
        assert facts.max_tokens == chat.max_tokens == said.get("max_tokens"), path.name
        assert bool(facts.needs & Needs.TOOLS) == bool(said.get("tools")), path.name
        assert sum(1 for turn in chat.turns for part in turn.parts if isinstance(part, ToolCall)) == sum(
            1
            for message in said["messages"]
            if not isinstance(message["content"], str)
            for block in message["content"]
            if block["type"] == "tool_use"
        ), path.name
        # What another dialect could not carry is known before the contents are decoded.
        assert bool(facts.asks - PROVIDER.carries) == bool(chat.unknown), path.name
        assert facts.input_bytes > 0


def test_images_do_not_count_as_text(shared: Path) -> None:
    body = (corpus.folder(shared) / "messages_vision_stopreason_01.request.json").read_bytes()
    facts = CLIENT.read_facts(body)
    assert facts.needs == Needs.VISION
    assert facts.images == 1
    assert facts.input_bytes < 1000 < len(body)


def _said(blocks: list[dict[str, Any]]) -> tuple[str, list[tuple[str, str, Any]]]:
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = [(block["id"], block["name"], block["input"]) for block in blocks if block["type"] == "tool_use"]
    return text, calls


def test_every_recorded_answer_keeps_text_calls_stop_and_usage(shared: Path) -> None:
    found = corpus.answers(shared)
    assert len(found) >= 44
    for path in found:
        body = path.read_bytes()
        wire = json.loads(body)
        reply = PROVIDER.decode_reply(body, NO_QUIRKS)
        text, calls = _said(wire["content"])
        assert "".join(part.text for part in reply.parts if isinstance(part, Text)) == text, path.name
        assert [
            (part.id, part.name, json.loads(part.arguments)) for part in reply.parts if isinstance(part, ToolCall)
        ] == calls, path.name
        assert reply.stop is _STOPS[wire["stop_reason"]], path.name
        assert reply.stop_sequence == (wire.get("stop_sequence") or ""), path.name
        assert reply.usage.completion_tokens == wire["usage"]["output_tokens"], path.name
        assert reply.usage == PROVIDER.peek_reply(body, NO_QUIRKS).usage, path.name


def test_every_labelled_usage_row(shared: Path) -> None:
    rows = (shared / "wire" / "fixtures" / "usage" / "anthropic.jsonl").read_text().splitlines()
    assert len(rows) >= 50
    for row in map(json.loads, rows):
        label = next(
            entry["usage"]
            for entry in row["extracted"]
            if any(by["provider_id"] == "anthropic" for by in entry["extractors"])
        )
        body = {"type": "message", "content": [{"type": "text", "text": "x"}], "usage": row["body"]["usage"]}
        usage = PROVIDER.peek_reply(json.dumps(body).encode(), NO_QUIRKS).usage
        assert usage is not None
        assert usage.prompt_tokens == label["input_tokens"]
        assert usage.cache_read == label.get("cache_read_tokens", 0)
        assert usage.cache_write + usage.cache_write_1h == label.get("cache_write_tokens", 0)
        assert usage.cache_write == label.get("cache_write_5m_tokens", 0)
        assert usage.completion_tokens == label["output_tokens"]
        assert usage.reasoning == label.get("output_reasoning_tokens", 0)


def _first_message(stream: bytes) -> list[dict[str, Any]]:
    """The events of the first message: some captured files hold several."""
    events = []
    for event in corpus.wire_events(stream):
        events.append(event)
        if event["type"] == "message_stop":
            break
    return events


def _whole(events: list[dict[str, Any]]) -> tuple[str, list[tuple[str, str, Any]]]:
    text = ""
    calls: dict[int, tuple[str, str, str]] = {}
    for event in events:
        block, delta = event.get("content_block", {}), event.get("delta", {})
        if block.get("type") == "tool_use":
            whole = json.dumps(block["input"]) if block["input"] else ""
            calls[event["index"]] = (block["id"], block["name"], whole)
        text += block.get("text", "") if block.get("type") == "text" else ""
        text += delta.get("text", "")
        if event.get("index") in calls and "partial_json" in delta:
            call_id, name, arguments = calls[event["index"]]
            calls[event["index"]] = (call_id, name, arguments + delta["partial_json"])
    return text, [(call_id, name, json.loads(arguments or "{}")) for call_id, name, arguments in calls.values()]


def _clean_streams(shared: Path) -> list[tuple[str, bytes]]:
    found = [(name, stream) for name, stream in corpus.streams(shared) if not name.startswith("spliced")]
    assert len(found) >= 40
    return found


def test_every_recorded_stream_keeps_text_calls_stop_and_usage(shared: Path) -> None:
    for name, stream in _clean_streams(shared):
        decoder = corpus.decoder()
        events = decoder.feed(stream)
        wire = _first_message(stream)
        assert decoder.ended, name
        assert not any(isinstance(event, Failed) for event in events), name
        text, calls = _whole(wire)
        parts = corpus.parts_of(events)
        assert "".join(part.text for part in parts if isinstance(part, Text)) == text, name
        assert [
            (part.id, part.name, json.loads(part.arguments)) for part in parts if isinstance(part, ToolCall)
        ] == calls, name
        (last,) = (event for event in wire if event["type"] == "message_delta")
        assert corpus.finish_of(events).stop is _STOPS[last["delta"]["stop_reason"]], name
        assert corpus.last_usage(events).usage.completion_tokens == last["usage"]["output_tokens"], name


def test_the_listener_passes_every_byte_and_hears_the_same(shared: Path) -> None:
    for name, stream in _clean_streams(shared):
        relay, decoder = corpus.listener(), corpus.decoder()
        assert relay.feed(stream) + relay.end() == stream, name
        events = decoder.feed(stream)
        assert relay.error is None, name
        assert relay.content, name
        assert relay.stop is corpus.finish_of(events).stop, name
        assert relay.usage == corpus.last_usage(events).usage, name


def test_any_split_of_every_recorded_stream_changes_nothing(shared: Path) -> None:
    chance = random.Random(20261122)
    for name, stream in corpus.streams(shared):
        for ending in (b"\n", b"\r\n"):
            sent = stream.replace(b"\n", ending)
            whole = corpus.decoder().feed(sent)
            decoder, relay = corpus.decoder(), corpus.listener()
            events, passed, start = [], b"", 0
            while start < len(sent):
                end = start + chance.choice((1, 2, 7, 60, 400, 3000))
                events += decoder.feed(sent[start:end])
                passed += relay.feed(sent[start:end])
                start = end
            assert events == whole or name.startswith("spliced"), name
            assert len(events) == len(whole), name
            assert passed + relay.end() == sent, name


def test_every_recorded_answer_and_stream_reach_a_client_of_this_dialect(shared: Path) -> None:
    """There and back through the neutral types, whole and as a stream."""
    for path in corpus.answers(shared):
        reply = PROVIDER.decode_reply(path.read_bytes(), NO_QUIRKS)
        calls = [part for part in reply.parts if isinstance(part, ToolCall)]
        if calls and reply.stop is StopReason.STOP:  # code on the server called them and went on
            reply = replace(reply, stop=StopReason.TOOL_CALLS)
        again = PROVIDER.decode_reply(CLIENT.encode_reply(reply, request_id="r", created=1), NO_QUIRKS)
        assert again == reply, path.name
        encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=1)
        sent = encoder.encode(events_of(reply)) + encoder.finish()
        events = corpus.decoder().feed(sent)
        assert corpus.finish_of(events).stop is reply.stop, path.name
        assert corpus.last_usage(events).usage == reply.usage, path.name
        assert [part for part in corpus.parts_of(events) if isinstance(part, ToolCall)] == calls, path.name


def test_a_second_message_in_the_middle_of_a_stream_is_an_error(shared: Path) -> None:
    """Two answers glued together: the pieces of a call must never be joined across them."""
    stream = corpus.framed(corpus.folder(shared) / "captured" / "spliced-message-start.chunks.jsonl")
    decoder = corpus.decoder()
    events = decoder.feed(stream)
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert isinstance(failed.error, MalformedAnswer)
    assert events[-1] is failed
    assert not decoder.ended
    arguments = [part.arguments for part in corpus.parts_of(events[:-1]) if isinstance(part, ToolCall)]
    assert arguments == ['{"value":"Spark']


def test_an_error_event_in_the_corpus_is_heard(shared: Path) -> None:
    stream = (corpus.folder(shared) / "errors_reported" / "midstream_overloaded.response.sse").read_bytes()
    (failed,) = corpus.decoder().feed(stream)
    assert isinstance(failed, Failed)
    assert type(failed.error) is Broken
    assert failed.error.provider_code == "overloaded_error"
    relay = corpus.listener()
    assert relay.feed(stream) == b""
    assert type(relay.error) is Broken


def test_every_recorded_error_body_is_classed(shared: Path) -> None:
    expected = {
        "messages_error400_01": ContextOverflow,
        "messages_error400_02": Rejected,
        "messages_error401_01": KeyRefused,
        "messages_error401_02": KeyRefused,
        "messages_error401_03": KeyRefused,
        "messages_error404_01": ModelUnknown,
        "errors_reported/429_openai_compat_envelope": RateLimited,
        "errors_reported/429_rate_limit_input_tokens": RateLimited,
        "errors_reported/529_overloaded": Broken,
    }
    for stem, kind in expected.items():
        meta = json.loads((corpus.folder(shared) / f"{stem}.meta.json").read_bytes())
        body = (corpus.folder(shared) / f"{stem}.response.json").read_bytes()
        error = PROVIDER.classify(meta["status"], meta["response_headers"], body)
        assert type(error) is kind, stem
        assert error.message == json.loads(body)["error"]["message"], stem
        assert error.status == meta["status"]
        assert error.body == body


def test_no_recorded_error_of_the_dialect_is_left_out(shared: Path) -> None:
    found = {path.name for path in corpus.folder(shared).glob("messages_error*.response.json")}
    assert len(found) == 6


def test_the_table_of_models_agrees_with_what_the_vendor_lists(shared: Path) -> None:
    listed = json.loads((corpus.folder(shared) / "models_01.response.json").read_bytes())["data"]
    assert len(listed) >= 11
    for model in listed:
        traits, can = traits_of(model["id"]), model["capabilities"]
        kinds = can["thinking"]["types"]
        assert traits.schemas is can["structured_outputs"]["supported"], model["id"]
        assert traits.budget is kinds["enabled"]["supported"], model["id"]
        assert traits.adaptive is kinds["adaptive"]["supported"], model["id"]
        levels = [name for name, level in can["effort"].items() if name != "supported" and level["supported"]]
        assert list(traits.efforts) == levels, model["id"]

"""`decode(encode(x)) == x` for what this dialect can say, and no request or stream that makes a codec stumble."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hybridge.chat import (
    Audio,
    Chat,
    Event,
    File,
    Finish,
    Format,
    Image,
    Part,
    Reasoning,
    ReasoningDelta,
    Refusal,
    RefusalDelta,
    Reply,
    Start,
    StopReason,
    Text,
    TextDelta,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolDelta,
    ToolResult,
    ToolStart,
    Turn,
    UsageEvent,
)
from hybridge.dialects import dialect
from hybridge.dialects.codec import Target
from hybridge.errors import InvalidRequest, ProviderError
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS, Quirks

OPENAI = dialect("openai")
GATEWAY = Quirks(own_fields=("cache_control", "reasoning", "reasoning_details", "extra_content", "top_k"))

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
names = st.from_regex(r"[a-zA-Z0-9_-]{1,20}", fullmatch=True)
base64s = st.binary(min_size=1, max_size=60).map(lambda plain: base64.b64encode(plain).decode())
objects = st.dictionaries(names, st.integers() | words, max_size=3).map(
    lambda found: msgspec.json.encode(found).decode()
)
origins = st.sampled_from(["anthropic", "gemini", "openai", "xai"])
counts = st.integers(0, 10_000)


def tuples(items: st.SearchStrategy[Any], max_size: int) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=max_size).map(tuple)


texts = st.builds(Text, words)
images = st.builds(
    Image, url=words.map(lambda path: f"https://x/{path}"), detail=st.sampled_from(["", "low"])
) | st.builds(Image, data=base64s, media_type=st.just("image/png"))
media: st.SearchStrategy[Part] = images | st.builds(Audio, base64s, st.sampled_from(["wav", "mp3"]))
media |= st.builds(File, base64s, st.just("application/pdf"), filename=names)
signed = st.builds(Reasoning, words, words, st.just(""), origins)
hidden = st.builds(Reasoning, st.just(""), st.just(""), words, origins)
calls = st.builds(ToolCall, names, names, objects) | st.builds(
    ToolCall, names, names, objects, words, st.just("gemini")
)


@st.composite
def user_turns(draw: st.DrawFn, results: tuple[ToolResult, ...] = ()) -> Turn:
    parts: list[Part] = [*results]
    parts += draw(st.lists(texts, min_size=0 if results else 1, max_size=1))
    more: bool = draw(st.booleans())
    if more and len(parts) > len(results):
        parts += [*draw(st.lists(media | texts, max_size=2)), draw(media)]
    return Turn("user", tuple(parts))


@st.composite
def turns(draw: st.DrawFn) -> tuple[Turn, ...]:
    found = [draw(user_turns())]
    for _ in range(draw(st.integers(0, 2))):
        made = draw(st.lists(calls, max_size=2, unique_by=lambda call: call.id))
        thoughts = draw(st.lists(signed | hidden, max_size=2))
        said: list[Part] = draw(st.lists(texts, min_size=0 if made else 1, max_size=1))
        found.append(Turn("assistant", (*thoughts, *said, *made)))
        results = tuple(ToolResult(call.id, draw(tuples(texts, max_size=1)), call.name) for call in made)
        found.append(draw(user_turns(results)))
    return tuple(found)


schemas = st.none() | objects.filter(lambda text: text != "{}").map(lambda text: Raw(text.encode()))
tools = st.builds(Tool, names, st.just("") | words, schemas, st.none() | st.booleans())
formats = st.just(Format("json_object")) | st.builds(
    Format, st.just("json_schema"), names, st.just("") | words, schemas, st.none() | st.booleans()
)
thinking = st.builds(Thinking, effort=st.sampled_from(["none", "low", "max"])) | st.builds(
    Thinking, budget_tokens=st.integers(1, 9999)
)
choices = st.builds(ToolChoice, st.sampled_from(["auto", "none", "any"])) | st.builds(
    ToolChoice, st.just("tool"), names
)


@st.composite
def chats(draw: st.DrawFn) -> Chat:
    offered = draw(tuples(tools, max_size=2))
    stream = draw(st.booleans())
    return Chat(
        turns=draw(turns()),
        system=draw(tuples(texts, max_size=1)),
        tools=offered,
        tool_choice=draw(st.none() | choices) if offered else None,
        parallel_tools=draw(st.none() | st.booleans()) if offered else None,
        format=draw(st.none() | formats),
        thinking=draw(st.none() | thinking),
        max_tokens=draw(st.none() | st.integers(1, 9999)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | counts),
        stop=draw(tuples(words, max_size=4)),
        seed=draw(st.none() | counts),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        user=draw(st.none() | words),
        service_tier=draw(st.none() | st.just("flex")),
        stream=stream,
        include_usage=stream,
    )


@given(chats())
def test_requests(chat: Chat) -> None:
    target = Target(model="m", name="m", stream=chat.stream, quirks=GATEWAY)
    outgoing = OPENAI.provider.encode_request(chat, target)
    assert outgoing.dropped == ()
    facts = OPENAI.client.read_facts(outgoing.body)
    assert OPENAI.client.decode_request(facts.fields) == chat
    assert (facts.model, facts.stream, facts.max_tokens) == ("m", chat.stream, chat.max_tokens)


@given(st.lists(st.sampled_from(["5m", "1h"]), min_size=1, max_size=3))
def test_cache_marks(marks: list[Any]) -> None:
    parts = tuple(Text(f"t{at}", mark) for at, mark in enumerate(marks))
    chat = Chat(turns=(Turn("user", parts),), system=parts)
    outgoing = OPENAI.provider.encode_request(chat, Target(model="m", name="m", stream=False, quirks=GATEWAY))
    assert OPENAI.client.decode_request(OPENAI.client.read_facts(outgoing.body).fields) == chat


usages = st.builds(
    Usage,
    input=counts,
    cache_read=counts,
    cache_write=counts,
    output=st.integers(1, 9999),
    reasoning=counts,
    audio_input=counts,
    audio_output=counts,
    image=counts,
)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    said: list[Part] = draw(st.lists(texts, max_size=1))
    refused: list[Part] = draw(st.lists(st.builds(Refusal, words), max_size=1))
    made = draw(st.lists(calls, max_size=2))
    shown = draw(st.lists(images.filter(lambda image: not image.detail), max_size=1))
    thoughts = draw(st.lists(signed | hidden, max_size=2))
    ends = [StopReason.LENGTH, StopReason.CONTENT_FILTER]
    ends.append(StopReason.TOOL_CALLS if made else StopReason.REFUSAL if refused else StopReason.STOP)
    parts = (*thoughts, *said, *refused, *shown, *made)
    return Reply(draw(names), draw(names), parts, draw(st.sampled_from(ends)), draw(usages))


@given(replies())
def test_replies(reply: Reply) -> None:
    body = OPENAI.client.encode_reply(reply, request_id="r", created=1)
    assert OPENAI.provider.decode_reply(body, NO_QUIRKS) == reply
    assert OPENAI.provider.peek_reply(body, NO_QUIRKS).usage == reply.usage


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    reasoning = st.builds(ReasoningDelta, words, block=st.integers(0, 1)) | st.builds(
        ReasoningDelta, data=words, origin=origins, block=st.integers(0, 1)
    )
    said = draw(st.lists(reasoning | st.builds(TextDelta, words) | st.builds(RefusalDelta, words), max_size=6))
    events: list[Event] = [Start(draw(names), draw(names)), *said]
    number = draw(st.integers(0, 2))
    for index in range(number):
        events.append(ToolStart(index, f"call_{index}", draw(names)))
        events += [ToolDelta(index, piece) for piece in draw(st.lists(words, max_size=3))]
    refused = any(isinstance(event, RefusalDelta) for event in said)
    stop = StopReason.TOOL_CALLS if number else StopReason.REFUSAL if refused else StopReason.STOP
    events.append(Finish(draw(st.sampled_from([stop, StopReason.LENGTH]))))
    return [*events, UsageEvent(draw(usages))]


@given(streams(), st.lists(st.integers(0, 4000), max_size=6))
def test_streams_cut_anywhere(events: list[Event], cuts: list[int]) -> None:
    encoder = OPENAI.client.stream_encoder(model="m", include_usage=True, request_id="r", created=1)
    stream = encoder.encode(events) + encoder.finish()
    decoder = OPENAI.provider.stream_decoder(NO_QUIRKS)
    relay = OPENAI.provider.listener(withhold_usage=False, quirks=NO_QUIRKS)
    found: list[Event] = []
    passed = b""
    start = 0
    for cut in [*sorted(cuts), len(stream)]:
        found += decoder.feed(stream[start:cut])
        passed += relay.feed(stream[start:cut])
        start = max(start, min(cut, len(stream)))
    assert found == events
    assert decoder.ended
    assert passed + relay.end() == stream
    last = events[-1]
    assert isinstance(last, UsageEvent)
    assert relay.usage == last.usage


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(
    """
    messages tools tool_choice response_format reasoning thinking stop stream stream_options max_tokens functions
    parallel_tool_calls modalities reasoning_effort n logprobs temperature user verbosity audio
    """.split()
)


@given(st.dictionaries(members, json_values, max_size=5))
def test_any_request_is_read_or_refused_politely(fields: dict[str, Any]) -> None:
    body = msgspec.json.encode({"model": "m", "messages": [{"role": "user", "content": "x"}], **fields})
    try:
        facts = OPENAI.client.read_facts(body)
        OPENAI.provider.adapt(facts, Target(model="m", name="m", stream=False, max_tokens=5))
        OPENAI.client.decode_request(facts.fields)
    except InvalidRequest as error:
        assert error.message


@given(
    st.lists(
        st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "name", "refusal"]), json_values), max_size=4
    )
)
def test_any_messages_are_read_or_refused_politely(found: list[dict[str, Any]]) -> None:
    try:
        facts = OPENAI.client.read_facts(msgspec.json.encode({"model": "m", "messages": found}))
        OPENAI.client.decode_request(facts.fields)
    except InvalidRequest as error:
        assert error.message


@given(st.dictionaries(st.sampled_from(["id", "choices", "usage", "error", "object"]), json_values) | json_values)
def test_any_answer_is_read_or_blamed(body: Any) -> None:
    wire = msgspec.json.encode(body)
    for read in (OPENAI.provider.peek_reply, OPENAI.provider.decode_reply):
        try:
            read(wire, Quirks(usage_path="x.usage", cost_path="cost"))
        except ProviderError as error:
            assert error.message
    decoder = OPENAI.provider.stream_decoder(NO_QUIRKS)
    decoder.feed(b"data: " + wire + b"\n\ndata: [DONE]\n\n")
    assert OPENAI.provider.classify(400, {}, wire).message


@given(st.binary(max_size=200))
def test_noise_never_raises(noise: bytes) -> None:
    OPENAI.provider.stream_decoder(NO_QUIRKS).feed(noise + b"\n\n")
    relay = OPENAI.provider.listener(withhold_usage=True, quirks=NO_QUIRKS)
    relay.feed(noise)
    relay.end()
    assert OPENAI.provider.classify(500, {}, noise).message

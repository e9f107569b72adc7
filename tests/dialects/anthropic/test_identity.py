"""What the dialect can say comes back as it was, for any chat, answer and stream."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from hybridge.chat import (
    Chat,
    File,
    Format,
    Image,
    Part,
    Reasoning,
    Refusal,
    Reply,
    StopReason,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from hybridge.dialects.codec import Target, events_of
from hybridge.money import Usage
from hybridge.types import NO_QUIRKS
from tests.dialects.anthropic import corpus
from tests.dialects.anthropic.corpus import CLIENT, NEW, OLD, PROVIDER

#: Words that neither begin nor end in space, so that a prefill keeps them.
WORDS = st.text(min_size=1).map(lambda text: f"«{text}»")
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,40}", fullmatch=True).filter(lambda name: not name.startswith("hybridge"))
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3).map(json.dumps)
TEXTS = st.builds(Text, WORDS)
IMAGES = st.builds(Image, data=st.just("AAAA"), media_type=st.just("image/png")) | st.builds(
    Image, url=st.just("https://x/y.png")
)
FILES = st.builds(File, data=st.just("AAAA"), media_type=st.just("application/pdf"), filename=NAMES) | st.builds(
    File, data=st.just("w6k="), media_type=st.just("text/plain")
)
OWN_THOUGHTS = st.builds(Reasoning, st.text(max_size=9), NAMES, origin=st.just("anthropic")) | st.builds(
    Reasoning, data=NAMES, origin=st.just("anthropic")
)
CALLS = st.builds(ToolCall, NAMES, NAMES, OBJECTS)
RESULTS = st.builds(ToolResult, NAMES, st.lists(TEXTS | IMAGES, max_size=2).map(tuple), is_error=st.booleans())


@st.composite
def turns(draw: st.DrawFn) -> tuple[Turn, ...]:
    """A conversation that the user begins and ends, role about role."""
    made: list[Turn] = []
    for _ in range(draw(st.integers(0, 2))):
        made.append(Turn("user", _user(draw)))
        made.append(Turn("assistant", tuple(draw(st.lists(OWN_THOUGHTS | TEXTS | CALLS, min_size=1, max_size=4)))))
    return (*made, Turn("user", _user(draw)))


def _user(draw: st.DrawFn) -> tuple[Part, ...]:
    results = draw(st.lists(RESULTS, max_size=2))
    return (*results, *draw(st.lists(TEXTS | IMAGES | FILES, min_size=1, max_size=3)))


SCHEMAS = OBJECTS.map(lambda text: Raw(json.dumps({"type": "object", "default": json.loads(text)}).encode()))
TOOLS = st.lists(st.builds(Tool, NAMES, st.text(max_size=9), SCHEMAS), min_size=1, max_size=3).map(tuple)
MODES = st.sampled_from(["auto", "any", "none"])
CHOICES = st.none() | st.builds(ToolChoice, MODES) | st.builds(ToolChoice, st.just("tool"), NAMES)
FORM = Format(
    "json_schema",
    schema=Raw(b'{"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false}'),
)


def again(chat: Chat, target: Target) -> Chat:
    outgoing = PROVIDER.encode_request(chat, target)
    assert outgoing.dropped == ()
    facts = CLIENT.read_facts(outgoing.body)
    assert facts.model == target.model
    return CLIENT.decode_request(facts.fields)


@given(
    st.builds(
        Chat,
        turns(),
        system=st.lists(TEXTS, max_size=2).map(tuple),
        tools=TOOLS,
        tool_choice=CHOICES,
        max_tokens=st.integers(0, 9000),
        temperature=st.none() | st.floats(0, 1),
        top_p=st.none() | st.floats(0, 1),
        top_k=st.none() | st.integers(0, 99),
        stop=st.lists(WORDS, max_size=6).map(tuple),
        user=st.none() | NAMES,
        service_tier=st.sampled_from([None, "auto", "standard_only"]),
    ),
    st.booleans(),
)
def test_a_chat_comes_back(chat: Chat, stream: bool) -> None:
    chat = replace(chat, stream=stream, include_usage=stream)
    assert again(chat, replace(OLD, stream=stream)) == chat


@given(
    st.lists(st.builds(Text, WORDS, st.sampled_from(["", "5m", "1h"])), min_size=1, max_size=4).map(tuple),
    st.sampled_from([Thinking("low"), Thinking("xhigh"), Thinking("max", visible=True), Thinking(budget_tokens=-1)]),
    st.booleans(),
)
def test_what_only_the_newest_models_take_comes_back(
    texts: tuple[Text, ...], thinking: Thinking, parallel: bool
) -> None:
    tool = Tool("f", "", FORM.schema, strict=True)
    chat = Chat(
        (Turn("user", texts), Turn("system", (Text("late"),))),
        tools=(tool,),
        tool_choice=ToolChoice("auto"),
        parallel_tools=parallel,
        format=FORM,
        thinking=thinking,
        max_tokens=5000,
    )
    assert again(chat, NEW) == chat


@given(st.sampled_from([Thinking("none"), Thinking(budget_tokens=1024), Thinking(budget_tokens=2000, visible=False)]))
def test_thinking_of_older_models_comes_back(thinking: Thinking) -> None:
    chat = Chat((Turn("user", (Text("a"),)),), thinking=thinking, max_tokens=5000)
    assert again(chat, OLD) == chat


COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, st.integers(1, 10**9), COUNTS)
ORIGINS = st.sampled_from(["anthropic", "openai", "gemini", ""])
THOUGHTS = st.builds(Reasoning, WORDS, st.text(max_size=9), origin=ORIGINS) | st.builds(
    Reasoning, data=NAMES, origin=ORIGINS
)
SIGNED_CALLS = CALLS | st.builds(ToolCall, NAMES, NAMES, OBJECTS, NAMES, st.sampled_from(["openai", "gemini"]))
PARTS = st.lists(THOUGHTS | TEXTS | SIGNED_CALLS, max_size=5).map(tuple)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    parts: tuple[Part, ...] = draw(PARTS)
    called = any(isinstance(part, ToolCall) for part in parts)
    stops = [stop for stop in StopReason if stop is not StopReason.CONTENT_FILTER]
    stop = StopReason.TOOL_CALLS if called else draw(st.sampled_from(stops))
    if stop is StopReason.REFUSAL and draw(st.booleans()):
        parts = (*parts, Refusal("«no»"))
    sequence = draw(NAMES) if stop is StopReason.STOP_SEQUENCE else ""
    return Reply(f"msg_{draw(NAMES)}", draw(NAMES), parts, stop, draw(USAGES), sequence)


@given(replies())
def test_an_answer_comes_back(reply: Reply) -> None:
    encoded = CLIENT.encode_reply(reply, request_id="r", created=1)
    texts = {part.text for part in reply.parts if isinstance(part, Text)}
    if "«no»" not in texts:
        assert PROVIDER.decode_reply(encoded, NO_QUIRKS) == reply
    assert PROVIDER.peek_reply(encoded, NO_QUIRKS).usage == reply.usage


def joined(parts: tuple[Part, ...] | list[Part]) -> list[Part]:
    """Words that follow each other are one block in a stream, and so is a refusal."""
    made: list[Part] = []
    for part in parts:
        words = Text(part.text) if isinstance(part, Refusal) else part
        if isinstance(words, Text) and made and isinstance(made[-1], Text):
            made[-1] = Text(made[-1].text + words.text)
        else:
            made.append(words)
    return made


@given(replies(), st.lists(st.integers(1, 90), max_size=40))
def test_a_stream_comes_back_however_it_is_cut(reply: Reply, cuts: list[int]) -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=1)
    stream = b"".join(encoder.encode([event]) for event in events_of(reply)) + encoder.finish()
    decoder, relay, start = corpus.decoder(), corpus.listener(), 0
    events, passed = [], b""
    for cut in (*cuts, len(stream)):
        events += decoder.feed(stream[start : start + cut])
        passed += relay.feed(stream[start : start + cut])
        start += cut
    assert decoder.ended
    assert joined([part for part in corpus.parts_of(events) if part != Refusal("«no»")]) == joined(reply.parts)
    assert corpus.finish_of(events).stop is reply.stop
    assert corpus.finish_of(events).stop_sequence == reply.stop_sequence
    assert corpus.last_usage(events).usage == reply.usage
    assert passed + relay.end() == stream
    assert (relay.error, relay.stop, relay.usage) == (None, reply.stop, reply.usage)

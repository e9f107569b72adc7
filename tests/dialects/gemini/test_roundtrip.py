"""What the dialect can say comes back as it was: `decode(encode(x)) == x`."""

from __future__ import annotations

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
from hybridge.dialects.codec import Target
from hybridge.dialects.gemini.models import NO_SIGNATURE
from hybridge.money import Usage
from tests.dialects.gemini.corpus import CLIENT, PROVIDER, QUIRKS

MODEL = "gemini-3-flash-preview"
words = st.text(st.characters(codec="utf-8", exclude_characters="{}"), min_size=1, max_size=12)
names = st.sampled_from(["f", "get_weather", "_x.y:z-1"])
base64s = st.sampled_from(["QUJD", "iVBORw0K", "/9j/4AAQ", "AA=="])
signatures = st.sampled_from(["c2ln", "bmF0dXI="])
json_objects = st.sampled_from(['{"a":1}', '{"b":[1.0,null],"c":"é"}', '{ "x" : {"y":"z"} }'])

media = st.one_of(
    st.builds(Image, data=base64s, media_type=st.sampled_from(["image/png", "image/jpeg"])),
    st.builds(Image, url=st.just("https://example.com/a.png"), media_type=st.just("image/png")),
    st.builds(Audio, data=base64s, format=st.sampled_from(["mp3", "wav", "ogg"])),
    st.builds(File, data=base64s, media_type=st.just("application/pdf")),
)
pictures = st.lists(st.just(Image(data="QUJD", media_type="image/png")), max_size=1)
asked: st.SearchStrategy[Part] = st.builds(Text, words) | media
thought = st.one_of(
    st.builds(Reasoning, words, origin=st.just("gemini")),
    st.builds(Reasoning, words, signatures, origin=st.just("gemini")),
)


@st.composite
def spoken(draw: st.DrawFn, number: int) -> tuple[list[Part], list[ToolCall]]:
    """What the model says in one turn, and the calls in it. Pieces of one text would be joined, so there is one."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(draw(thought))
    if draw(st.booleans()):
        parts.append(Text(draw(words)))
        if draw(st.booleans()):
            parts.append(Reasoning(signature=draw(signatures), origin="gemini"))
    calls = [
        ToolCall(f"id-{number}-{at}", draw(names), draw(json_objects), signature, "gemini" if signature else "")
        for at, signature in enumerate(draw(st.lists(st.just("") | signatures, max_size=3)))
    ]
    if not parts and not calls:
        parts.append(Text("x"))
    return [*parts, *calls], calls


@st.composite
def conversations(draw: st.DrawFn) -> tuple[Turn, ...]:
    turns = [Turn("user", tuple(draw(st.lists(asked, min_size=1, max_size=3))))]
    for number in range(draw(st.integers(0, 3))):
        parts, calls = draw(spoken(number))
        turns.append(Turn("assistant", tuple(parts)))
        results: list[Part] = [
            ToolResult(call.id, (Text(draw(words | json_objects)), *draw(pictures)), call.name, draw(st.booleans()))
            for call in calls
        ]
        turns.append(Turn("user", (*results, *draw(st.lists(asked, min_size=0 if results else 1, max_size=2)))))
    return tuple(turns)


tools = st.builds(
    Tool,
    names,
    st.just("") | words,
    st.just(Raw(b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}')) | st.none(),
)
chats = st.builds(
    Chat,
    conversations(),
    system=st.lists(st.builds(Text, words), max_size=2).map(tuple),
    tools=st.lists(tools, min_size=1, max_size=3, unique_by=lambda tool: tool.name).map(tuple),
    tool_choice=st.none() | st.sampled_from([ToolChoice("auto"), ToolChoice("none"), ToolChoice("any")]),
    format=st.none()
    | st.just(Format("json_object"))
    | st.just(Format("json_schema", schema=Raw(b'{"type":"object","properties":{"a":{"type":"integer"}}}'))),
    thinking=st.none()
    | st.builds(Thinking, st.sampled_from(["minimal", "low", "medium", "high"]), visible=st.booleans())
    | st.builds(Thinking, budget_tokens=st.sampled_from([-1, 1, 500]), visible=st.booleans()),
    max_tokens=st.none() | st.integers(1, 10**6),
    temperature=st.none() | st.floats(0, 2),
    top_p=st.none() | st.floats(0, 1),
    top_k=st.none() | st.integers(1, 100),
    stop=st.lists(words, max_size=5).map(tuple),
    seed=st.none() | st.integers(-(2**31), 2**31 - 1),
    presence_penalty=st.none() | st.floats(-2, 2),
    frequency_penalty=st.none() | st.floats(-2, 2),
    service_tier=st.none() | st.sampled_from(["flex", "priority"]),
    include_usage=st.just(True),
)


@given(chats)
def test_requests(chat: Chat) -> None:
    sent = PROVIDER.encode_request(chat, Target(MODEL, MODEL, stream=False))
    # A call that nobody signed gets Google's word for that.
    unsigned = NO_SIGNATURE.encode() in sent.body
    assert sent.dropped == (("reasoning",) if unsigned else ())
    assert CLIENT.decode_request(CLIENT.read_facts(sent.body, MODEL).fields) == chat


usages = st.builds(
    Usage,
    input=st.integers(0, 10**6),
    cache_read=st.integers(0, 10**6),
    output=st.integers(0, 10**6),
    reasoning=st.integers(0, 10**6),
    audio_input=st.integers(0, 99),
    audio_output=st.integers(0, 99),
    image=st.integers(0, 99),
)
origins = st.sampled_from(["gemini", "anthropic", "openai"])
stops = st.sampled_from([StopReason.STOP, StopReason.LENGTH, StopReason.CONTENT_FILTER])


@given(st.integers(0, 9).flatmap(spoken), usages, stops, words)
def test_replies(said: tuple[list[Part], list[ToolCall]], usage: Usage, stop: StopReason, model: str) -> None:
    parts, calls = said
    stop = StopReason.TOOL_CALLS if calls and stop is StopReason.STOP else stop
    reply = Reply("r1", model, tuple(parts), stop, usage)
    assert PROVIDER.decode_reply(CLIENT.encode_reply(reply, request_id="q", created=0), QUIRKS) == reply


@st.composite
def event_lists(draw: st.DrawFn) -> list[Event]:
    events: list[Event] = [Start("r1", "m")]
    events += [ReasoningDelta(text) for text in draw(st.lists(words, max_size=2))]
    after = len(events) > 1
    events += [TextDelta(text) for text in draw(st.lists(words, min_size=1, max_size=3))]
    if draw(st.booleans()):
        events.append(ReasoningDelta(signature=draw(signatures), origin="gemini", block=int(after)))
    calls = draw(st.lists(json_objects, max_size=3))
    for at, arguments in enumerate(calls):
        events += [ToolStart(at, f"c{at}", draw(names)), ToolDelta(at, arguments)]
    events.append(UsageEvent(draw(usages)))
    events.append(Finish(StopReason.TOOL_CALLS if calls else StopReason.STOP))
    return events


@given(event_lists(), st.data())
def test_streams_cut_anywhere(events: list[Event], data: st.DataObject) -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="q", created=0)
    stream = b"".join(encoder.encode([event]) for event in events) + encoder.finish()
    places = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=6)))
    decoder = PROVIDER.stream_decoder(QUIRKS)
    found: list[Event] = []
    for start, end in zip([0, *places], [*places, len(stream)], strict=True):
        found += decoder.feed(stream[start:end])
    assert found == events
    assert decoder.ended


@given(st.builds(Reasoning, words, signatures, st.just("") | words, st.sampled_from(["anthropic", "openai", ""])))
def test_a_client_keeps_what_other_providers_signed(thought: Reasoning) -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="q", created=0)
    pieces = [ReasoningDelta(thought.text), ReasoningDelta("", thought.signature, thought.data, thought.origin)]
    contents = [b'{"parts":[{"text":"go"}]}']
    for piece in pieces:
        chunk = encoder.encode([piece]).removeprefix(b"data: ")
        contents.append(chunk[chunk.index(b'{"parts"') : chunk.index(b',"index"')])
    body = b'{"contents":[' + b",".join(contents) + b"]}"
    chat = CLIENT.decode_request(CLIENT.read_facts(body, "m").fields)
    assert chat.turns[1].parts == (thought,)

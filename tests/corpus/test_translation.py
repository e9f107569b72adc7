"""Each recorded answer also reaches clients of the two other dialects: text, tool calls, stop reason and usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from hybridge.chat import (
    Event,
    Finish,
    Refusal,
    RefusalDelta,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.dialects import NAMES, dialect
from hybridge.money import Usage
from hybridge.providers.row import load_rows
from hybridge.types import NO_QUIRKS, Quirks
from tests.corpus.recordings import CHATS, Recording, recordings
from tests.corpus.test_replay import config
from tests.gateway.harness import Upstream, answering, gateway

_TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


class Gist(Struct):
    """What must not be lost on the way."""

    text: str = ""
    calls: list[tuple[str, Any]] = []
    stop: StopReason | None = None
    tokens: tuple[int, int] = (0, 0)
    failed: bool = False


def arguments(text: str) -> Any:
    return json.loads(text) if text else {}


def gist_of_events(events: list[Event]) -> Gist:
    gist = Gist()
    pieces: dict[int, list[str]] = {}
    names: dict[int, str] = {}
    for event in events:
        match event:
            case TextDelta(text=text) | RefusalDelta(text=text):
                gist.text += text
            case ToolStart(index=index, name=name):
                names[index], pieces[index] = name, []
            case ToolDelta(index=index, arguments=piece):
                pieces[index].append(piece)
            case Finish(stop=stop):
                gist.stop = stop
            case UsageEvent(usage=usage):
                gist.tokens = tokens(usage)
            case _:
                gist.failed = gist.failed or type(event).__name__ == "Failed"
    gist.calls = [(names[index], arguments("".join(pieces[index]))) for index in sorted(names)]
    return gist


def tokens(usage: Usage) -> tuple[int, int]:
    return usage.prompt_tokens, usage.completion_tokens


def gist(body: bytes, name: str, *, stream: bool, quirks: Quirks = NO_QUIRKS) -> Gist:
    """What an answer in some dialect says."""
    provider = dialect(name).provider
    if stream:
        decoder = provider.stream_decoder(quirks)
        return gist_of_events(decoder.feed(body))
    reply = provider.decode_reply(body, quirks)
    said = [part.text for part in reply.parts if isinstance(part, (Text, Refusal))]
    calls = [(part.name, arguments(part.arguments)) for part in reply.parts if isinstance(part, ToolCall)]
    return Gist("".join(said), calls, reply.stop, tokens(reply.usage))


def question(name: str, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """A question that lets the model call a tool, as a client of that dialect asks it."""
    if name == "gemini":
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": "hello"}]}]
        return f"/v1beta/models/{model}:{verb}", {"contents": contents}
    asked = {"model": model, "messages": [{"role": "user", "content": "hello"}], "stream": stream}
    if name == "anthropic":
        return "/v1/messages", {**asked, "max_tokens": 1000}
    options = {"stream_options": {"include_usage": True}} if stream else {}
    return "/v1/chat/completions", {**asked, **options}


#: What a dialect has no word for, and says instead.
INSTEAD = {
    ("openai", StopReason.STOP_SEQUENCE): StopReason.STOP,
    ("openai", StopReason.PAUSE): StopReason.STOP,
    ("openai", StopReason.REFUSAL): StopReason.CONTENT_FILTER,
    ("gemini", StopReason.STOP_SEQUENCE): StopReason.STOP,
    ("gemini", StopReason.PAUSE): StopReason.STOP,
    ("gemini", StopReason.REFUSAL): StopReason.CONTENT_FILTER,
    ("anthropic", StopReason.CONTENT_FILTER): StopReason.REFUSAL,
}


def lost(want: Gist, got: Gist, client: str) -> str:
    """What was lost between the provider and the client; empty if nothing was."""
    if got.text != want.text:
        return f"text {got.text[:80]!r}, not {want.text[:80]!r}"
    if got.calls != want.calls:
        return f"calls {got.calls}, not {want.calls}"
    stop = INSTEAD.get((client, want.stop), want.stop) if want.stop else None
    if got.stop != stop:
        return f"stop {got.stop}, not {stop}"
    return f"tokens {got.tokens}, not {want.tokens}" if got.tokens != want.tokens else ""


def expected(recording: Recording, name: str, provider: str) -> Gist | None:
    """What a recording says; `None` where it holds no answer."""
    row = load_rows()[provider]
    try:
        found = gist(recording.response, name, stream=recording.stream, quirks=row.surface.quirks)
    except Exception:  # an error inside a 200 has its own test
        return None
    return None if found.failed or not (found.text or found.calls) else found


@pytest.mark.parametrize("client", NAMES)
@pytest.mark.parametrize("folder", CHATS)
async def test_nothing_is_lost_in_translation(shared: Path, folder: str, client: str) -> None:
    provider, name, _ = CHATS[folder]
    if client == name:
        pytest.skip("the same dialect is passed through")
    found = [each for each in recordings(shared, folder) if each.status == 200]
    if not found:
        pytest.skip(f"the corpus holds no recorded chat of {folder}")
    wrong, told = {}, 0
    async with Upstream(answering(500, b"")) as upstream, gateway(config(upstream, folder)) as running:
        for recording in found:
            want = expected(recording, name, provider)
            if want is None:
                continue
            told += 1
            upstream.scripts = [recording.replay]
            path, body = question(client, "never-heard-of", stream=recording.stream)
            answer = await running.post(path, body)
            if answer.status_code != 200:
                wrong[recording.stem] = f"{answer.status_code} {answer.text[:200]}"
            elif problem := lost(want, gist(answer.content, client, stream=recording.stream), client):
                wrong[recording.stem] = problem
    assert told
    assert not wrong, f"{len(wrong)} of {told}:\n" + "\n".join(f"{stem}: {said}" for stem, said in wrong.items())

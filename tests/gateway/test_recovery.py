"""Streams that break off after their first content and go on at the next deployment, where the client wants that."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import httpx2

from hybridge import Hybridge
from hybridge.config import load
from hybridge.dialects.continuing import INSTRUCTION
from tests.gateway.asking import CHUNKS, DIALECTS, anthropic_chunks, ask, chain, error_of, events, in_each
from tests.gateway.harness import Link, Received, Script, Upstream, answering, gateway, openai_reply, streaming

TEXT = "Hà Nội has a lake, an old quarter, and more kinds of noodles than anybody has counted so far. Come and see."
SAID, REST = TEXT[:41], TEXT[41:]
SORRY = "I apologize for the interruption. "

#: What those say who are asked to go on.
WAYS = {
    "exactly": REST,
    "with overlap": TEXT[25:],
    "from the start": TEXT,
    "with an apology": SORRY + REST,
    "with an apology and overlap": SORRY + TEXT[25:],
}
TRIPLES = list(product(DIALECTS, DIALECTS, DIALECTS))


def words(text: str, size: int = 7) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def breaking(dialect: str, text: str = SAID, how: str = "reset") -> Script:
    """A stream that says this much and breaks off."""
    whole = CHUNKS[dialect](*words(text))
    ending = {"openai": 3, "anthropic": 3, "gemini": 0}[dialect]
    pieces = whole[: len(whole) - ending]
    if dialect == "gemini":
        pieces[-1] = pieces[-1].replace(b', "finishReason": "STOP"', b"")

    async def script(received: Received, link: Link) -> None:
        half = [pieces[-1][:20]] if how == "half an event" else []
        await link.stream([*pieces, *half], end=how == "end")
        if how != "end":
            link.hang_up()

    return script


def going_on(dialect: str, text: str) -> Script:
    return streaming(CHUNKS[dialect](*words(text)))


def read(dialect: str, answer: httpx2.Response) -> tuple[str, list[dict[str, Any]]]:
    """The text of a stream, and its marked events."""
    said: list[str] = []
    marks = []
    for event in events(answer.text):
        if "hybridge" in event:
            marks.append(event["hybridge"])
            if dialect == "openai":
                assert event["choices"] == []
            elif dialect == "anthropic":
                assert event["type"] == "ping"
            else:
                assert event["candidates"][0]["content"]["parts"] == [{"text": ""}]
        if dialect == "openai":
            said += [choice["delta"].get("content") or "" for choice in event["choices"]]
        elif dialect == "anthropic":
            said.append(event.get("delta", {}).get("text", ""))
        else:
            said += [part.get("text", "") for one in event["candidates"] for part in one["content"]["parts"]]
    return "".join(said), marks


def is_whole(dialect: str, answer: httpx2.Response) -> bool:
    """Whether a stream has its end, once, and one beginning."""
    text = answer.text
    if dialect == "openai":
        roles = text.replace('": "', '":"').count('"role":"assistant"')
        return text.endswith("data: [DONE]\n\n") and roles == 1
    if dialect == "anthropic":
        kinds = [event["type"] for event in events(text)]
        once = ("message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop")
        return kinds[-1] == "message_stop" and all(kinds.count(kind) == 1 for kind in once)
    return sum("finishReason" in event["candidates"][0] for event in events(text)) == 1


def wish(dialect: str, recovery: str) -> dict[str, Any]:
    return {"stream": True, "route": {"stream_recovery": recovery}}


@in_each(*TRIPLES)
async def test_a_text_goes_on_where_it_broke_off(ours: str, first: str, second: str) -> None:
    async with (
        Upstream(breaking(first)) as broken,
        Upstream(going_on(second, REST)) as spare,
        gateway(chain(broken, spare, dialects=[first, second], breaker={"failures": 99})) as running,
    ):
        for way, said in WAYS.items():
            spare.scripts = [going_on(second, said)]
            broken.scripts = [breaking(first, how="end" if way == "exactly" else "half an event")]
            answer = await ask(running, ours, **wish(ours, "continue"))
            assert answer.status_code == 200
            text, marks = read(ours, answer)
            assert text == TEXT, way
            assert marks == [{"event": "continue", "from": "a/x", "to": "b/x"}]
            assert is_whole(ours, answer), answer.text
            entry = running.entries[-1]
            assert (entry.status, [one.deployment for one in entry.attempts]) == (200, ["a/x", "b/x"])
            assert [one.cost_source for one in entry.attempts] == ["estimated", "computed"]
            assert all(one.cost_nano_usd for one in entry.attempts)
            asked = json.dumps(spare.received[-1].json, ensure_ascii=False)
            assert SAID.rstrip() in asked
            assert (INSTRUCTION in asked) == (second == "openai")


@in_each(*TRIPLES)
async def test_a_stream_begins_anew(ours: str, first: str, second: str) -> None:
    async with (
        Upstream(breaking(first)) as broken,
        Upstream(going_on(second, "Something else.")) as spare,
        gateway(chain(broken, spare, dialects=[first, second])) as running,
    ):
        answer = await ask(running, ours, **wish(ours, "restart"))
        text, marks = read(ours, answer)
        assert text == SAID + "Something else."
        assert marks == [{"event": "restart", "from": "a/x", "to": "b/x"}]
        assert SAID not in json.dumps(spare.received[-1].json, ensure_ascii=False)
        assert running.entries[-1].status == 200


@in_each(*((each,) for each in DIALECTS))
async def test_it_goes_on_more_than_once_and_unseen_failures_in_between_stay_unseen(ours: str) -> None:
    halves = [breaking("openai", SAID), breaking("openai", TEXT[41:70]), going_on("openai", TEXT[70:])]
    async with (
        Upstream(halves[0]) as a,
        Upstream(answering(500, b"")) as b,
        Upstream(halves[1]) as c,
        Upstream(halves[2]) as d,
        gateway(chain(a, b, c, d)) as running,
    ):
        answer = await ask(running, ours, **wish(ours, "continue"))
        text, marks = read(ours, answer)
        assert text == TEXT
        assert [(each["from"], each["to"]) for each in marks] == [("a/x", "c/x"), ("c/x", "d/x")]
        assert is_whole(ours, answer)
        assert len(running.entries[-1].attempts) == 4


@in_each(*((each,) for each in DIALECTS))
async def test_when_nobody_goes_on_the_end_is_a_typed_error(ours: str) -> None:
    other = "Hà Nội has a lake, which is all that anybody should ever want to know about it, or so they say. Good bye."
    for second in (answering(500, b""), answering(400, {"error": {"message": "no"}}), going_on("openai", other)):
        async with (
            Upstream(breaking("openai")) as broken,
            Upstream(second) as spare,
            gateway(chain(broken, spare)) as running,
        ):
            answer = await ask(running, ours, **wish(ours, "continue"))
            *_, last = events(answer.text)
            assert error_of(ours, last)["code"] == "stream_broken"
            assert running.entries[-1].status == 502


THOUGHT = {"choices": [{"index": 0, "delta": {"reasoning_content": "Let me see."}, "finish_reason": None}]}
CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a'}}
CALLING = {"choices": [{"index": 0, "delta": {"tool_calls": [CALL]}, "finish_reason": None}]}


@in_each(*product(DIALECTS, (THOUGHT, CALLING)))
async def test_thoughts_and_calls_of_tools_are_never_continued(ours: str, chunk: object) -> None:
    async def script(received: Received, link: Link) -> None:
        await link.stream(
            [*CHUNKS["openai"]("Well, ")[:2], b"data: " + json.dumps(chunk).encode() + b"\n\n"], end=False
        )
        link.hang_up()

    async with (
        Upstream(script) as broken,
        Upstream(going_on("openai", REST)) as spare,
        gateway(chain(broken, spare)) as running,
    ):
        answer = await ask(running, ours, **wish(ours, "continue"))
        *_, last = events(answer.text)
        assert error_of(ours, last)["code"] == "stream_broken"
        assert not spare.received


@in_each(*((each,) for each in DIALECTS))
async def test_a_text_that_said_all_but_its_end_mark_is_ended_here(ours: str) -> None:
    pieces = CHUNKS["openai"](*words(TEXT))[:-2]

    async def script(received: Received, link: Link) -> None:
        await link.stream(pieces, end=False)
        link.hang_up()

    async with (
        Upstream(script) as broken,
        Upstream(going_on("openai", REST)) as spare,
        gateway(chain(broken, spare)) as running,
    ):
        answer = await ask(running, ours, **wish(ours, "continue"))
        assert read(ours, answer) == (TEXT, [])
        assert not spare.received
        (attempt,) = running.entries[-1].attempts
        assert (attempt.cost_source, attempt.error_class) == ("estimated", "")


async def test_who_refuses_words_put_into_its_mouth_is_asked_in_another_way() -> None:
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "does not support prefill"}}
    async with (
        Upstream(breaking("openai")) as broken,
        Upstream(answering(400, refusal), streaming(anthropic_chunks(*words(REST)))) as spare,
        gateway(chain(broken, spare, dialects=["openai", "anthropic"])) as running,
    ):
        answer = await ask(running, "openai", **wish("openai", "continue"))
        assert read("openai", answer)[0] == TEXT
        first, second = (each.json["messages"] for each in spare.received)
        assert first[-1] == {"role": "assistant", "content": [{"type": "text", "text": SAID.rstrip()}]}
        assert INSTRUCTION in json.dumps(second[-1])


async def test_what_is_left_of_the_answer_is_all_that_is_asked_for() -> None:
    async with (
        Upstream(breaking("openai")) as broken,
        Upstream(going_on("openai", REST)) as spare,
        gateway(chain(broken, spare)) as running,
    ):
        await ask(running, "openai", max_tokens=100, logprobs=False, **wish("openai", "continue"))
        asked = spare.received[-1].json
        assert asked["max_tokens"] == 100 - len(SAID) // 4
        assert asked["logprobs"] is False
        assert [turn["role"] for turn in asked["messages"]] == ["user", "assistant", "user"]


async def test_whoever_answers_whole_goes_on_too() -> None:
    async with (
        Upstream(breaking("openai")) as broken,
        Upstream(answering(200, openai_reply(TEXT))) as spare,
        gateway(chain(broken, spare)) as running,
    ):
        answer = await ask(running, "openai", **wish("openai", "continue"))
        assert read("openai", answer)[0] == TEXT
        assert is_whole("openai", answer)


async def test_the_library_goes_on_too(tmp_path: Path) -> None:
    async with Upstream(breaking("openai")) as broken, Upstream(going_on("openai", REST)) as spare:
        values = {**chain(broken, spare), "storage": f"sqlite:///{tmp_path}/l.db"}
        async with Hybridge(load(values, {})) as hybridge:
            said, marks = "", []
            route = {"stream_recovery": "continue"}
            turns = [{"role": "user", "content": "hello"}]
            async for chunk in hybridge.stream(model="m", messages=turns, route=route):
                said += "".join(choice.delta.get("content") or "" for choice in chunk.choices)
                marks += [chunk.hybridge] if "hybridge" in chunk else []
            assert said == TEXT
            assert marks == [{"event": "continue", "from": "a/x", "to": "b/x"}]

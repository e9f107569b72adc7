"""Everything a provider can do wrong before its first content: another one answers, and the client sees none of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tests.gateway.asking import CHUNKS, DIALECTS, PRICE, ask, chain, events, in_each, in_each_dialect, never, refused
from tests.gateway.harness import (
    Link,
    Received,
    Script,
    Upstream,
    answering,
    anthropic_reply,
    gateway,
    gemini_reply,
    openai_reply,
    streaming,
)

REPLIES = {"openai": openai_reply, "anthropic": anthropic_reply, "gemini": gemini_reply}
PAIRS = [*((each, each) for each in DIALECTS), ("openai", "anthropic"), ("anthropic", "gemini"), ("gemini", "openai")]
PATIENT: dict[str, Any] = {"breaker": {"failures": 1000}}

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def raw(*pieces: bytes, reset: bool = True) -> Script:
    """A script that sends bytes as they are, then cuts the connection or says nothing more."""

    async def script(received: Received, link: Link) -> None:
        await link.send(*pieces)
        if reset:
            await asyncio.sleep(0.01)
            link.reset()
        else:
            await link.until_closed()

    return script


ERROR_INSIDE: dict[str, dict[str, object]] = {
    "openai": {"error": {"message": "upstream died", "code": 502}},
    "anthropic": {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    "gemini": {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}},
}
DEEP = b"[" * 20_000


def bad_answers(theirs: str) -> dict[str, tuple[Script, set[str]]]:
    """By name: what a provider does instead of a whole answer, and the classes that this may be."""
    html = b"<!doctype html><html><body>502 Bad Gateway</body></html>"
    return {
        "html": (answering(200, html, content_type="text/html"), {"malformed"}),
        "html that says it is JSON": (answering(200, html), {"malformed"}),
        "nothing": (answering(200, b""), {"empty", "malformed"}),
        "half of a JSON": (answering(200, json.dumps(REPLIES[theirs]()).encode()[:60]), {"malformed"}),
        "a list": (answering(200, b"[]"), {"malformed", "empty"}),
        "null": (answering(200, b"null"), {"malformed", "empty"}),
        "an empty object": (answering(200, b"{}"), {"malformed", "empty"}),
        "another form": (answering(200, {"choices": "x", "content": 5, "candidates": {}}), {"malformed"}),
        "holes": (answering(200, {"choices": [None], "content": [None], "candidates": [None]}), {"malformed", "empty"}),
        "too deep": (answering(200, b'{"choices":' + DEEP), {"malformed"}),
        "an error inside": (answering(200, ERROR_INSIDE[theirs]), {"broken"}),
        "reset at once": (raw(), {"connection_lost"}),
        "reset in the head": (raw(b"HTTP/1.1 200 OK\r\ncont"), {"connection_lost"}),
        "reset after the head": (raw(HEAD), {"connection_lost"}),
        "reset in the body": (raw(HEAD + b'{"id":'), {"connection_lost"}),
        "no HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), {"malformed", "connection_lost"}),
        "500": (answering(500, ERROR_INSIDE[theirs]), {"broken"}),
        "503 in HTML": (answering(503, html, content_type="text/html"), {"broken"}),
        "529": (answering(529, b""), {"broken"}),
        "a redirect": (answering(302, b"", location="http://127.0.0.1:9/"), {"broken"}),
        "no content": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), {"broken", "empty", "malformed"}),
        "model unknown": (answering(404, {"error": {"message": "no such model"}}), {"model_unknown"}),
    }


@in_each(*PAIRS)
async def test_another_answers_a_whole_request(ours: str, theirs: str) -> None:
    good = answering(200, REPLIES[theirs]("Here."))
    async with (
        Upstream(never()) as bad,
        Upstream(good) as well,
        gateway(chain(bad, well, dialects=[theirs, theirs], **PATIENT)) as running,
    ):
        for name, (script, classes) in bad_answers(theirs).items():
            bad.scripts = [script]
            answer = await ask(running, ours)
            assert answer.status_code == 200, (name, answer.text)
            assert "Here." in answer.text
            first, second = running.entries[-1].attempts
            assert first.error_class in classes, name
            assert second.error_class == ""
            assert answer.headers["x-hybridge-attempts"].endswith(";b/x=200")
            # Nothing was said, so nothing is owed.
            assert first.cost_nano_usd == 0, name
            assert second.cost_nano_usd == 15_000


def bad_streams(theirs: str) -> dict[str, tuple[Script, set[str]]]:
    """By name: what a provider does instead of a stream, before any content."""
    chunks = CHUNKS[theirs]("Hel", "lo")
    start = chunks[:1] if theirs != "gemini" else [b'data: {"usageMetadata": {"promptTokenCount": 9}}\r\n\r\n']
    error = b"data: " + json.dumps(ERROR_INSIDE[theirs]).encode() + b"\n\n"
    if theirs == "anthropic":
        error = b"event: error\n" + error
    return {
        "an event of nonsense": (streaming([b"data: {nonsense\n\n"]), {"malformed"}),
        "an event too deep": (streaming([b"data: {" + b'"a":' + DEEP + b"\n\n"]), {"malformed"}),
        "an event of another form": (
            streaming([b'data: {"choices":5,"candidates":5,"type":5,"delta":5}\n\n']),
            {"malformed", "truncated", "empty"},
        ),
        "no event": (streaming([]), {"truncated", "empty", "malformed"}),
        "comments only": (streaming([b": wait\n\n", b": wait\n\n"]), {"truncated", "empty"}),
        "a start and no more": (streaming(start), {"truncated", "empty"}),
        "an error first": (streaming([error]), {"broken"}),
        "an error after the start": (streaming([*start, error]), {"broken"}),
        "silence after the head": (raw(EVENTS, reset=False), {"timeout"}),
        "silence after the start": (
            raw(EVENTS + b"%x\r\n%s\r\n" % (len(start[0]), start[0]), reset=False),
            {"timeout"},
        ),
        "silence before the head": (raw(reset=False), {"timeout"}),
        "reset after the stream's head": (raw(EVENTS), {"connection_lost"}),
        "reset in a chunk": (raw(EVENTS + b"20\r\ndata: "), {"connection_lost"}),
    }


@in_each(*((*pair, silent) for pair in PAIRS for silent in (False, True)))
async def test_another_answers_a_stream(ours: str, theirs: str, silent: bool) -> None:
    good = streaming(CHUNKS[theirs]("He", "re."))
    every = {**bad_answers(theirs), **bad_streams(theirs)}
    async with Upstream(never()) as bad, Upstream(good) as well:
        values = chain(bad, well, dialects=[theirs, theirs], **PATIENT)
        if silent:
            # Only where silence is what is looked for: a machine may be slow.
            waits = {"first_token": "200ms", "first_token_reasoning": "200ms"}
            values["providers"]["a"]["timeouts"] = waits  # type: ignore[index]
        async with gateway(values) as running:
            for name, (script, classes) in every.items():
                if ("timeout" in classes) is not silent:
                    continue
                bad.scripts = [script]
                answer = await ask(running, ours, stream=True)
                assert answer.status_code == 200, (name, answer.text)
                assert "re." in answer.text, (name, answer.text)
                assert "Hel" not in answer.text
                first, second = running.entries[-1].attempts
                assert first.error_class in classes, (name, first)
                assert second.error_class == ""
                assert answer.headers["x-hybridge-deployment"] == "b/x"


async def test_a_unary_call_that_never_ends_fails_at_its_total_time() -> None:
    async with (
        Upstream(raw(HEAD, reset=False)) as bad,
        Upstream(answering(200, openai_reply())) as well,
        gateway(chain(bad, well, timeouts={"total": "200ms"})) as running,
    ):
        answer = await ask(running, "openai")
        assert answer.status_code == 200
        assert answer.headers["x-hybridge-attempts"] == "a/x=timeout;b/x=200"


@in_each(*PAIRS)
async def test_a_whole_answer_to_a_request_for_a_stream_becomes_one(ours: str, theirs: str) -> None:
    async with (
        Upstream(answering(200, REPLIES[theirs]("Whole."))) as upstream,
        gateway(chain(upstream, dialects=[theirs])) as running,
    ):
        answer = await ask(running, ours, stream=True)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "Whole." in "".join(json.dumps(each) for each in events(answer.text))
        attempt = running.entries[0].attempts[0]
        assert attempt.usage is not None
        assert (attempt.usage.input, attempt.usage.output) == (9, 3)


@in_each_dialect
async def test_nobody_answers(dialect: str) -> None:
    async with (
        Upstream(answering(500, b"oh")) as first,
        Upstream(answering(200, b"<html>")) as second,
        gateway(chain(first, second)) as running,
    ):
        for stream in (False, True):
            answer = await ask(running, dialect, stream=stream)
            error = refused(answer, 502, "all_deployments_failed", dialect)
            assert [one["deployment"] for one in error["attempts"]] == ["a/x", "b/x"]
            assert answer.headers["x-hybridge-attempts"] == "a/x=500;b/x=malformed"
            assert answer.headers["x-should-retry"] == "false"
            entry = running.entries[-1]
            assert (entry.status, entry.error_code, len(entry.attempts)) == (502, "all_deployments_failed", 2)
            assert entry.cost_nano_usd == 0


@in_each_dialect
async def test_all_out_of_time_is_504(dialect: str) -> None:
    async with (
        Upstream(raw(reset=False)) as first,
        Upstream(raw(EVENTS, reset=False)) as second,
        gateway(chain(first, second, timeouts={"first_token": "150ms", "total": "150ms"})) as running,
    ):
        for stream in (False, True):
            refused(await ask(running, dialect, stream=stream), 504, "timeout", dialect)


@in_each_dialect
async def test_three_failures_open_the_breaker(dialect: str) -> None:
    async with Upstream(answering(500, b"")) as upstream, gateway(chain(upstream)) as running:
        for _ in range(3):
            refused(await ask(running, dialect), 502, "all_deployments_failed", dialect)
        answer = await ask(running, dialect)
        refused(answer, 503, "no_healthy_deployment", dialect)
        assert 1 <= int(answer.headers["retry-after"]) <= 75
        assert "x-should-retry" not in answer.headers
        assert len(upstream.received) == 3
        assert [entry.error_code for entry in running.entries] == ["all_deployments_failed"] * 3 + [
            "no_healthy_deployment"
        ]


async def test_an_open_breaker_is_passed_over_and_probed_again() -> None:
    bad = answering(500, b"")
    async with Upstream(bad) as first, Upstream(answering(200, openai_reply())) as second:
        values = chain(first, second, breaker={"failures": 2, "reset_after": "300ms"})
        async with gateway(values) as running:
            trails = [(await ask(running, "openai")).headers["x-hybridge-attempts"] for _ in range(4)]
            assert trails == ["a/x=500;b/x=200"] * 2 + ["b/x=200"] * 2
            first.scripts = [answering(200, openai_reply())]
            await asyncio.sleep(0.4)
            assert (await ask(running, "openai")).headers["x-hybridge-attempts"] == "a/x=200"


async def test_a_request_at_fault_opens_no_breaker() -> None:
    async with (
        Upstream(answering(400, {"error": {"message": "bad"}})) as upstream,
        gateway(chain(upstream)) as running,
    ):
        for _ in range(5):
            assert (await ask(running, "openai")).status_code == 400
        assert len(upstream.received) == 5


async def test_retries_are_bounded_by_deployment_by_request_and_by_time() -> None:
    async with Upstream(answering(500, b"")) as first, Upstream(answering(500, b"")) as second:
        patient: dict[str, Any] = {"breaker": {"failures": 1000}}
        async with gateway(chain(first, second, retries={"attempts": 2}, **patient)) as running:
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"] == "a/x=500;b/x=500;a/x=500;b/x=500" or (
                sorted(answer.headers["x-hybridge-attempts"].split(";")) == ["a/x=500"] * 2 + ["b/x=500"] * 2
            )
        async with gateway(chain(first, second, retries={"attempts": 5, "per_request": 3}, **patient)) as running:
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"].count("=500") == 3
    async with Upstream(answering(500, b"")) as first, Upstream(never()) as second:

        async def slowly(received: Received, link: Link) -> None:
            await asyncio.sleep(0.3)
            await link.reply(500, b"")

        first.scripts = [slowly]
        async with gateway(chain(first, second, retries={"attempts": 5, "deadline": "200ms"})) as running:
            answer = await ask(running, "openai")
            refused(answer, 502, "all_deployments_failed")
            assert answer.headers["x-hybridge-attempts"] == "a/x=500"


async def test_a_model_has_retries_and_timeouts_of_its_own() -> None:
    async with Upstream(answering(500, b"")) as first, Upstream(raw(reset=False)) as silent:
        values = chain(first, silent, retries={"attempts": 1})
        values["models"] = {
            "often": {"deployments": ["a/x"], "retries": {"attempts": 2}},
            "quick": {"deployments": ["b/x"], "timeouts": {"total": "100ms"}},
        }
        async with gateway(values) as running:
            answer = await ask(running, "openai", "often")
            assert answer.headers["x-hybridge-attempts"] == "a/x=500;a/x=500"
            refused(await ask(running, "openai", "quick"), 504, "timeout")


async def test_a_provider_that_is_not_there() -> None:
    async with Upstream(never()) as gone, Upstream(answering(200, openai_reply())) as second:
        values = chain(gone, second)
        values["providers"]["a"]["base_url"] = "http://127.0.0.1:9/v1"  # type: ignore[index]
        async with gateway(values) as running:
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"] == "a/x=connect_failed;b/x=200"


async def test_a_stream_of_content_that_ends_in_a_plain_stop_costs_what_it_used() -> None:
    async with Upstream(streaming(CHUNKS["openai"]("a", "b"))) as upstream:
        values = chain(upstream)
        values["models"]["m"]["price"] = {"a/x": {**PRICE, "per_request": 0.001}}  # type: ignore[index]
        values["providers"]["a"]["fee"] = "10%"  # type: ignore[index]
        async with gateway(values) as running:
            await ask(running, "openai", stream=True)
            attempt = running.entries[0].attempts[0]
            # (9 x 1 + 2 x 2) micro-USD and a thousandth of a USD, and a tenth of both.
            assert (attempt.cost_nano_usd, attempt.cost_source) == ((13_000 + 1_000_000) * 11 // 10, "computed")

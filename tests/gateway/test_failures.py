"""Everything a provider can do wrong before its first content: another one answers, and the client sees none of it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.gateway.asking import CHUNKS, DIALECTS, PRICE, ask, chain, events, in_each, in_each_dialect, never, refused
from tests.gateway.harness import (
    Link,
    Received,
    Script,
    Upstream,
    Values,
    answering,
    anthropic_reply,
    gateway,
    gemini_reply,
    openai_reply,
    provider,
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
async def test_all_limited_is_429_with_the_shortest_wait(dialect: str) -> None:
    body = {"error": {"message": "slow down org-secret", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}
    async with (
        Upstream(answering(429, body, retry_after="30")) as first,
        Upstream(answering(429, body, retry_after="7")) as second,
        gateway(chain(first, second)) as running,
    ):
        answer = await ask(running, dialect)
        refused(answer, 429, "rate_limit_exceeded", dialect)
        assert answer.headers["retry-after"] == "7"
        assert "org-secret" not in answer.text
        # The keys rest now: nobody is asked, and the wait is told all the same.
        answer = await ask(running, dialect)
        refused(answer, 429, "rate_limit_exceeded", dialect)
        assert 1 <= int(answer.headers["retry-after"]) <= 7
        assert (len(first.received), len(second.received)) == (1, 1)


async def test_a_limited_one_is_passed_over() -> None:
    limited = answering(429, {"error": {"message": "slow down"}}, retry_after="30")
    async with (
        Upstream(limited) as first,
        Upstream(answering(200, openai_reply())) as second,
        gateway(chain(first, second)) as running,
    ):
        answer = await ask(running, "openai")
        assert answer.headers["x-hybridge-attempts"] == "a/x=429;b/x=200"
        assert "retry-after" not in answer.headers
        answer = await ask(running, "openai")
        assert answer.headers["x-hybridge-attempts"] == "b/x=200"


REFUSED_KEYS = [
    (401, {"error": {"message": "Incorrect API key provided: sk-first", "code": "invalid_api_key"}}),
    (403, {"error": {"message": "your organisation org-secret may not", "code": None}}),
    (402, {"error": {"message": "no credits", "code": 402}}),
    (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    (400, {"error": {"message": "API key not valid", "code": 400, "status": "INVALID_ARGUMENT"}}),
]


@in_each(*REFUSED_KEYS)
async def test_a_key_that_is_refused_gives_way_to_the_next_then_to_another_deployment(
    status: int, body: Values, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = "gemini" if status == 400 else "openai"

    async def no(received: Received, link: Link) -> None:
        await link.reply(status, json.dumps(body).replace("sk-first", _sent_key(received)).encode())

    well = answering(200, REPLIES[theirs]())
    async with Upstream(no, well) as first, Upstream(answering(200, REPLIES[theirs]("Second."))) as second:
        values = chain(first, second, dialects=[theirs, theirs])
        values["providers"]["a"]["keys"] = ["sk-first", "sk-second"]  # type: ignore[index]
        async with gateway(values) as running:
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"] == f"a/x={status};a/x=200"
            assert {_sent_key(each) for each in first.received} == {"sk-first", "sk-second"}
            # The refused key stays aside; when the other goes the same way, the next deployment answers.
            first.scripts = [no]
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"] == f"a/x={status};b/x=200"
            answer = await ask(running, "openai")
            assert answer.headers["x-hybridge-attempts"] == "b/x=200"
            # Whose bill it is, is nobody's business: what the provider says about our key stays with the operator.
            for entry in running.entries:
                told = (await running.client.get(f"/v1/requests/{entry.id}")).text
                assert "sk-first" not in told
                assert "sk-second" not in told
                assert "org-secret" not in told
    assert "sk-first" not in caplog.text
    assert "sk-second" not in caplog.text


def _sent_key(received: Received) -> str:
    return received.headers.get("x-goog-api-key") or received.headers["authorization"].removeprefix("Bearer ")


@in_each(*((dialect, status) for dialect in DIALECTS for status in (401, 402, 403)))
async def test_our_keys_trouble_never_reaches_the_client_as_its_own(dialect: str, status: int) -> None:
    body = {"error": {"message": "Incorrect API key provided: test-key"}}
    async with Upstream(answering(status, body)) as upstream, gateway(chain(upstream)) as running:
        for wanted in (502, 503):
            answer = await ask(running, dialect)
            assert answer.status_code == wanted
            assert "test-key" not in answer.text
        refused(answer, 503, "no_healthy_deployment", dialect)
        assert answer.headers["retry-after"]


BLAMED = [
    (
        400,
        {"error": {"message": "messages[0]: bad", "type": "invalid_request_error", "param": "messages", "code": None}},
    ),
    (413, {"error": {"message": "too large", "type": "invalid_request_error", "param": None, "code": "too_large"}}),
    (422, {"error": {"message": "unprocessable", "type": "invalid_request_error", "param": None, "code": "x\r\ny: z"}}),
]


@in_each(*BLAMED)
async def test_a_request_that_is_at_fault_is_told_so_and_tried_nowhere_else(status: int, body: Values) -> None:
    no = answering(status, body, x_request_id="theirs-1", set_cookie="a=b", openai_organization="org-secret")
    async with (
        Upstream(no) as first,
        Upstream(never()) as second,
        gateway(chain(first, second)) as running,
    ):
        for stream in (False, True):
            answer = await ask(running, "openai", stream=stream)
            assert answer.status_code == status
            # The provider's own words, to the byte.
            assert answer.content == json.dumps(body).encode()
            assert answer.headers["x-hybridge-error"]
            assert answer.headers["x-request-id"] == "theirs-1"
            assert answer.headers["x-hybridge-attempts"] == f"a/x={status}"
            assert "set-cookie" not in answer.headers
            assert "openai-organization" not in answer.headers
            entry = running.entries[-1]
            assert (entry.status, entry.attempts[0].error_class, entry.cost_nano_usd) == (status, "rejected", 0)
        for dialect in ("anthropic", "gemini"):
            answer = await ask(running, dialect)
            assert answer.status_code == status
            told = answer.json()["error"]
            assert told["message"] == body["error"]["message"]  # type: ignore[index]
            assert answer.headers["x-request-id"] == "theirs-1"


async def test_a_refusal_that_is_no_json_is_told_in_the_clients_dialect() -> None:
    no = answering(400, b"<html><body>Bad Request</body></html>", content_type="text/html")
    async with Upstream(no) as upstream, gateway(chain(upstream)) as running:
        refused(await ask(running, "openai"), 400, "invalid_request")


async def test_a_context_overflow_goes_on_to_a_larger_context_only() -> None:
    """The catalogue says how large contexts are: gpt-4 has 8,192 tokens, gpt-4o-mini 128,000."""
    over = {"error": {"message": "maximum context length is 8192 tokens", "code": "context_length_exceeded"}}
    values: dict[str, object] = {"retries": {"attempts": 1}}
    async with (
        Upstream(answering(400, over)) as openai,
        Upstream(never()) as router,
        Upstream(answering(200, gemini_reply("Larger."))) as google,
    ):
        values["providers"] = {
            "openai": provider(openai),
            "openrouter": provider(router, kind="gateway"),
            "google": provider(google, "gemini"),
        }
        values["models"] = {
            "m": {"deployments": ["openai/gpt-4", "openrouter/openai/gpt-4", "google/gemini-2.5-flash"]},
            "only": {"deployments": ["openai/gpt-4"]},
        }
        async with gateway(values) as running:
            answer = await ask(running, "openai")
            assert answer.status_code == 200, answer.text
            assert answer.headers["x-hybridge-attempts"] == "openai/gpt-4=400;google/gemini-2.5-flash=200"
            answer = await ask(running, "openai", "only")
            assert answer.status_code == 400
            assert answer.json() == over
            assert answer.headers["x-hybridge-error"] == "context_length_exceeded"
            answer = await ask(running, "anthropic", "only")
            refused(answer, 400, "context_length_exceeded", "anthropic")


@pytest.mark.parametrize("choice", ["pass", "fallback"])
async def test_what_a_content_filter_means_is_the_operators_choice(choice: str) -> None:
    no = {"error": {"message": "filtered", "code": "content_filter"}}
    async with (
        Upstream(answering(400, no)) as first,
        Upstream(answering(200, openai_reply("Fine."))) as second,
        gateway(chain(first, second, routing={"content_filter": choice})) as running,
    ):
        answer = await ask(running, "openai")
        if choice == "pass":
            assert answer.status_code == 400
            assert answer.json() == no
            assert answer.headers["x-hybridge-error"] == "content_filter"
            assert not second.received
        else:
            assert answer.headers["x-hybridge-attempts"] == "a/x=400;b/x=200"


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


ODD_TOOL = {"type": "function", "function": {"name": "a name with spaces", "parameters": {"type": "object"}}}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_field_that_only_the_codec_finds_impossible_is_named_and_no_attempt(stream: bool) -> None:
    """The plan thought it could be carried; the encoder knows better, and nobody is called."""
    async with (
        Upstream(never()) as first,
        Upstream(never()) as second,
        gateway(chain(first, second, dialects=["anthropic", "anthropic"])) as running,
    ):
        answer = await ask(running, "openai", tools=[ODD_TOOL], stream=stream)
        error = refused(answer, 400, "unsupported_parameter")
        assert error["param"] == "tools"
        assert "attempts" not in error
        assert "x-hybridge-attempts" not in answer.headers
        assert running.entries[0].attempts == []
    async with (
        Upstream(never()) as first,
        Upstream(answering(500, b"")) as second,
        gateway(chain(first, second, dialects=["anthropic", "openai"])) as running,
    ):
        answer = await ask(running, "openai", tools=[ODD_TOOL])
        error = refused(answer, 502, "all_deployments_failed")
        assert [one["deployment"] for one in error["attempts"]] == ["b/x"]
        assert answer.headers["x-hybridge-attempts"] == "b/x=500"
        second.scripts = [answering(200, openai_reply())]
        answer = await ask(running, "openai", tools=[ODD_TOOL])
        assert answer.headers["x-hybridge-attempts"] == "b/x=200"


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

"""What a provider says no to: a rate, our key, the request itself, or its length."""

from __future__ import annotations

import json

import pytest

from tests.gateway.asking import DIALECTS, ask, chain, in_each, in_each_dialect, never, refused
from tests.gateway.harness import (
    Link,
    Received,
    Upstream,
    Values,
    answering,
    anthropic_reply,
    gateway,
    gemini_reply,
    openai_reply,
    provider,
)

REPLIES = {"openai": openai_reply, "anthropic": anthropic_reply, "gemini": gemini_reply}


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

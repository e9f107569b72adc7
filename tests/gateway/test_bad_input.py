"""Requests that cannot be understood: a clear error in the client's dialect, a log line, and nobody is called."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.asking import DIALECTS, ask, chain, in_each_dialect, never, question, refused
from tests.gateway.harness import Upstream, answering, gateway, openai_reply

NO_JSON = [b"", b" ", b"{", b"{]", b"hello", b"\xff\xfe\x00", b'{"a":"\xff"}', b"\x00" * 100]
NO_OBJECT = [b"[]", b"null", b"7", b'"text"', b"true"]
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/m:generateContent",
}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_body_that_is_no_json_object(dialect: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hybridge")
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream)) as running:
        for body in (*NO_JSON, *NO_OBJECT, b"[" * 50_000, b'{"model":"m","messages":' + b"[" * 50_000):
            answer = await running.post(PATHS[dialect], body)
            error = refused(answer, 400, "invalid_request", dialect)
            assert len(error["message"]) < 500
        assert not upstream.received
        assert not running.entries
    lines = [record.getMessage() for record in caplog.records if "invalid_request" in record.getMessage()]
    assert len(lines) == len(NO_JSON) + len(NO_OBJECT) + 2
    assert not [record for record in caplog.records if record.exc_info]


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("openai", {"model": None}, "model"),
    ("openai", {"model": 5}, "model"),
    ("openai", {"model": ""}, "model"),
    ("openai", {"model": ["m"]}, "model"),
    ("openai", {"messages": "hello"}, "messages"),
    ("openai", {"messages": 5}, "messages"),
    ("openai", {"messages": [5]}, "messages"),
    ("openai", {"messages": [[]]}, "messages"),
    ("openai", {"stream": "yes"}, "stream"),
    ("openai", {"stream_options": 5}, "stream_options"),
    ("openai", {"max_tokens": "many"}, "max_tokens"),
    ("openai", {"tools": {}}, "tools"),
    ("openai", {"models": "gpt"}, "models"),
    ("openai", {"models": [5]}, "models"),
    ("openai", {"provider": "openai"}, "provider"),
    ("openai", {"provider": {"order": "openai"}}, "provider"),
    ("openai", {"provider": {"sort": "beauty"}}, "provider"),
    ("openai", {"provider": {"max_price": {"prompt": "low"}}}, "provider"),
    ("anthropic", {"model": None}, "model"),
    ("anthropic", {"model": 5}, "model"),
    ("anthropic", {"messages": "hello"}, "messages"),
    ("anthropic", {"stream": 1.5}, "stream"),
    ("anthropic", {"max_tokens": "many"}, "max_tokens"),
    ("gemini", {"contents": 5}, "contents"),
    ("gemini", {"generationConfig": 5}, "generationConfig"),
    ("gemini", {"tools": "all"}, "tools"),
]


async def test_a_member_of_the_wrong_type_is_named() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for dialect, fields, place in WRONG:
            path, body = question(dialect)
            error = refused(await running.post(path, {**body, **fields}), 400, "invalid_request", dialect)
            assert place in error["message"], (dialect, fields)
            assert (error["param"] or "").startswith(place), (dialect, fields)


async def test_a_member_that_is_missing_is_named() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for dialect, missing in (
            ("openai", "model"),
            ("openai", "messages"),
            ("anthropic", "model"),
            ("anthropic", "messages"),
            ("gemini", "contents"),
        ):
            path, body = question(dialect)
            del body[missing]
            error = refused(await running.post(path, body), 400, "invalid_request", dialect)
            assert error["param"] == missing, dialect


@in_each_dialect
async def test_an_enormous_body_is_refused_whether_its_length_is_announced_or_not(dialect: str) -> None:
    async def pieces(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b" " * 10_000

    values: dict[str, Any] = {"server": {"max_body": "50KB"}}
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream, **values)) as running:
        error = refused(await running.post(PATHS[dialect], b" " * 50_001), 413, "request_too_large", dialect)
        assert "50001" in error["message"]
        assert "server.max_body" in error["message"]
        answer = await running.client.post(PATHS[dialect], content=pieces(6))
        refused(answer, 413, "request_too_large", dialect)
        # As large as is allowed is not too large, in either way.
        path, body = question(dialect)
        whole = json.dumps(body).encode()
        assert (await running.post(path, whole + b" " * (50_000 - len(whole)))).status_code == 200

        async def exact() -> AsyncIterator[bytes]:
            yield whole
            async for piece in pieces(4):
                yield piece

        assert (await running.client.post(path, content=exact())).status_code == 200


@in_each_dialect
async def test_a_model_nobody_serves_comes_with_the_nearest_names(dialect: str) -> None:
    async with Upstream(answering(200, openai_reply())) as upstream:
        values = chain(upstream)
        values["models"] = {"haiku-large": {"deployments": ["a/x"]}, "gpt-small": {"deployments": ["a/x"]}}
        async with gateway(values) as running:
            error = refused(await ask(running, dialect, "haiku-larg"), 404, "model_not_found", dialect)
            assert "haiku-large" in error["message"]
            assert error["nearest"] == ["haiku-large"]
            error = refused(await ask(running, dialect, "zzzzzz" * 1000), 404, "model_not_found", dialect)
            assert len(error["message"]) < 500
        assert not upstream.received
        # Refused before anybody was called, and written down all the same.
        assert [(entry.status, entry.error_code, entry.attempts) for entry in running.entries] == [
            (404, "model_not_found", [])
        ] * 2


ROUTES: list[tuple[object, str]] = [
    ({"buget": "5 VND"}, "did you mean `budget`"),
    ({"zzz": 1}, "route has no `zzz`"),
    ({"complexity": "extreme"}, "complexity"),
    ({"budget": "lots"}, "budget"),
    ({"budget": 5}, "budget"),
    ({"budget": "-5 VND"}, "budget"),
    ({"budget": "5 XTS"}, "XTS"),
    ({"budget": {"amount": 5}}, "currency"),
    ({"budget": {"amount": "NaN", "currency": "VND"}}, "budget"),
    ({"budget": {"amount": "Infinity", "currency": "VND"}}, "budget"),
    ({"budget": "1e999999999 VND"}, "budget"),
    ({"budget": {"amount": "1e999999999", "currency": "USD"}}, "budget"),
    ({"policy": "best"}, "policy"),
    ({"policy": 5}, "policy"),
    ({"tags": "a"}, "tags"),
    ({"stream_recovery": "maybe"}, "stream_recovery"),
    (5, "route"),
    ([], "route"),
    (True, "route"),
]


@in_each_dialect
async def test_our_own_options_are_checked(dialect: str) -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for route, words in ROUTES:
            error = refused(await ask(running, dialect, route=route), 400, "invalid_request", dialect)
            assert words in error["message"], route
            assert (error["param"] or "").startswith("route"), route


async def test_our_own_headers_are_checked() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for name, value in (
            ("budget", "lots"),
            ("budget", ""),
            ("budget", "1e999999999 VND"),
            ("complexity", "extreme"),
            ("policy", "best"),
        ):
            path, body = question("openai")
            refused(await running.post(path, body, **{f"x-hybridge-{name}": value}), 400, "invalid_request")


@in_each_dialect
async def test_names_that_would_break_a_header_break_nothing(dialect: str) -> None:
    """What a client names comes back in headers: line breaks and letters beyond Latin-1 must not end the answer."""
    async with Upstream(answering(200, openai_reply())) as upstream:
        values = chain(upstream)
        values["routing"] = {"unknown_models": "pass:a"}
        async with gateway(values) as running:
            for name in (
                ("x%0D%0Aset-cookie:%20a=b", "m%00", "mô-hình")
                if dialect == "gemini"
                else (
                    "x\r\nset-cookie: a=b",
                    "m\x00",
                    "mô-hình 越",
                )
            ):
                answer = await ask(running, dialect, name)
                assert answer.status_code == 200, answer.text
                assert "set-cookie" not in answer.headers
                assert answer.headers["x-hybridge-deployment"].startswith("a/")


async def test_a_dropped_member_with_a_strange_name_is_named_safely() -> None:
    async with (
        Upstream(answering(200, {"content": [], "x": 1})) as upstream,
        gateway(chain(upstream, dialects=["anthropic"])) as running,
    ):
        strange: dict[str, Any] = {"odd\r\nname: 1": {"a": 1}, "route": {"drop_unsupported": True}}
        path, body = question("openai", **strange)
        answer = await running.post(path, body)
        # What the scripted answer means does not matter here; that there is one does.
        assert answer.status_code in (200, 502), answer.text


PATHS_OF_NOTHING = [
    ("/", "openai"),
    ("/v1", "openai"),
    ("/v1/nothing", "openai"),
    ("/v1/chat/completions/", "openai"),
    ("/v1/messages/batches", "anthropic"),
    ("/v1beta/nothing", "gemini"),
    ("/v1beta/models/m:embedNothing", "gemini"),
    ("/v1beta/cachedContents", "gemini"),
    ("/models/:generateContent", "gemini"),
    ("/v1/requests/", "openai"),
    ("/v1/%0D%0Aset-cookie:a", "openai"),
]


async def test_an_unknown_path_is_told_in_the_dialect_of_its_neighbourhood() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for path, dialect in PATHS_OF_NOTHING:
            error = refused(await running.post(path, {}), 404, "endpoint_not_found", dialect)
            assert len(error["message"]) < 500


METHODS = [
    ("GET", "/v1/chat/completions", "openai", "POST"),
    ("DELETE", "/v1/messages", "anthropic", "POST"),
    ("GET", "/v1beta/models/m:generateContent", "gemini", "POST"),
    ("PUT", "/models/m:streamGenerateContent", "gemini", "POST"),
    ("POST", "/v1/models", "openai", "GET"),
    ("POST", "/v1/requests/req_1", "openai", "GET"),
    ("POST", "/healthz", "openai", "GET"),
    ("DELETE", "/v1beta/models", "gemini", "GET"),
]


async def test_a_known_path_says_which_method_it_answers_to() -> None:
    async with Upstream(never()) as upstream, gateway(chain(upstream)) as running:
        for method, path, dialect, allowed in METHODS:
            answer = await running.client.request(method, path, content=b"{}")
            error = refused(answer, 405, "method_not_allowed", dialect)
            assert allowed in error["message"]
            assert answer.headers["allow"] == allowed

"""The same question in the three dialects, and how their errors are read."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import httpx2

from tests.gateway.harness import Gateway, Link, Received, Script, Upstream, openai_chunks, provider

DIALECTS = ("openai", "anthropic", "gemini")

#: 1 USD per million tokens in, 2 USD out.
PRICE = {"input": 1, "output": 2}


_Test = Callable[..., Awaitable[None]]


def in_each(*cases: tuple[Any, ...]) -> Callable[[_Test], _Test]:
    """Run a test with each of these first arguments, at the same time: most of its time a gateway starts or stops."""

    def of(test: _Test) -> _Test:
        async def one(case: tuple[Any, ...], fixtures: Mapping[str, Any]) -> None:
            try:
                await test(*case, **fixtures)
            except BaseException as exc:
                exc.add_note(f"with {case}")
                raise

        async def every(**fixtures: Any) -> None:
            await asyncio.gather(*(one(case, fixtures) for case in cases))

        signature = inspect.signature(test)
        own = [*signature.parameters.values()][len(cases[0]) :]
        every.__name__, every.__doc__ = test.__name__, test.__doc__
        every.__signature__ = signature.replace(parameters=own)  # type: ignore[attr-defined]
        return every

    return of


in_each_dialect = in_each(*((dialect,) for dialect in DIALECTS))


def question(dialect: str, model: str = "m", said: str = "hello", **more: Any) -> tuple[str, dict[str, object]]:
    """Path and body of a chat; `stream=True` asks for a stream in the dialect's own way."""
    turn = {"role": "user", "content": said}
    if dialect == "openai":
        return "/v1/chat/completions", {"model": model, "messages": [turn], **more}
    if dialect == "anthropic":
        return "/v1/messages", {"model": model, "max_tokens": 100, "messages": [turn], **more}
    verb = "streamGenerateContent?alt=sse" if more.pop("stream", False) else "generateContent"
    return f"/v1beta/models/{model}:{verb}", {"contents": [{"role": "user", "parts": [{"text": said}]}], **more}


async def ask(running: Gateway, dialect: str, model: str = "m", **more: Any) -> httpx2.Response:
    """Send the question."""
    path, body = question(dialect, model, **more)
    return await running.post(path, body)


def error_of(dialect: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of an error in a dialect: `code`, `message`, and what stands beside them; its form is checked."""
    error = body["error"]
    assert error["message"]
    if dialect == "openai":
        assert error.keys() >= {"message", "type", "param", "code"}
        return dict(error)
    if dialect == "anthropic":
        assert body["type"] == "error"
        assert error["type"].endswith("_error") or error["type"] == "request_too_large"
        return dict(error)
    found = next(one for one in error["details"] if one["@type"] == "type.googleapis.com/google.rpc.ErrorInfo")
    assert found["domain"] == "hybridge"
    assert isinstance(error["code"], int)
    assert error["status"].isupper()
    return {**found, "code": found["reason"], "message": error["message"], "param": found["metadata"].get("param")}


def refused(answer: httpx2.Response, status: int, code: str, dialect: str = "openai") -> Mapping[str, Any]:
    """Check that an answer is this error in that dialect, and give its members."""
    assert answer.status_code == status, answer.text
    assert answer.headers["x-hybridge-error"] == code
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-hybridge-request-id"].startswith("req_")
    error = error_of(dialect, answer.json())
    assert error["code"] == code
    return error


def chain(*upstreams: Upstream, dialects: Sequence[str] = (), **more: Any) -> dict[str, object]:
    """A configuration whose model `m` is served by `a/x`, then `b/x`, …, each with a price."""
    names = "abcdef"[: len(upstreams)]
    spoken = dialects or ["openai"] * len(upstreams)
    ids = [f"{name}/x" for name in names]
    model: dict[str, object] = {"deployments": ids, "price": dict.fromkeys(ids, PRICE)}
    return {
        "providers": {n: provider(up, d) for n, up, d in zip(names, upstreams, spoken, strict=True)},
        "models": {"m": model},
        "retries": {"attempts": 1},
        **more,
    }


def anthropic_chunks(*words: str) -> list[bytes]:
    """An Anthropic stream, an event a piece."""
    usage = {"input_tokens": 9, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": usage}
    events: list[dict[str, object]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}} for word in words),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": len(words)},
        },
        {"type": "message_stop"},
    ]
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


def gemini_chunks(*words: str) -> list[bytes]:
    """A Gemini stream, an event a piece."""
    last = len(words) - 1
    pieces = []
    for at, word in enumerate(words):
        candidate: dict[str, object] = {"content": {"role": "model", "parts": [{"text": word}]}, "index": 0}
        if at == last:
            candidate["finishReason"] = "STOP"
        usage = {"promptTokenCount": 9, "candidatesTokenCount": at + 1, "totalTokenCount": 10 + at}
        pieces.append(
            b"data: " + json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode() + b"\r\n\r\n"
        )
    return pieces


CHUNKS = {"openai": openai_chunks, "anthropic": anthropic_chunks, "gemini": gemini_chunks}


def events(body: str) -> list[Any]:
    """The JSON of every event of a stream, without `[DONE]`."""
    lines = [line.removeprefix("data:").strip() for line in body.splitlines() if line.startswith("data:")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def never() -> Script:
    """A script for an upstream that must not be asked."""

    async def script(received: Received, link: Link) -> None:
        raise AssertionError(f"nobody was to ask {received.path}")

    return script

"""The client of a run is not to be fooled: whatever is not the right text and its end is told as what it is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hybridge.chaos.client import Question, Told, ask
from hybridge.chaos.row import Row, tally
from hybridge.simulator.recital import recital
from hybridge.simulator.scenario import DialectName

WORDS = 12
TEXT = recital("Tell me", WORDS)
HALF = len(TEXT) // 2
DIALECTS: tuple[DialectName, ...] = ("openai", "anthropic", "gemini")


async def told(script: bytes, dialect: DialectName, stream: bool = True, *, recovery: str = "") -> Told:
    """What the client tells of a gateway that answers with these bytes and then closes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(script)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        question = Question(dialect, "m", stream, "Tell me", WORDS, recovery)
        return await ask(f"http://127.0.0.1:{port}", question)


def chunked(events: list[bytes], *, end: bool = True, attempts: str = "north/m=200") -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        f"x-hybridge-request-id: req_1\r\nx-hybridge-attempts: {attempts}\r\n\r\n"
    )
    body = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    return head.encode() + body + (b"0\r\n\r\n" if end else b"")


def whole(body: dict[str, Any], status: int = 200, headers: str = "", cut: int = 0) -> bytes:
    octets = json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(octets)}\r\n{headers}\r\n"
    return head.encode() + octets[: len(octets) - cut]


def event(value: dict[str, Any], kind: str = "") -> bytes:
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + json.dumps(value).encode() + b"\n\n"


def said(dialect: str, text: str) -> bytes:
    if dialect == "openai":
        return event({"choices": [{"index": 0, "delta": {"content": text}}]})
    if dialect == "anthropic":
        return event({"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}}, "x")
    return event({"candidates": [{"content": {"parts": [{"text": text}]}}]})


def ending(dialect: str) -> bytes:
    if dialect == "openai":
        return b"data: [DONE]\n\n"
    if dialect == "anthropic":
        return event({"type": "message_stop"}, "message_stop")
    return event({"candidates": [{"content": {"role": "model"}, "finishReason": "STOP"}]})


def marked(dialect: str, what: str) -> bytes:
    sign = {"event": what, "from": "north/m", "to": "south/m"}
    if dialect == "openai":
        return event({"choices": [], "hybridge": sign})
    if dialect == "anthropic":
        return event({"type": "ping", "hybridge": sign}, "ping")
    return event({"candidates": [{"content": {"parts": [{"text": ""}]}}], "hybridge": sign})


def error(dialect: str) -> bytes:
    if dialect == "gemini":
        return event({"error": {"code": 502, "message": "x", "status": "UNAVAILABLE"}})
    return event({"type": "error", "error": {"type": "api_error", "code": "stream_broken", "message": "x"}}, "error")


def unary(dialect: str, text: str) -> dict[str, Any]:
    if dialect == "openai":
        return {"choices": [{"message": {"content": text}}]}
    if dialect == "anthropic":
        return {"content": [{"type": "text", "text": text}]}
    return {"candidates": [{"content": {"parts": [{"text": text}]}}]}


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_streams_are_judged(dialect: DialectName) -> None:
    first, second, end = said(dialect, TEXT[:HALF]), said(dialect, TEXT[HALF:]), ending(dialect)
    for events, outcome in (
        ([first, second, end], "whole"),
        ([first, second], "silent"),
        ([first], "silent"),
        ([], "silent"),
        ([first, end], "wrong"),
        ([first, first, second, end], "wrong"),
        ([first, second, second, end], "wrong"),
        ([second, end], "wrong"),
        ([first, said(dialect, " "), second, end], "wrong"),
        ([first, error(dialect)], "error"),
        ([error(dialect)], "error"),
        ([second, error(dialect)], "wrong"),
    ):
        found = await told(chunked(events), dialect)
        assert found.outcome == outcome, events
        assert (found.first_s is None) == (not events or events[0] == error(dialect))
    assert (await told(chunked([first], end=False), dialect)).outcome == "silent"
    assert (await told(chunked([first, second, end], end=False), dialect)).outcome == "whole"


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_is_gone_on_with_is_joined_as_a_client_would(dialect: DialectName) -> None:
    first, second, end = said(dialect, TEXT[:HALF]), said(dialect, TEXT[HALF:]), ending(dialect)
    everything = said(dialect, TEXT)
    for events, outcome in (
        ([first, marked(dialect, "continue"), second, end], "whole"),
        ([first, marked(dialect, "restart"), everything, end], "whole"),
        ([first, marked(dialect, "continue"), everything, end], "wrong"),
        ([first, marked(dialect, "restart"), second, end], "wrong"),
        ([first, marked(dialect, "continue"), end], "wrong"),
        ([first, marked(dialect, "continue"), second], "silent"),
    ):
        found = await told(chunked(events), dialect)
        assert found.outcome == outcome, events
        assert len(found.resumed) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_whole_answers_are_judged(dialect: DialectName) -> None:
    refused = {"error": {"message": "x"}}
    for script, outcome in (
        (whole(unary(dialect, TEXT)), "whole"),
        (whole(unary(dialect, TEXT[:HALF])), "wrong"),
        (whole(unary(dialect, TEXT + TEXT)), "wrong"),
        (whole(unary(dialect, TEXT), cut=5), "silent"),
        (whole(refused, 502, "x-hybridge-error: all_deployments_failed\r\n"), "error"),
        (whole(refused, 502), "silent"),
        (whole({}, 502, "x-hybridge-error: all_deployments_failed\r\n"), "silent"),
        (b"", "silent"),
        (b"HTTP/1.1 200 OK\r\n", "silent"),
        (b"nonsense\r\n\r\n", "silent"),
    ):
        assert (await told(script, dialect, stream=False)).outcome == outcome, script


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_what_keeps_a_stream_alive_is_no_content(dialect: DialectName) -> None:
    kept = event({"type": "ping"}, "ping") if dialect == "anthropic" else b": keep-alive\n\n"
    found = await told(chunked([kept, said(dialect, TEXT), kept, ending(dialect)]), dialect)
    assert found.kept == 2
    assert found.outcome == ("wrong" if dialect == "gemini" else "whole")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("strange", [{"x": 1}, {"choices": 1, "candidates": 1}, {"hybridge": None}])
async def test_what_is_not_of_the_dialect_is_wrong(dialect: DialectName, strange: dict[str, Any]) -> None:
    found = await told(chunked([said(dialect, TEXT), event(strange), ending(dialect)]), dialect)
    assert found.outcome == "wrong"
    assert (await told(whole(strange), dialect, stream=False)).outcome == "wrong"


async def test_nobody_at_home_is_silence() -> None:
    assert (await ask("http://127.0.0.1:9", Question("openai", "m", True, "Tell me", WORDS))).outcome == "silent"


def test_what_was_told_is_counted() -> None:
    row = Row(scenario="s", phase="content", fault="f")
    everything = [
        Told(outcome="whole", request_id="a", calls=1, first_s=0.1),
        Told(outcome="whole", request_id="b", calls=2, first_s=0.2),
        Told(outcome="whole", request_id="c", calls=2, first_s=0.3, resumed=["continue"]),
        Told(outcome="error", request_id="d", code="x"),
        Told(outcome="error", request_id="e", code="x", first_s=0.5),
        Told(outcome="silent"),
        Told(outcome="wrong"),
    ]
    tally(row, everything, {"a": 1, "b": 2, "c": 2, "e": 1, "unknown": 5})
    assert (row.requests, row.served, row.unseen, row.resumed) == (7, 3, 1, 1)
    assert (row.early, row.late, row.silent, row.wrong, row.codes) == (1, 1, 1, 1, {"x": 2})
    assert row.first_ms == {"p50": 300.0, "p99": 500.0}
    assert row.calls_per_request == 1.5
    assert row.problems == ["1 silent ends", "1 wrong texts", "1 answers are not in the ledger"]

"""Streams whose provider is silent: the head goes out, and then what keeps the way to the client open."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hybridge.exchange import Exchange
from hybridge.ledger.entry import LedgerEntry
from hybridge.types import Request, Sink
from tests.gateway.asking import CHUNKS, DIALECTS, ask, chain, error_of, events, in_each, in_each_dialect, question
from tests.gateway.harness import Link, Received, Script, Upstream, answering, gateway, openai_reply, streaming

PINGS = {"openai": ": keep-alive\n\n", "anthropic": 'event: ping\ndata: {"type": "ping"}\n\n', "gemini": ""}
SOON: Any = {"server": {"keep_alive": "80ms"}}


def slow(dialect: str, gate: asyncio.Event, said: int = 0) -> Script:
    """A stream that says so many of its pieces and the others only once the gate is open."""

    async def script(received: Received, link: Link) -> None:
        pieces = CHUNKS[dialect]("Hel", "lo")
        head, *rest = [b"".join(pieces[:said]), b"".join(pieces[said:])]
        if head:
            await link.stream([head], end=False)
            await gate.wait()
            await link.send(*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in rest), b"0\r\n\r\n")
        else:
            await gate.wait()
            await link.stream(rest)

    return script


@in_each_dialect
async def test_the_head_goes_out_first_and_a_failure_is_still_unseen(ours: str) -> None:
    gate = asyncio.Event()

    async def failing(received: Received, link: Link) -> None:
        await gate.wait()
        await link.reply(500, b"")

    async with (
        Upstream(failing) as a,
        Upstream(streaming(CHUNKS["openai"]("Hel", "lo"))) as b,
        gateway(chain(a, b, **SOON)) as running,
    ):
        path, body = question(ours, stream=True)
        async with running.client.stream("POST", path, json=body) as answer:
            assert answer.status_code == 200
            ours_only = [name for name in answer.headers if name.startswith("x-hybridge")]
            assert ours_only == ["x-hybridge-request-id"]
            assert "event-stream" in answer.headers["content-type"]
            pieces = answer.aiter_text()
            if PINGS[ours]:
                said = ""
                while said.count(PINGS[ours]) < 2:
                    said += await anext(pieces)
                assert said.replace(PINGS[ours], "") == ""
            gate.set()
            rest = "".join([piece async for piece in pieces])
        assert "Hel" in rest
        assert "lo" in rest
        assert running.entries[-1].status == 200
        assert len(running.entries[-1].attempts) == 2


@in_each_dialect
async def test_behind_a_head_a_failure_is_the_typed_error_event(ours: str) -> None:
    gate = asyncio.Event()

    async def failing(received: Received, link: Link) -> None:
        await gate.wait()
        await link.reply(500, b"")

    async with Upstream(failing) as a, gateway(chain(a, **SOON)) as running:
        path, body = question(ours, stream=True)
        async with running.client.stream("POST", path, json=body) as answer:
            assert answer.status_code == 200
            gate.set()
            *_, last = events("".join([piece async for piece in answer.aiter_text()]))
        assert error_of(ours, last)["code"] == "all_deployments_failed"
        assert running.entries[-1].status == 502


@in_each(*((ours, theirs) for ours in DIALECTS for theirs in ("openai", "anthropic")))
async def test_a_later_silence_is_bridged_between_whole_events(ours: str, theirs: str) -> None:
    gate = asyncio.Event()
    said = {"openai": 2, "anthropic": 3}[theirs]
    async with Upstream(slow(theirs, gate, said)) as a, gateway(chain(a, dialects=[theirs], **SOON)) as running:
        path, body = question(ours, stream=True)
        async with running.client.stream("POST", path, json=body) as answer:
            assert answer.headers["x-hybridge-deployment"] == "a/x"
            pieces, text = answer.aiter_text(), ""
            while "Hel" not in text or text.count(PINGS[ours]) < 2:
                text += await anext(pieces)
                if not PINGS[ours]:
                    break
            gate.set()
            text += "".join([piece async for piece in pieces])
        assert running.entries[-1].status == 200
        if ours != "gemini":
            first, _, behind = text.partition(PINGS[ours])
            assert "Hel" in first
            assert first.endswith("\n\n")
            assert "lo" in behind
        else:
            assert "keep-alive" not in text
            assert ":\n" not in text


async def test_gemini_as_an_array_begins_early_and_is_whole() -> None:
    gate = asyncio.Event()
    async with Upstream(slow("gemini", gate)) as a, gateway(chain(a, dialects=["gemini"], **SOON)) as running:
        _, body = question("gemini")
        async with running.client.stream("POST", "/v1beta/models/m:streamGenerateContent", json=body) as answer:
            assert answer.headers["content-type"].startswith("application/json")
            gate.set()
            text = "".join([piece async for piece in answer.aiter_text()])
        assert "lo" in json.dumps(json.loads(text))


async def test_gemini_as_an_array_ends_in_an_error_behind_its_head() -> None:
    gate = asyncio.Event()

    async def failing(received: Received, link: Link) -> None:
        await gate.wait()
        await link.reply(500, b"")

    async with Upstream(failing) as a, gateway(chain(a, dialects=["gemini"], **SOON)) as running:
        _, body = question("gemini")
        async with running.client.stream("POST", "/v1beta/models/m:streamGenerateContent", json=body) as answer:
            gate.set()
            (element,) = json.loads("".join([piece async for piece in answer.aiter_text()]))
        assert error_of("gemini", element)["code"] == "all_deployments_failed"


async def test_whole_answers_and_quick_streams_have_none() -> None:
    gate = asyncio.Event()

    async def late(received: Received, link: Link) -> None:
        asyncio.get_running_loop().call_later(0.25, gate.set)
        await gate.wait()
        await link.reply(200, openai_reply())

    async with Upstream(late) as a, gateway(chain(a, **SOON)) as running:
        answer = await ask(running, "openai")
        assert answer.headers["x-hybridge-deployment"] == "a/x"
        a.scripts = [streaming(CHUNKS["openai"]("Hel", "lo"))]
        streamed = await ask(running, "openai", stream=True)
        assert "keep-alive" not in streamed.text
        a.scripts = [answering(500, b"")]
        assert (await ask(running, "openai", stream=True)).status_code == 502


async def test_nothing_is_said_after_the_end(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    run, intervals = Exchange.run, 2

    async def lingering(exchange: Exchange, request: Request, sink: Sink) -> LedgerEntry:
        entry = await run(exchange, request, sink)
        over = asyncio.Event()
        asyncio.get_running_loop().call_later(intervals * 0.08, over.set)
        await over.wait()
        return entry

    monkeypatch.setattr(Exchange, "run", lingering)
    async with Upstream(streaming(CHUNKS["openai"]("Hel", "lo"))) as a, gateway(chain(a, **SOON)) as running:
        for _ in range(2):
            answer = await ask(running, "openai", stream=True)
            assert answer.text.endswith("data: [DONE]\n\n")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []

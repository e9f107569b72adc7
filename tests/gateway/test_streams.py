"""Streams once content has come: typed errors, clients that leave, clients that are slow; and pieces that are odd."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from tests.gateway.asking import CHUNKS, DIALECTS, ask, chain, error_of, events, in_each, in_each_dialect, question
from tests.gateway.harness import (
    Gateway,
    Link,
    Received,
    Script,
    Upstream,
    answering,
    gateway,
    openai_chunks,
    openai_reply,
    streaming,
)

PAIRS = [*((each, each) for each in DIALECTS), ("openai", "gemini"), ("anthropic", "openai"), ("gemini", "anthropic")]
ERRORS = {
    "openai": b'data: {"error": {"message": "upstream died", "code": 502}}\n\n',
    "anthropic": b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
    "gemini": b'data: {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}\r\n\r\n',
}


def begun(theirs: str) -> list[bytes]:
    """The pieces of a stream that has said two words and is not over."""
    whole = CHUNKS[theirs]("Hel", "lo", "!")
    return whole[: {"openai": 3, "anthropic": 4, "gemini": 2}[theirs]]


def then(theirs: str, what: str) -> Script:
    """A stream that has said two words, and then does this."""

    async def script(received: Received, link: Link) -> None:
        pieces = begun(theirs)
        if what == "error":
            pieces.append(ERRORS[theirs])
        if what == "nonsense":
            pieces.append(b"data: {nonsense\n\n")
        await link.stream(pieces, end=what in ("error", "end", "nonsense"))
        if what == "reset":
            await asyncio.sleep(0.05)
            link.reset()
        elif what in ("silence", "dribble"):
            while what == "dribble":
                await link.send(b"3\r\n:\n\n\r\n")
                await asyncio.sleep(0.02)
            await link.until_closed()

    return script


@in_each(*((*pair, silent) for pair in PAIRS for silent in (False, True)))
async def test_after_content_a_stream_that_breaks_ends_in_a_typed_error(
    ours: str, theirs: str, silent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "hybridge")
    values = {"timeouts": {"idle": "150ms" if silent else "60s"}, "breaker": {"failures": 1000}}
    async with Upstream(answering(500, b"")) as upstream, Upstream(answering(200, openai_reply())) as spare:
        async with gateway(chain(upstream, spare, dialects=[theirs, "openai"], **values)) as running:
            for what in ("silence", "dribble") if silent else ("reset", "error", "end", "nonsense"):
                upstream.scripts = [then(theirs, what)]
                answer = await ask(running, ours, stream=True)
                assert answer.status_code == 200
                *said, last = events(answer.text)
                assert "Hel" in json.dumps(said)
                error = error_of(ours, last)
                assert error["code"] == ("timeout" if silent else "stream_broken"), what
                if ours == "openai":
                    assert "[DONE]" not in answer.text
                if ours == "anthropic":
                    assert "event: error\n" in answer.text
                    assert "message_stop" not in answer.text
                entry = running.entries[-1]
                assert entry.status == (504 if silent else 502)
                assert entry.error_code == error["code"]
                (attempt,) = entry.attempts
                assert (attempt.status, attempt.cost_source) == (200, "estimated"), what
                assert attempt.cost_nano_usd
                assert attempt.error_class
                assert f"{entry.id}: {entry.status} {entry.error_code}" in caplog.text
        assert not spare.received


async def test_gemini_without_sse_is_one_array_even_when_it_breaks() -> None:
    for what, codes in (("end", ["stream_broken"]), ("whole", [])):
        script = streaming(CHUNKS["gemini"]("Hel", "lo")) if what == "whole" else then("gemini", what)
        async with Upstream(script) as upstream, gateway(chain(upstream, dialects=["gemini"])) as running:
            _, body = question("gemini")
            answer = await running.post("/v1beta/models/m:streamGenerateContent", body)
            assert answer.headers["content-type"].startswith("application/json")
            elements = answer.json()
            assert "Hel" in json.dumps(elements[0])
            assert [error_of("gemini", each)["code"] for each in elements if "error" in each] == codes


@in_each(*PAIRS)
async def test_a_stream_may_be_cut_anywhere(ours: str, theirs: str) -> None:
    pieces = CHUNKS[theirs]("Xin ", "chào ", "Hà Nội ", "越南 🇻🇳")
    whole = b"".join(pieces)
    async with (
        Upstream(streaming(pieces)) as upstream,
        gateway(chain(upstream, dialects=[theirs])) as running,
    ):
        expected = _without_ids((await ask(running, ours, stream=True)).text)
        assert "🇻🇳" in "".join(_texts(expected))
        for size in (1, 7, 64):
            upstream.scripts = [streaming([whole[at : at + size] for at in range(0, len(whole), size)])]
            answer = await ask(running, ours, stream=True)
            assert _texts(_without_ids(answer.text)) == _texts(expected), size
            usage = running.entries[-1].attempts[0].usage
            assert usage is not None
            assert (usage.input, usage.output) == (9, 4)


def _without_ids(text: str) -> list[object]:
    return events(text)


def _texts(chunks: list[object]) -> list[str]:
    found: list[str] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                if name in ("text", "content") and isinstance(member, str):
                    found.append(member)
                else:
                    walk(member)
        elif isinstance(value, list):
            for member in value:
                walk(member)

    walk(chunks)
    return ["".join(found)]


# Clients that leave.


def endless(links: list[Link], pieces: list[bytes] | None) -> Script:
    """Sends these pieces of a stream (`None`: not even a head) and then waits for the gateway to let go."""

    async def script(received: Received, link: Link) -> None:
        links.append(link)
        if pieces is not None:
            await link.stream(pieces, end=False)
        await link.until_closed()

    return script


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def _leaves(running: Gateway, dialect: str, stream: bool, wait: Callable[[], Awaitable[None]]) -> None:
    path, body = question(dialect, stream=stream) if stream else question(dialect)
    task = asyncio.create_task(running.post(path, body))
    await wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@in_each_dialect
async def test_a_client_that_leaves_cancels_the_call_and_is_billed(dialect: str) -> None:
    links: list[Link] = []
    async with (
        Upstream(answering(500, b"")) as upstream,
        gateway(chain(upstream, dialects=[dialect], breaker={"failures": 1})) as running,
    ):
        # In mid-stream: prompt and what was said.
        upstream.scripts = [endless(links, begun(dialect))]
        path, body = question(dialect, stream=True)
        async with running.client.stream("POST", path, json=body) as answer:
            async for piece in answer.aiter_bytes():
                if b"lo" in piece:
                    break
        await _until(lambda: len(running.entries) == 1)
        await asyncio.wait_for(links[0].closed.wait(), 5)
        (attempt,) = running.entries[0].attempts
        assert (running.entries[0].status, running.entries[0].error_code) == (499, "client_gone")
        assert (attempt.error_class, attempt.cost_source, attempt.status) == ("client_gone", "estimated", 200)
        assert attempt.usage is not None
        assert attempt.usage.input > 0
        assert attempt.usage.output > 0
        # Before the first content, before the head, and during a whole answer: the prompt.
        ways: list[tuple[bool, list[bytes] | None]] = [(True, []), (True, None), (False, None)]
        for number, (stream, pieces) in enumerate(ways, 1):
            upstream.scripts = [endless(links, pieces)]

            async def wait(number: int = number) -> None:
                await _until(lambda: len(links) == number + 1)
                await asyncio.sleep(0.05)

            await _leaves(running, dialect, stream, wait)
            await _until(lambda number=number: len(running.entries) == number + 1)  # type: ignore[misc]
            await asyncio.wait_for(links[number].closed.wait(), 5)
            entry = running.entries[number]
            (attempt,) = entry.attempts
            assert (entry.status, attempt.error_class, attempt.cost_source) == (499, "client_gone", "estimated")
            assert attempt.usage is not None
            assert attempt.usage.input > 0
        # None of it was the provider's fault: a breaker that one failure opens is closed.
        upstream.scripts = [streaming(CHUNKS[dialect]("Hel", "lo"))]
        assert (await ask(running, dialect, stream=True)).status_code == 200


async def test_a_client_that_leaves_while_a_retry_waits_gives_its_probe_back() -> None:
    """A half-open breaker lets one call through; if its client leaves before it is made, the next one may."""
    scripts = [answering(500, b""), answering(429, b"", retry_after="1"), answering(200, openai_reply())]
    async with (
        Upstream(*scripts) as upstream,
        gateway(chain(upstream, retries={"attempts": 2}, breaker={"failures": 1, "reset_after": "50ms"})) as running,
    ):
        assert (await ask(running, "openai")).status_code == 502
        await asyncio.sleep(0.1)

        async def wait() -> None:
            await _until(lambda: len(upstream.received) == 2)
            await asyncio.sleep(0.1)

        await _leaves(running, "openai", False, wait)
        await _until(lambda: len(running.entries) == 2)
        entry = running.entries[1]
        assert (entry.status, [each.error_class for each in entry.attempts]) == (499, ["rate_limited"])
        await asyncio.sleep(1)
        assert (await ask(running, "openai")).status_code == 200


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_nobodys_trouble(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Upstream(answering(200, openai_reply())) as upstream, gateway(chain(upstream)) as running:
        host, port = running.url.removeprefix("http://").split(":")
        for part in (b"", b'{"model":'):
            _, writer = await asyncio.open_connection(host, int(port))
            head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n"
            writer.write(head + part)
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.transport.abort()
        await asyncio.sleep(0.05)
        assert (await running.chat("m")).status_code == 200
        assert len(running.entries) == 1
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# Clients that are slow.


def pouring(total: int, sent: list[int]) -> Script:
    """A stream of `total` bytes, as fast as it is taken; `sent[0]` counts."""
    [first, word, *_] = openai_chunks("x" * 60_000)

    async def script(received: Received, link: Link) -> None:
        await link.stream([first], end=False)
        while sent[0] < total:
            await link.send(b"%x\r\n%s\r\n" % (len(word), word))
            sent[0] += len(word)
        for piece in openai_chunks()[1:]:
            await link.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await link.send(b"0\r\n\r\n")

    return script


async def _slow_client(running: Gateway) -> socket.socket:
    host, port = running.url.removeprefix("http://").split(":")
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    plug.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plug, (host, int(port)))
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    await loop.sock_sendall(plug, head.encode() + body)
    return plug


async def test_a_slow_client_slows_the_provider_and_loses_nothing() -> None:
    sent, total = [0], 40_000_000
    values: dict[str, Any] = {"timeouts": {"idle": "500ms", "total": "30s"}}
    async with Upstream(pouring(total, sent)) as upstream, gateway(chain(upstream, **values)) as running:
        loop = asyncio.get_running_loop()
        with await _slow_client(running) as plug:
            last = -1
            while sent[0] != last:
                last = sent[0]
                await asyncio.sleep(0.2)
            # What fits into the sockets of both sides, and a little of ours: the rest waits at the provider.
            assert 0 < sent[0] < total * 3 // 4
            # By now the client was silent for longer than a provider may be; that is not the provider's fault.
            await asyncio.sleep(0.6)
            count, tail = 0, b""
            while not tail.endswith(b"0\r\n\r\n"):
                piece = await loop.sock_recv(plug, 1 << 20)
                assert piece, tail
                count += len(piece)
                tail = (tail + piece)[-1000:]
        assert count > total
        assert b"[DONE]" in tail
        (entry,) = running.entries
        assert (entry.status, entry.attempts[0].error_class) == (200, "")


async def test_a_slow_client_that_leaves_frees_the_provider() -> None:
    sent = [0]
    async with Upstream(pouring(400_000_000, sent)) as upstream, gateway(chain(upstream)) as running:
        with await _slow_client(running):
            await asyncio.sleep(0.3)
        await _until(lambda: running.entries)
        (entry,) = running.entries
        assert (entry.status, entry.attempts[0].cost_source) == (499, "estimated")
        assert sent[0] < 400_000_000


async def test_the_head_waits_for_the_first_content() -> None:
    go = asyncio.Event()

    async def script(received: Received, link: Link) -> None:
        pieces = openai_chunks("Hi")
        await link.stream(pieces[:1], end=False)
        await go.wait()
        for piece in pieces[1:]:
            await link.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        await link.send(b"0\r\n\r\n")

    async with Upstream(script) as upstream, gateway(chain(upstream)) as running:
        heads: list[httpx2.Response] = []

        async def read() -> str:
            path, body = question("openai", stream=True)
            async with running.client.stream("POST", path, json=body) as answer:
                heads.append(answer)
                return (await answer.aread()).decode()

        task = asyncio.create_task(read())
        await _until(lambda: upstream.received)
        await asyncio.sleep(0.1)
        assert not heads
        go.set()
        assert "Hi" in await task
        assert heads[0].headers["x-hybridge-attempts"] == "a/x=200"
        assert "content-length" not in heads[0].headers
        assert "x-hybridge-cost" not in heads[0].headers


async def test_a_gateways_comments_never_reach_a_gemini_client() -> None:
    pieces = [b": OPENROUTER PROCESSING\n\n", *CHUNKS["gemini"]("Hel", "lo")]
    pieces.insert(2, b": wait\n\n")
    async with Upstream(streaming(pieces)) as upstream, gateway(chain(upstream, dialects=["gemini"])) as running:
        answer = await ask(running, "gemini", stream=True)
        assert answer.text == b"".join(CHUNKS["gemini"]("Hel", "lo")).decode()

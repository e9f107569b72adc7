"""The load generator takes an answer for right only if it is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from bench import upstream
from bench.answers import fault, whole
from bench.cases import BURST, CASES, CHAT, UNARY, Case
from bench.gateways import Gateway
from bench.load import CHECKED, Asked, Plan, Result, run


@contextlib.asynccontextmanager
async def provider() -> AsyncIterator[Gateway]:
    """The mock upstream, within the test."""
    server = await upstream.listen(0)
    try:
        yield Gateway("nothing between", server.sockets[0].getsockname()[1], 0, straight=True)
    finally:
        server.close()


async def answered(*pieces: bytes, close: bool = False, asked: Asked | None = None, count: int = 1) -> Result:
    """What the load generator says of a server that answers each request so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
                await reader.readexactly(size)
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if close:
                    break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        return await run(Plan(port, [asked or ask(UNARY)], connections=1, count=count))
    finally:
        server.close()


def ask(case: Case) -> Asked:
    return Gateway("", 0, 0, straight=True).asked(case)


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))


HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = upstream._UNARY[False]
EVENTS = upstream._openai_events()
STREAM = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_upstream_is_right_in_every_case(case: Case) -> None:
    async with provider() as gateway:
        result = await run(Plan(gateway.port, [gateway.asked(case)], connections=3, count=45))
    assert (result.requests, result.failures, result.fault) == (45, 0, "")
    assert 0 < result.median_us <= result.p99_us <= result.seconds * 1e6


async def test_several_requests_are_sent_in_turn() -> None:
    async with provider() as gateway:
        asked = [gateway.asked(case) for case in (*CASES[:3], Case("", "dead", CHAT, False, 0))]
        result = await run(Plan(gateway.port, asked, connections=2, count=60))
    assert (result.requests, result.failures) == (60, 15)


async def test_it_stops_when_its_time_is_over() -> None:
    async with provider() as gateway:
        result = await run(Plan(gateway.port, [gateway.asked(UNARY)], connections=2, count=20_000, seconds=0.05))
    assert 0 < result.requests < 20_000
    assert result.failures == 0


async def test_pieces_of_any_size_make_an_answer() -> None:
    unary = await answered(*(WHOLE[at : at + 7] for at in range(0, len(WHOLE), 7)))
    assert (unary.requests, unary.failures, unary.fault) == (1, 0, "")
    wire = STREAM + chunked(*EVENTS)
    stream = await answered(*(wire[at : at + 97] for at in range(0, len(wire), 97)), asked=ask(BURST))
    assert (stream.requests, stream.failures, stream.fault) == (1, 0, "")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (WHOLE.replace(b"200 OK", b"503 Busy"), "503"),
        (WHOLE.replace(b"The quick", b"The quack"), "the text is"),
        (HEAD + b"content-length: 2\r\n\r\n{}", "only 2 bytes"),
        (HEAD + b"content-length: 400\r\n\r\n" + b"[]" + b" " * 398, "TypeError"),
        (HEAD + b"content-length: 400\r\n\r\n" + b"x" * 400, "JSONDecodeError"),
    ],
)
async def test_a_wrong_answer_is_a_failure(answer: bytes, why: str) -> None:
    result = await answered(answer)
    assert result.failures == 1
    assert why in result.fault


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([*EVENTS[:9], *EVENTS[10:]], "the text is"),
        (EVENTS[:-1], "no end"),
        ([*EVENTS[:5], EVENTS[4], *EVENTS[5:]], "the text is"),
        ([b": nothing but comments" * 30 + b"\n\n"], "the text is"),
    ],
    ids=["an event is missing", "no end", "an event twice", "no event"],
)
async def test_a_wrong_stream_is_a_failure(events: list[bytes], why: str) -> None:
    result = await answered(STREAM + chunked(*events), asked=ask(BURST))
    assert result.failures == 1
    assert why in result.fault


async def test_a_connection_that_breaks_is_a_failure() -> None:
    result = await answered(WHOLE[:-1], close=True)
    assert (result.requests, result.failures, result.fault) == (0, 1, "the connection was closed")


async def test_not_every_answer_is_read_but_every_length_is_seen() -> None:
    wrong = WHOLE.replace(b"The quick", b"The quack")
    assert (await answered(wrong, count=2 * CHECKED)).failures == 2
    assert (await answered(HEAD + b"content-length: 2\r\n\r\n{}", count=2 * CHECKED)).failures == 2 * CHECKED


def test_a_body_without_its_framing() -> None:
    assert whole(chunked(b"ab", b"\r\n0\r\n\r\n", b"c" * 300)) == b"ab\r\n0\r\n\r\n" + b"c" * 300


def test_an_answer_in_either_dialect_has_its_text() -> None:
    anthropic = b"".join(upstream._anthropic_events())
    assert fault(anthropic, True, upstream.text(True, True)) == ""
    assert fault(anthropic.replace(b"message_stop", b"nothing"), True, upstream.text(True, True)).startswith("no end")
    assert upstream.text(True, True) != upstream.text(True, False)

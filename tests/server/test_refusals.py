"""What is no request: refused, never half understood, and never taken for two."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from hybridge.server.call import Call
from hybridge.server.heads import LONGEST_HEAD, NAMES
from tests.server.serving import PLENTY, Answer, Serve, chunked, echo, get, name, post, turns

#: What would be answered if a smuggled request came through.
SECOND = get("/smuggled")
HEAD = b"POST / HTTP/1.1\r\nhost: 127.0.0.1\r\n"
CHUNKS = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def refused(answer: Answer, status: int = 400) -> str:
    """The message of a refusal."""
    assert (answer.status, answer.headers["connection"]) == (status, "close")
    assert answer.headers["x-hybridge-error"] == answer.json["error"]["code"] == "invalid_request"
    assert answer.json["error"]["type"] == "invalid_request_error"
    return str(answer.json["error"]["message"])


#: By name, what is wrong before anything of a body has come.
HEADS = {
    "no request": b"NONSENSE\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "small method": b"get / HTTP/1.1\r\n\r\n",
    "unknown version": b"GET / HTTP/1.2\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: 127.0.0.1:80\r\n\r\n",
    "a space in the path": b"GET /a b HTTP/1.1\r\n\r\n",
    "NUL in the path": b"GET /a\0 HTTP/1.1\r\n\r\n",
    "a raw byte in the path": b"GET /\xff HTTP/1.1\r\n\r\n",
    "no path": b"GET a HTTP/1.1\r\n\r\n",
    "a quote in the authority": b'GET http://a"\\b/ HTTP/1.1\r\n\r\n',
    "bare LF after the line": b"GET / HTTP/1.1\nhost: 127.0.0.1\r\n\r\n",
    "bare LF after a header": b"GET / HTTP/1.1\r\nhost: 127.0.0.1\n\r\n",
    "bare LF twice": b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nx: 1\n\n",
    "bare CR in a value": b"GET / HTTP/1.1\r\nx: a\rb\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nx: a\0b\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nx\0: a\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nx: a\r\n b: c\r\n\r\n",
    "a space before the first header": b"GET / HTTP/1.1\r\n x: a\r\n\r\n",
    "a space before the colon": HEAD + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
    "a header without a name": b"GET / HTTP/1.1\r\n: a\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nabc\r\n\r\n",
    "length twice": HEAD + b"content-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    "two lengths": HEAD + b"content-length: 0\r\nContent-Length: 4\r\n\r\nabcd",
    "a list of lengths": HEAD + b"content-length: 4, 4\r\n\r\nabcd",
    "an empty length": HEAD + b"content-length: \r\n\r\n",
    "a signed length": HEAD + b"content-length: +4\r\n\r\nabcd",
    "a negative length": HEAD + b"content-length: -4\r\n\r\nabcd",
    "a hexadecimal length": HEAD + b"content-length: 0x4\r\n\r\nabcd",
    "a length beyond reason": HEAD + b"content-length: 99999999999999999999999\r\n\r\nabcd",
    "length and chunks": HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    "chunks twice": HEAD + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": HEAD + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks, then identity": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": HEAD + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
}

#: By name, what is wrong after a head that seemed right.
BODIES = {
    "an unknown coding": HEAD + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "no coding": HEAD + b"transfer-encoding: identity\r\n\r\n0\r\n\r\n",
    "a signed size": CHUNKS + b"+2\r\nab\r\n0\r\n\r\n",
    "a negative size": CHUNKS + b"-2\r\nab\r\n0\r\n\r\n",
    "a size with 0x": CHUNKS + b"0x2\r\nab\r\n0\r\n\r\n",
    "a size with _": CHUNKS + b"0_2\r\nab\r\n0\r\n\r\n",
    "a space before a size": CHUNKS + b" 2\r\nab\r\n0\r\n\r\n",
    "a space after a size": CHUNKS + b"2 \r\nab\r\n0\r\n\r\n",
    "no size": CHUNKS + b"\r\nab\r\n0\r\n\r\n",
    "a size beyond reason": CHUNKS + b"ffffffffffffffff1\r\n",
    "a size too small": CHUNKS + b"2\r\nabc\r\n0\r\n\r\n",
    "bare LF after a size": CHUNKS + b"2\nab\r\n0\r\n\r\n",
    "bare LF after a chunk": CHUNKS + b"2\r\nab\n0\r\n\r\n",
    "bare LF in an extension": CHUNKS + b"2;a\nb\r\nab\r\n0\r\n\r\n",
    "bare LF at the end": CHUNKS + b"0\r\n\n",
    "no line after a chunk": CHUNKS + b"2\r\nab0\r\n\r\n",
    "a trailer without a colon": CHUNKS + b"0\r\nabc\r\n\r\n",
    "NUL in a trailer": CHUNKS + b"0\r\nx: \0\r\n\r\n",
}


@pytest.mark.parametrize("wire", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
async def test_no_request(serve: Serve, wire: bytes, cut: bool) -> None:
    served = await serve()
    if cut:
        assert (await served.said(*[bytes((byte,)) for byte in wire])).startswith(b"HTTP/1.1 400 ")
    else:
        assert refused(await served.ask(wire + SECOND)).startswith("not a request: ")
    assert served.calls == []


@pytest.mark.parametrize("wire", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
async def test_no_body(serve: Serve, wire: bytes, cut: bool) -> None:
    """The handler may have begun by then; it never gets such a body."""
    got, ended = [], []

    async def handle(call: Call) -> None:
        try:
            got.append(await call.body(PLENTY))
        finally:
            ended.append(call)

    served = await serve(handle)
    if cut:
        assert (await served.said(*[bytes((byte,)) for byte in wire])).startswith(b"HTTP/1.1 400 ")
    else:
        refused(await served.ask(wire + SECOND))
    await turns(5)
    assert (got, ended) == ([], served.calls)
    assert [(call.path, call.gone) for call in served.calls] in ([], [("/", True)])


async def test_headers_are_not_mixed_up_with_those_of_a_refused_request(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    await client.say(chunked("/1", b"a", trailers=b"x-forged: 1\r\n") + b"NONSENSE\r\n\r\n")
    assert (await client.answer()).json["path"] == "/1"
    assert "x-forged" not in (await served.ask(get("/2"))).json["headers"]


@pytest.mark.parametrize("nonsense", [b"NONSENSE\r\n\r\n", b"\0" * 300_000, HEADS["length twice"]])
async def test_nonsense_behind_a_good_request_lets_its_answer_out(serve: Serve, nonsense: bytes) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        call.head(200, [])
        call.piece(b"half, ", more=True)
        await go.wait()
        call.piece(b"whole", more=False)

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1"), nonsense)
    await turns(10)
    go.set()
    assert (await client.answer()).body == b"half, whole"
    assert await client.closed()
    assert len(served.calls) == 1


async def test_nonsense_behind_requests_that_wait(serve: Serve) -> None:
    """The one under way is answered and told that it is the last; nobody is answered out of turn."""
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        await go.wait()
        call.reply(200, call.path.encode())

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1") + post("/2", b"x") + b"NONSENSE\r\n\r\n")
    go.set()
    answer = await client.answer()
    assert (answer.body, answer.headers["connection"]) == (b"/1", "close")
    assert await client.closed()
    assert len(served.calls) == 1


async def test_nonsense_after_an_answer_whose_handler_goes_on(serve: Serve) -> None:
    go, ended = asyncio.Event(), asyncio.Event()

    async def handle(call: Call) -> None:
        call.reply(200, b"first")
        await go.wait()
        ended.set()

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1"), b"NONSENSE\r\n\r\n")
    assert (await client.answer()).body == b"first"
    refused(await client.answer())
    assert await client.closed()
    go.set()
    await ended.wait()


async def test_nonsense_behind_one_that_waits_for_a_handler_to_end(serve: Serve) -> None:
    """It is not answered in that one's place."""
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        call.reply(200, call.path.encode())
        await go.wait()

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1"), get("/2") + b"NONSENSE\r\n\r\n")
    assert (await client.answer()).body == b"/1"
    go.set()
    assert await client.closed()
    assert len(served.calls) == 1


async def test_half_an_answer_and_a_broken_body_end_together(serve: Serve) -> None:
    async def handle(call: Call) -> None:
        call.head(200, [])
        call.piece(b"half", more=True)
        await call.body(PLENTY)

    served = await serve(handle)
    client = await served.connect()
    await client.say(CHUNKS, b"xyz")
    with pytest.raises((EOFError, ConnectionError)):
        await client.answer()


async def test_a_body_that_breaks_after_its_answer(serve: Serve) -> None:
    async def handle(call: Call) -> None:
        call.reply(401, b"no")

    served = await serve(handle)
    client = await served.connect()
    await client.say(CHUNKS, b"2\r\nab\r\n", b"xyz")
    answer = await client.answer()
    assert (answer.status, answer.body) == (401, b"no")
    assert await client.closed()


@pytest.mark.parametrize("size", [LONGEST_HEAD - 200, LONGEST_HEAD + 1, 3 * LONGEST_HEAD])
@pytest.mark.parametrize("part", ["path", "value", "name", "many"])
@pytest.mark.parametrize("piece", [1 << 20, 10_000])
async def test_long_heads(serve: Serve, size: int, part: str, piece: int) -> None:
    match part:
        case "path":
            wire = get("/" + "a" * size)
        case "value":
            wire = get("/", "x: " + "a" * size)
        case "name":
            wire = get("/", "a" * size + ": x")
        case _:
            wire = get("/", *[f"{number:x<92}: abcd" for number in range(size // 100 + (size > LONGEST_HEAD))])
    served = await serve(name)
    client = await served.connect()
    await client.say(
        *[wire[start : start + piece] for start in range(0, len(wire), piece)][: LONGEST_HEAD // piece + 1]
    )
    answer = await client.answer()
    if size < LONGEST_HEAD:
        assert answer.status == 200
    else:
        assert "65536" in refused(answer, 431)
        assert await client.closed()
        assert served.calls == []


async def test_a_long_name_is_not_remembered(serve: Serve) -> None:
    served = await serve()
    await served.ask(get("/", "A" * 10_000 + ": 1", "X-Short-Name: 1"))
    assert b"X-Short-Name" in NAMES
    assert max(map(len, NAMES)) < 100


@pytest.mark.parametrize(
    "endless",
    [b"0\r\n" + b"x: y\r\n" * 2_000, b"0\r\n" + b"x: " + b"y" * 20_000, b"1;" + b"x" * 20_000],
    ids=["trailers", "a trailer", "an extension"],
)
async def test_what_stands_around_a_body_has_an_end(serve: Serve, endless: bytes) -> None:
    served = await serve(echo)
    client = await served.connect()
    await client.say(CHUNKS, b"1\r\na\r\n", endless)
    more = endless[-6 * 2_000 :]
    for _ in range(12):
        if client.reader.at_eof() or served.house.open == set():
            break
        await client.say(more)
    refused(await client.answer(), 431)
    assert served.calls[0].gone


async def test_a_long_head_behind_a_request_under_way(serve: Serve) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        await go.wait()
        call.reply(200, b"first")

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1"))
    for _ in range(20):
        await client.say(b"a" * 10_000)
    go.set()
    assert (await client.answer()).body == b"first"
    assert await client.closed()


async def test_a_refusal_is_json_whatever_was_said(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve()
    with caplog.at_level(logging.INFO):
        wire = await served.said(HEADS["a quote in the authority"])
    assert json.loads(wire.partition(b"\r\n\r\n")[2])
    assert caplog.records == []

"""Answers as they leave: whole, in pieces, without a body, cut short."""

from __future__ import annotations

import asyncio
import logging

import pytest

from hybridge.errors import InternalError
from hybridge.server.call import Call, header
from tests.server.serving import PLENTY, Client, Handler, Serve, Served, get, name, post, turns


async def in_pieces(call: Call) -> None:
    """A stream of pieces, small, empty and large."""
    call.head(200, [header(b"content-type", b"text/plain")])
    for piece in (b"", b"a", b"", b"b" * 70_000, b"c"):
        call.piece(piece, more=True)
        await call.drain()
    call.piece(b"", more=False)


WHOLE = b"a" + b"b" * 70_000 + b"c"


async def test_a_whole_answer(serve: Serve) -> None:
    async def handle(call: Call) -> None:
        call.request_id = "req_1"
        call.extra = [b"x-extra: 1\r\n"]
        call.answer(201, [header(b"x-own", b"2")], b"said")

    answer = await (await serve(handle)).ask(get("/"))
    assert answer == (
        201,
        {"x-own": "2", "x-hybridge-request-id": "req_1", "x-extra": "1", "content-length": "4"},
        b"said",
    )


async def test_a_large_answer(serve: Serve) -> None:
    async def handle(call: Call) -> None:
        call.reply(200, b"x" * 5_000_000)

    served = await serve(handle)
    client = await served.connect()
    for _ in range(2):
        await client.say(get("/"))
        assert len((await client.answer()).body) == 5_000_000


async def test_a_stream_is_framed_and_its_head_may_go_first(serve: Serve) -> None:
    served = await serve(in_pieces)
    client = await served.connect()
    await client.say(get("/1") + get("/2"))
    wire = await client.reader.readuntil(b"\r\n\r\n")
    assert wire == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    chunks = b"1\r\na\r\n" + b"%x\r\n" % 70_000 + b"b" * 70_000 + b"\r\n1\r\nc\r\n0\r\n\r\n"
    assert await client.reader.readexactly(len(chunks)) == chunks
    assert (await client.answer()).body == WHOLE


async def test_the_head_leaves_with_the_first_piece(serve: Serve) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        call.head(200, [])
        await go.wait()
        call.piece(b"first", more=True)
        await go.wait()
        call.piece(b" and last", more=False)

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.reader.read(1), 0.02)
    go.set()
    assert (await client.answer()).body == b"first and last"


@pytest.mark.parametrize("last", [b"", b"x", b"x" * 70_000])
async def test_a_stream_of_one_piece(serve: Serve, last: bytes) -> None:
    async def handle(call: Call) -> None:
        call.head(200, [])
        call.piece(last, more=False)

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/") * 2)
    assert [(await client.answer()).body for _ in range(2)] == [last] * 2


async def test_an_old_client_s_stream_ends_with_its_connection(serve: Serve) -> None:
    served = await serve(in_pieces)
    client = await served.connect()
    await client.say(get("/", "connection: keep-alive", version="1.0"))
    answer = await client.answer()
    assert answer == (200, {"content-type": "text/plain", "connection": "close"}, WHOLE)


@pytest.mark.parametrize("handle", [name, in_pieces])
async def test_a_head_has_no_body_and_the_connection_goes_on(serve: Serve, handle: Handler) -> None:
    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/", method="HEAD") * 2 + get("/"))
    for _ in range(2):
        assert (await client.answer("HEAD")).headers.get("content-length") == ("1" if handle is name else None)
    assert (await client.answer()).body == (b"/" if handle is name else WHOLE)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_has_no_frame(serve: Serve, status: int) -> None:
    async def handle(call: Call) -> None:
        call.head(status, [b"x-one: 1\r\n"])
        call.piece(b"", more=False)

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/", method="OPTIONS") * 2)
    assert [await client.answer() for _ in range(2)] == [(status, {"x-one": "1"}, b"")] * 2


async def test_a_value_with_a_line_break_never_leaves(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(call: Call) -> None:
        call.answer(200, [header(b"x-name", b"a\r\nx-forged: b")], b"")

    assert await (await serve(handle)).said(get("/")) == b""
    assert "line break" in caplog.text


async def half(call: Call) -> None:
    """Half a stream."""
    call.head(200, [])
    call.piece(b"half", more=True)
    await turns(2)
    if call.path == "/raise":
        raise InternalError("a defect")


async def until_cut(client: Client) -> bytes:
    """What a client reads until its connection is reset. Raises `EOFError` if it ends instead."""
    said = b""
    try:
        while piece := await client.reader.read(1 << 16):
            said += piece
    except ConnectionError:
        return said
    raise EOFError


@pytest.mark.parametrize("path", ["/raise", "/return"])
async def test_half_an_answer_never_looks_whole(serve: Serve, path: str, caplog: pytest.LogCaptureFixture) -> None:
    served = await serve(half)
    assert (await served.said(get(path))).endswith(b"\r\n\r\n4\r\nhalf\r\n")
    client = await served.connect()
    await client.say(get(path, version="1.0"))
    await until_cut(client)
    assert ("a defect" in caplog.text) == (path == "/raise")


@pytest.mark.parametrize("fails", [False, True])
async def test_no_answer_at_all_ends_the_connection(
    serve: Serve, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def handle(call: Call) -> None:
        call.request_id = "req_1"
        if fails:
            raise KeyError("oh")

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1") + get("/2"))
    assert await client.closed()
    assert [call.path for call in served.calls] == ["/1"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * fails
    assert ("req_1" in caplog.text) == fails


async def test_a_handler_that_fails_after_its_answer(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(call: Call) -> None:
        call.reply(200, call.path.encode())
        raise KeyError("late")

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1") + get("/2"))
    assert [(await client.answer()).body for _ in range(2)] == [b"/1", b"/2"]
    assert "late" in caplog.text


async def early(serve: Serve, status: int, read: int) -> Served:
    """A server that answers before the body is whole, having read so many bytes."""

    async def handle(call: Call) -> None:
        while call.size < read:
            await call.wire.more()
        call.reply(status, b"no" * 1000)

    return await serve(handle)


@pytest.mark.parametrize("read", [0, 1, 100_000])
async def test_an_early_answer_arrives_though_the_body_goes_on(serve: Serve, read: int) -> None:
    """A client that sends everything before it reads is heard out."""
    served = await early(serve, 413, read)
    client = await served.connect()
    wire = post("/", b"x" * 8_000_000)
    for start in range(0, len(wire), 500_000):
        await client.say(wire[start : start + 500_000])
    answer = await client.answer()
    assert (answer.status, answer.body, answer.headers["connection"]) == (413, b"no" * 1000, "close")
    assert await client.closed()
    assert served.calls[0].size < 1_000_000
    client.close()
    await served.emptied()


async def test_not_everything_is_heard_out(serve: Serve) -> None:
    served = await early(serve, 401, 0)
    client = await served.connect()
    with pytest.raises(ConnectionError):
        await client.say(post("/", b"x" * 40_000_000))


async def test_nobody_waits_for_the_rest_of_a_body_for_ever(serve: Serve) -> None:
    async def handle(call: Call) -> None:
        call.reply(401, b"")

    served = await serve(handle, idle=0.2)
    client = await served.connect()
    await client.say(post("/", b"x" * 1000)[:-1])
    assert (await client.answer()).status == 401
    await served.emptied()


async def test_an_early_stream_may_end_after_the_body(serve: Serve) -> None:
    """What it says first asks for the rest; the connection ends with it."""

    async def handle(call: Call) -> None:
        call.head(200, [])
        call.piece(b"go on: ", more=True)
        call.piece(await call.body(PLENTY), more=False)

    served = await serve(handle)
    client = await served.connect()
    wire = post("/", b"x" * 100)
    await client.say(wire[:-1])
    assert (await client.reader.readuntil(b"go on: \r\n")).count(b"connection: close\r\n") == 1
    await client.say(wire[-1:])
    assert await client.rest() == b"64\r\n" + b"x" * 100 + b"\r\n0\r\n\r\n"


async def expecting(call: Call) -> None:
    """Wants the body under one path only."""
    if call.path == "/refused":
        call.reply(401, b"")
    else:
        call.reply(200, await call.body(PLENTY))


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
async def test_a_client_is_told_to_go_on_when_its_body_is_wanted(serve: Serve, value: str) -> None:
    served = await serve(expecting)
    client = await served.connect()
    for _ in range(2):
        wire = post("/", b"body", f"expect: {value}")
        await client.say(wire[:-4])
        assert await client.answer() == (100, {}, b"")
        await client.say(wire[-4:-2], wire[-2:])
        assert (await client.answer()).body == b"body"


async def test_a_client_is_not_told_to_go_on_for_nothing(serve: Serve) -> None:
    """Refused, not waiting, without a body, too old to know."""
    served = await serve(expecting)
    client = await served.connect()
    await client.say(post("/refused", b"body", "expect: 100-continue")[:-4])
    assert (await client.answer()).status == 401
    assert await client.closed()
    for wire in (
        post("/", b"body", "expect: 100-continue"),
        post("/", b"", "expect: 100-continue"),
        get("/", "expect: 100-continue"),
    ):
        assert (await served.ask(wire)).status == 200
    for version, cut in (("1.0", -4), ("1.1", -2)):
        wire = post("/", b"body", "expect: 100-continue", version=version)
        assert (await served.ask(wire[:cut], wire[cut:])).status == 200

"""One exchange with a client: bodies in pieces, keys in places, values fit for a header."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.errors import ClientGone, RequestTooLarge
from hybridge.server.call import Call, Lookout, Message, header_value


def piece(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


def call(*messages: Message, headers: Iterable[tuple[bytes, bytes]] = (), query: bytes = b"") -> Call:
    """A call whose client sends these messages and then nothing."""
    waiting = list(messages)

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        return await asyncio.Future()

    async def send(message: Message) -> None:
        """Nobody looks."""

    scope = {"method": "POST", "path": "/", "query_string": query, "headers": list(headers)}
    return Call(scope, receive, send)


async def test_a_body_in_pieces() -> None:
    assert await call(piece(b"whole")).body(5) == b"whole"
    assert await call(piece(b"in ", more=True), piece(b"", more=True), piece(b"two")).body(6) == b"in two"


async def test_a_body_is_not_read_beyond_its_limit() -> None:
    with pytest.raises(RequestTooLarge):
        await call(piece(b"whole")).body(4)
    with pytest.raises(RequestTooLarge):
        await call(piece(b"123", more=True), piece(b"45", more=True)).body(4)
    with pytest.raises(RequestTooLarge, match="99"):
        await call(headers=[(b"content-length", b"99")]).body(4)


async def test_half_a_body_and_no_client() -> None:
    left = call(piece(b"12", more=True), GONE)
    with pytest.raises(ClientGone):
        await left.body(100)
    assert left.gone


async def test_a_client_that_leaves_cancels_the_task_that_answers() -> None:
    watched = call(GONE)
    watched.watch(Lookout())
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(5)
    assert watched.gone
    with pytest.raises(ClientGone):
        await watched.reply(200, b"")


async def test_nobody_looks_out_any_more() -> None:
    watched = call(GONE)
    watched.watch(Lookout())
    watched.unwatch()
    await asyncio.sleep(0.05)
    assert not watched.gone


@pytest.mark.parametrize(
    ("headers", "query", "secret"),
    [
        ([(b"authorization", b"Bearer one")], b"", "one"),
        ([(b"authorization", b"bEaReR   one ")], b"", "one"),
        ([(b"authorization", b"Basic one"), (b"x-api-key", b"two")], b"", "two"),
        ([(b"api-key", b"two")], b"", "two"),
        ([(b"x-goog-api-key", b" two ")], b"key=three", "two"),
        ([], b"a=b&key=three", "three"),
        ([], b"key=th%20ree", "th ree"),
        ([], b"key=", None),
        ([], b"", None),
        ([(b"authorization", b"Bearer")], b"", None),
    ],
)
def test_where_a_key_may_stand(headers: list[tuple[bytes, bytes]], query: bytes, secret: str | None) -> None:
    assert call(headers=headers, query=query).secret() == secret


@given(st.text())
def test_what_others_chose_is_fit_for_a_header(text: str) -> None:
    value = header_value(text)
    assert not {*value} & {*range(9), *range(10, 32), *range(127, 160)}
    assert len(value) == len(text)


def test_what_is_fit_stays() -> None:
    assert header_value("openai/gpt-4o-mini=200;é\t") == "openai/gpt-4o-mini=200;é\t".encode("latin-1")
    assert header_value("a\r\nset-cookie: b") == b"a??set-cookie: b"

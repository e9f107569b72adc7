"""Heads that a connection has sent before: what is known is what the parser would have found, and nothing else is."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from hybridge.server.call import Call, Wire
from hybridge.server.familiar import MOST_STUDIED, Familiar, learn
from tests.server.serving import Serve, chunked, get, post, turns

WIRE = cast("Wire", None)
HEAD = b"POST /v1/x?y=z HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nx-a: b\r\n\r\n"
HEADERS = {b"host": b"here", b"content-length": b"3", b"x-a": b"b"}


def learnt(head: bytes = HEAD, body: bytes = b"abc", **headers: bytes) -> Familiar | None:
    named = HEADERS | {name.replace("_", "-").encode(): value for name, value in headers.items()}
    call = Call(WIRE, "POST", "/v1/x", b"y=z", named, pieces=[body], size=len(body), whole=True)
    return learn(head + body, call)


def known() -> Familiar:
    found = learnt()
    assert found is not None
    return found


@given(st.binary(max_size=2000))
def test_the_same_head_before_another_body(body: bytes) -> None:
    call = known().call(WIRE, HEAD.replace(b": 3\r\n", b": %d\r\n" % len(body)) + body)
    assert call is not None
    assert (call.method, call.path, call.query) == ("POST", "/v1/x", b"y=z")
    assert call.headers == HEADERS | {b"content-length": b"%d" % len(body)}
    assert (call.pieces, call.size, call.whole) == ([body], len(body), True)
    assert (call.params, call.extra, call.request_id, call.answered, call.gone) == ({}, [], "", False, False)


@given(at=st.integers(0, len(HEAD) - 1), byte=st.integers(0, 255), body=st.binary(min_size=3, max_size=3))
def test_a_head_with_another_byte_is_not_known(at: int, byte: int, body: bytes) -> None:
    data = bytearray(HEAD + body)
    data[at] = byte
    if bytes(data) != HEAD + body:
        assert known().call(WIRE, bytes(data)) is None


@given(st.binary(max_size=9).filter(lambda more: len(more) != 3))
def test_less_or_more_than_one_whole_body_is_not_known(body: bytes) -> None:
    assert known().call(WIRE, HEAD + body) is None
    assert known().call(WIRE, HEAD + b"abc" + HEAD + b"abc") is None


@pytest.mark.parametrize("digits", [b"", b"+3", b" 3", b"3 ", b"0x3", b"3,3", b"-3", b"\xb2", b"0" * 10 + b"3"])
def test_a_length_that_is_no_plain_number_is_not_known(digits: bytes) -> None:
    assert known().call(WIRE, HEAD.replace(b": 3\r\n", b": %b\r\n" % digits) + b"abc") is None


@pytest.mark.parametrize(
    ("head", "body", "headers"),
    [
        (HEAD.replace(b"Content-Length: 3", b"a: c"), b"", {}),
        (HEAD, b"abcd", {}),
        (HEAD.replace(b"x-a: b", b"x-a: content-length"), b"abc", {}),
        (HEAD, b"abc", {"transfer_encoding": b"chunked"}),
        (HEAD, b"abc", {"expect": b"100-continue"}),
        (HEAD, b"abc", {"upgrade": b"h2c"}),
        (HEAD.replace(b"x-a: b", b"x-a: " + 5000 * b"b"), b"abc", {}),
        (b"\n" + HEAD[:-4], b"abc", {}),
    ],
)
def test_what_is_not_plain_is_not_learnt(head: bytes, body: bytes, headers: dict[str, bytes]) -> None:
    assert learnt() is not None
    assert learnt(head, body, **headers) is None


#: Requests of a client, with bodies and lines of the kinds that there are.
PATHS = st.sampled_from(["/a", "/b?c=d", "/a%20b"])
LINES = st.lists(st.sampled_from(["x-a: b", "x-a: c", "connection: keep-alive", "Expect: 100-continue"]), max_size=2)
REQUESTS = st.one_of(
    st.builds(lambda path, body, lines: post(path, body, *lines), PATHS, st.binary(max_size=40), LINES),
    st.just(chunked("/c", b"one", b"two")),
    st.just(get("/g")),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=40
)
@given(requests=st.lists(REQUESTS, min_size=2, max_size=6), cut=st.integers(0, 60), together=st.booleans())
@example(requests=[post("/a", b"one"), post("/a", b"three"), post("/a", b"")], cut=0, together=False)
@example(requests=[post("/a", b"one"), post("/a", b"two"), post("/a", b"six"), get("/g")], cut=5, together=True)
async def test_a_connection_hears_what_new_connections_would_hear(
    serve: Serve, requests: list[bytes], cut: int, together: bool
) -> None:
    served = await serve()
    client = await served.connect()
    told: list[Any] = []
    for number, request in enumerate(requests):
        # The last but one comes together with a part of the last, or each comes by itself and may be cut.
        following = requests[number + 1] if together and number + 2 == len(requests) else b""
        if number + 1 == len(requests) and together:
            await client.say(request[cut:])
        elif following:
            await client.say(request + following[:cut])
        else:
            await client.say(*filter(None, (request[:cut], request[cut:])) if number % 2 else (request,))
        answer = await client.answer()
        while answer.status == 100:
            answer = await client.answer()
        told.append(answer.json)
    for request, said in zip(requests, told, strict=True):
        alone = await served.connect()
        await alone.say(request)
        answer = await alone.answer()
        while answer.status == 100:
            answer = await alone.answer()
        assert said == answer.json
        alone.close()
    client.close()


async def test_the_parser_sees_a_head_once(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    for body in (b"one", b"three", b""):
        await client.say(post("/a", body))
        assert (await client.answer()).json["body"] == body.decode()
    (connection,) = served.house.open
    assert connection._studied == 1
    # One that is not like it is read, and learnt in its place.
    await client.say(post("/b", b"four"))
    assert (await client.answer()).json["path"] == "/b"
    assert connection._studied == 2


async def test_a_client_whose_heads_all_differ_is_not_studied_for_ever(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    for number in range(MOST_STUDIED + 3):
        await client.say(post(f"/{number}", b"x"))
        assert (await client.answer()).json["path"] == f"/{number}"
    (connection,) = served.house.open
    assert connection._studied == MOST_STUDIED


async def test_half_a_head_behind_a_request_is_its_beginning(serve: Serve) -> None:
    """What looks like a known request may be in the middle of another one."""
    served = await serve()
    client = await served.connect()
    request = post("/a", b"one")
    await client.say(request)
    await client.answer()
    await client.say(post("/b", b"two") + b"POST /c HTTP/1.1\r\nhost: x\r\nx-a: ")
    assert (await client.answer()).json["path"] == "/b"
    await client.say(request)
    await turns(20)
    assert [call.path for call in served.calls] == ["/a", "/b", "/c"]
    assert served.calls[-1].headers[b"x-a"] == b"POST /a HTTP/1.1"
    assert (await client.answer()).json["path"] == "/c"
    # Nor was anything learnt from it.
    await client.say(request)
    assert (await client.answer()).json["path"] == "/a"


async def test_a_known_head_waits_for_the_answer_before_it(serve: Serve) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        if len(served.calls) == 2:
            await go.wait()
        call.reply(200, await call.body(100))

    served = await serve(handle)
    client = await served.connect()
    await client.say(post("/a", b"one"))
    assert (await client.answer()).body == b"one"
    await client.say(post("/a", b"two"), post("/a", b"three"))
    await turns(20)
    assert len(served.calls) == 2
    go.set()
    assert [(await client.answer()).body for _ in range(2)] == [b"two", b"three"]


async def test_a_known_head_may_be_that_of_the_last_request(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    await client.say(post("/a", b"one"))
    await client.answer()
    served.house.closing = True
    await client.say(post("/a", b"two"))
    assert (await client.answer()).headers["connection"] == "close"
    assert await client.closed()

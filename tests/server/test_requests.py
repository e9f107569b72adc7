"""Requests as they come over the wire: framing, order, cuts, targets."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hybridge.server.call import Call
from tests.server.serving import PLENTY, Answer, Serve, Served, chunked, get, name, post, turns

MIB = 1 << 20


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    await client.say(get("/1") + post("/2", b"two") + chunked("/3", b"th", b"ree") + get("/4"))
    told = [(await client.answer()).json for _ in range(4)]
    assert [(each["path"], each["body"]) for each in told] == [("/1", ""), ("/2", "two"), ("/3", "three"), ("/4", "")]


@pytest.mark.parametrize("pieces", [1, 3])
async def test_the_second_waits_for_a_slow_first(serve: Serve, pieces: int) -> None:
    go = asyncio.Event()

    async def handle(call: Call) -> None:
        if call.path == "/1":
            await go.wait()
        call.reply(200, call.path.encode() + await call.body(PLENTY))

    served = await serve(handle)
    client = await served.connect()
    wire = [get("/1"), post("/2", b"x" * 100_000), get("/3")]
    sending = asyncio.create_task(client.say(*wire) if pieces == 3 else client.say(b"".join(wire)))
    await turns(20)
    assert [call.path for call in served.calls] == ["/1"]
    go.set()
    assert [(await client.answer()).body for _ in wire] == [b"/1", b"/2" + b"x" * 100_000, b"/3"]
    await sending


async def test_a_handler_may_outlast_its_answer(serve: Serve) -> None:
    """The next request waits for its end, and what it says late reaches nobody."""
    go, said = asyncio.Event(), []

    async def handle(call: Call) -> None:
        call.reply(200, call.path.encode())
        if call.path == "/1":
            await go.wait()
            with pytest.raises(RuntimeError):
                call.piece(b"late", more=False)
            with pytest.raises(RuntimeError):
                call.reply(200, b"late")
            with pytest.raises(RuntimeError):
                call.head(200, [])
            said.append("all")

    served = await serve(handle)
    client = await served.connect()
    await client.say(get("/1"))
    assert (await client.answer()).body == b"/1"
    await client.say(get("/2", "connection: close"))
    await turns(5)
    assert len(served.calls) == 1
    go.set()
    answer = await client.answer()
    assert (answer.body, answer.headers["connection"], said) == (b"/2", "close", ["all"])
    assert await client.closed()


async def test_a_connection_is_used_again(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    for number in range(3):
        await client.say(post("/", b"%d" % number))
        answer = await client.answer()
        assert (answer.json["body"], "connection" in answer.headers) == (str(number), False)
    assert len(served.house.open) == 1


async def test_who_wants_no_more_is_closed(serve: Serve) -> None:
    served = await serve(name)
    client = await served.connect()
    await client.say(get("/1", "connection: close") + get("/2"))
    assert (await client.answer()).headers["connection"] == "close"
    assert await client.closed()
    assert [call.path for call in served.calls] == ["/1"]


async def test_extensions_and_trailers_are_nobody_s_headers(serve: Serve) -> None:
    served = await serve()
    client = await served.connect()
    wire = b'2;a="b;c"\r\nab\r\n01\r\nc\r\n0;last\r\nx-api-key: forged\r\nx-more: 1\r\n\r\n'
    await client.say(get("/1", "transfer-encoding: chunked", method="POST") + wire + get("/2"))
    first, second = (await client.answer()).json, (await client.answer()).json
    assert first["body"] == "abc"
    assert first["headers"] == {"host": "127.0.0.1", "transfer-encoding": "chunked"}
    assert second["headers"] == {"host": "127.0.0.1"}


async def test_headers_have_small_names_and_the_last_wins(serve: Serve) -> None:
    served = await serve()
    long = "X-" + "Long" * 50
    told = (await served.ask(get("/", "X-One: a", "X-One: b ", "EMPTY:", f"{long}: \xe9"))).json["headers"]
    assert told == {"host": "127.0.0.1", "x-one": "b ", "empty": "", long.lower(): "\xe9"}


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a/b", "/a/b", ""),
        ("/a%20b%2Fc", "/a b/c", ""),
        ("/%C3%A9", "/é", ""),
        ("/a?b=%20&c=/?d", "/a", "b=%20&c=/?d"),
        ("/a%3Fb?c", "/a?b", "c"),
        ("/a?", "/a", ""),
        ("/a?b#c", "/a", "b"),
        ("/a#b", "/a", ""),
        ("//a", "//a", ""),
        ("http://127.0.0.1/a?b", "/a", "b"),
        ("http://127.0.0.1", "/", ""),
        ("*", "*", ""),
    ],
)
async def test_targets(serve: Serve, target: str, path: str, query: str) -> None:
    served = await serve()
    told = (await served.ask(get(target, method="OPTIONS" if target == "*" else "GET"))).json
    assert (told["path"], told["query"]) == (path, query)


@pytest.mark.parametrize("lines", [[], ["connection: keep-alive"]])
async def test_an_old_client_gets_one_answer(serve: Serve, lines: list[str]) -> None:
    served = await serve()
    client = await served.connect()
    await client.say(post("/", b"old", *lines, "expect: 100-continue", version="1.0"))
    answer = await client.answer()
    assert (answer.status, answer.json["body"], answer.headers["connection"]) == (200, "old", "close")
    assert await client.closed()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [b"", b"in plain HTTP"])
async def test_who_would_rather_speak_http2_is_answered_as_he_asked(serve: Serve, method: str, body: bytes) -> None:
    """Java's own client asks so by default, with a body."""
    served = await serve()
    lines = ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAAB"]
    length = [f"content-length: {len(body)}"] if body else []
    wire = get("/a", *lines, *length, method=method) + body
    for cut in (len(wire) - len(body), len(wire) - len(body) // 2):
        client = await served.connect()
        await client.say(*filter(None, (wire[:cut], wire[cut:])))
        answer = await client.answer()
        assert (answer.json["method"], answer.json["body"], answer.headers["connection"]) == (
            method,
            body.decode(),
            "close",
        )
        assert await client.closed()


async def test_an_upgrade_with_chunks_or_behind_another_request(serve: Serve) -> None:
    served = await serve()
    upgrade = ["connection: upgrade", "upgrade: h2c"]
    wire = get("/", "transfer-encoding: chunked", *upgrade, method="POST")
    assert (await served.ask(wire, b"2\r\nab\r\n", b"0\r\n\r\n")).json["body"] == "ab"
    assert (await served.ask(wire.replace(b"chunked", b"gzip") + b"0\r\n\r\n")).status == 400
    client = await served.connect()
    await client.say(get("/1") + get("/2", *upgrade))
    assert (await client.answer()).headers["connection"] == "close"
    assert await client.closed()


async def test_a_large_body_arrives_whole_and_waits_outside(serve: Serve) -> None:
    """Before somebody reads, hardly any of it is taken in."""
    go, held = asyncio.Event(), []

    async def handle(call: Call) -> None:
        await go.wait()
        held.append(call.size)
        call.reply(200, b"%d" % sum(await call.body(PLENTY)))

    served = await serve(handle)
    client = await served.connect()
    body = bytes(range(250)) * (20 * MIB // 250)
    pieces = [body[start : start + 777_777] for start in range(0, len(body), 777_777)]
    sending = asyncio.create_task(
        client.say(post("/", b"")[:-2].replace(b"length: 0", b"length: %d" % len(body)) + b"\r\n", *pieces)
    )
    await asyncio.sleep(0.1)
    assert not sending.done()
    go.set()
    assert (await client.answer()).body == b"%d" % sum(body)
    assert held[0] <= 64 * 1024 + 256 * 1024
    await sending


async def test_a_frame_that_comes_in_pieces_of_its_own(serve: Serve) -> None:
    """Only what stands around a body counts, not the body."""
    served = await serve()
    wire = [b"30d40\r\n", *[b"x" * 50_000] * 4, b"\r\n", b"1", b"\r\n", b"y", b"\r\n", b"0\r\n", b"\r\n"]
    answer = await served.ask(get("/", "transfer-encoding: chunked", method="POST"), *wire)
    assert answer.json["body"] == "x" * 200_000 + "y"


async def answers(served: Served, count: int, *pieces: bytes) -> list[Answer]:
    """What is said to requests cut into these pieces."""
    client = await served.connect()
    await client.say(*pieces)
    told = [await client.answer() for _ in range(count)]
    client.close()
    return told


SAMPLE = [
    get("/a%20b?c=d", "x-one: 1", "x-two:"),
    post("/x", b"{}\r\n\r\nGET / HTTP/1.1\r\n"),
    chunked("/y", b"abc", b"\r\n", trailers=b"t: 1\r\n"),
    get("http://h/z"),
]


async def test_cut_into_single_bytes(serve: Serve) -> None:
    served = await serve()
    wire = b"".join(SAMPLE)
    whole = await answers(served, 4, wire)
    assert await answers(served, 4, *[bytes((byte,)) for byte in wire]) == whole
    assert [answer.json["path"] for answer in whole] == ["/a b", "/x", "/y", "/z"]


async def test_cut_once_anywhere(serve: Serve) -> None:
    served = await serve()
    wire = SAMPLE[2] + SAMPLE[0]
    whole = await answers(served, 2, wire)
    for cut in range(1, len(wire)):
        assert await answers(served, 2, wire[:cut], wire[cut:]) == whole


TOKEN = st.text("abcXYZ019-_", min_size=1, max_size=8)
VALUE = st.text('abc ,;="\xe9\t', max_size=12).map(str.strip)
BODY = st.binary(max_size=300)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is right."""
    path = "/" + draw(TOKEN) + draw(st.sampled_from(["", "?q=%20", "?", "%2F", "#f"]))
    lines = [f"x{name}: {value}" for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=3))]
    match draw(st.sampled_from(["get", "post", "chunked", "options"])):
        case "post":
            return post(path, draw(BODY), *lines)
        case "chunked":
            pieces = [piece for piece in draw(st.lists(BODY, max_size=4)) if piece]
            return chunked(path, *pieces, trailers=draw(st.sampled_from([b"", b"host: other\r\n"])))
        case method:
            return get(path, *lines, method=method.upper())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data(), wires=st.lists(requests(), min_size=1, max_size=4))
async def test_any_cut_gives_the_same_answers(serve: Serve, data: st.DataObject, wires: list[bytes]) -> None:
    wire = b"".join(wires)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=12)))
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    served = await serve()
    alone = [await served.ask(each) for each in wires]
    assert await answers(served, len(wires), wire) == alone
    assert await answers(served, len(wires), *pieces) == alone
    assert {answer.status for answer in alone} == {200}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data(), wires=st.lists(requests(), min_size=1, max_size=3), dirt=st.binary(max_size=6))
async def test_dirt_anywhere_gives_answers_or_refusals_and_no_defect(
    serve: Serve, caplog: pytest.LogCaptureFixture, data: st.DataObject, wires: list[bytes], dirt: bytes
) -> None:
    wire = b"".join(wires)
    place = data.draw(st.integers(0, len(wire)))
    until = min(len(wire), place + data.draw(st.integers(0, 6)))
    wire = wire[:place] + dirt + wire[until:] + b"\0"
    cut = data.draw(st.integers(0, len(wire)))
    served = await serve(idle=0.5)
    client = await served.connect()
    await client.say(wire[:cut], wire[cut:])
    statuses: list[int] = []
    with contextlib.suppress(EOFError):
        while True:
            statuses.append((await client.answer()).status)
    assert {*statuses} <= {200, 400}
    assert caplog.records == []
    assert 400 not in statuses[:-1]

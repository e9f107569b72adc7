"""The proxy passes everything on, and breaks what it is told to, as it is told to."""

from __future__ import annotations

import asyncio
import email.utils
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import trustme

from hybridge.chaos.plan import ALLOWED, Fault, How, Kind, Phase, Plan
from hybridge.chaos.proxy import ChaosProxy
from hybridge.simulator.faults import Fault as Simulated
from hybridge.simulator.scenario import Latency, Leg
from hybridge.simulator.server import SimulatedProvider
from tests.simulator import raw
from tests.simulator.raw import Got

DIALECTS = ("openai", "anthropic", "gemini")
WORDS = 30
LEG = Leg("behind", flavour="polyglot", recital=WORDS)


@asynccontextmanager
async def chaos(*faults: Fault, leg: Leg = LEG, seed: int = 0) -> AsyncIterator[tuple[SimulatedProvider, ChaosProxy]]:
    async with SimulatedProvider(leg) as provider, ChaosProxy(provider.address, Plan(faults), seed=seed) as proxy:
        yield provider, proxy


async def ask(proxy: ChaosProxy | SimulatedProvider, dialect: str = "openai", stream: bool = False) -> Got:
    place = SimpleNamespace(address=proxy.address, leg=SimpleNamespace(dialect=dialect))
    return await raw.ask(cast(Any, place), stream)


async def whole_answer(dialect: str, stream: bool = False) -> bytes:
    """What the provider itself answers to its first request."""
    async with SimulatedProvider(LEG) as provider:
        return (await ask(provider, dialect, stream)).body


async def silence(proxy: ChaosProxy, dialect: str, stream: bool) -> bytes:
    """What comes before nothing more does."""
    body = {**raw.ASKS[dialect], **({"stream": True} if stream and dialect != "gemini" else {})}
    reader, writer = await raw.open_to(cast(Any, proxy))
    octets = msgspec.json.encode(body)
    writer.write(raw.head("POST", raw.path_of(dialect, stream), len(octets)) + octets)
    got = b""
    try:
        async with asyncio.timeout(0.5):
            while piece := await reader.read(65536):
                got += piece
    except TimeoutError:
        return got
    finally:
        writer.close()
    raise AssertionError("it ended")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
async def test_without_a_fault_everything_passes(dialect: str, stream: bool) -> None:
    async with SimulatedProvider(LEG) as provider:
        direct = await ask(provider, dialect, stream)
    async with chaos() as (provider, proxy):
        passed = await ask(proxy, dialect, stream)
    assert passed.body == direct.body
    assert (passed.status, passed.ended) == (200, "whole")
    assert {name: value for name, value in passed.headers.items() if name not in ("date", "transfer-encoding")} == {
        name: value for name, value in direct.headers.items() if name not in ("date", "transfer-encoding")
    }
    (seen,) = provider.requests
    assert seen.headers["host"] == provider.address.removeprefix("http://")


async def test_connections_are_kept_on_both_sides() -> None:
    async with chaos() as (provider, proxy):
        reader, writer = await raw.open_to(cast(Any, proxy))
        for dialect in DIALECTS:
            octets = msgspec.json.encode(raw.ASKS[dialect])
            writer.write(raw.head("POST", raw.path_of(dialect), len(octets)) + octets)
            assert (await raw.read(reader)).status == 200
        writer.close()
        assert (proxy.requests, provider.count) == (3, 3)


async def test_a_kept_connection_that_the_provider_ended_is_replaced() -> None:
    served: list[int] = []

    async def twice_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(0)
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            served[-1] += 1
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(twice_each, "127.0.0.1", 0)
    async with server, ChaosProxy(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
        reader, writer = await raw.open_to(cast(Any, proxy))
        for _ in range(5):
            writer.write(raw.head("GET", "/v1/models", 0))
            assert (await raw.read(reader)).json == {}
        writer.close()
    assert served == [2, 2, 1]


async def test_a_refusal_of_the_provider_passes_too() -> None:
    async with chaos() as (provider, proxy):
        provider.fail_next(Simulated("status", status=418))
        assert (await ask(proxy)).status == 418
        provider.fail_next(Simulated("cut", after_events=3))
        assert (await ask(proxy, stream=True)).ended == "cut"
        assert (await ask(proxy)).status == 200


async def test_whoever_leaves_is_followed() -> None:
    async with chaos(leg=Leg("slow", latency=Latency(60_000))) as (provider, proxy):
        asking = asyncio.create_task(ask(proxy))
        while not provider.count:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        asking.cancel()
        while not provider.left_early:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("kind", "phase", "ended", "whole"),
    [
        ("reset", "head", "reset", b""),
        ("reset", "first", "reset", b""),
        ("reset", "content", "reset", b""),
        ("cut", "head", "cut", b""),
        ("cut", "first", "cut", b""),
        ("cut", "content", "cut", b"half"),
        ("truncate", "content", "whole", b"half"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_whole_answer_is_broken(dialect: str, kind: Kind, phase: Phase, ended: str, whole: bytes) -> None:
    right = await whole_answer(dialect)
    async with chaos(Fault(kind, phase)) as (_, proxy):
        got = await ask(proxy, dialect)
    assert got.ended == ended
    assert got.status == (0 if phase == "head" else 200)
    if whole:
        assert got.body == right[: len(right) // 2]
    assert proxy.injected == {kind: 1}


@pytest.mark.parametrize("kind", ["reset", "cut", "truncate", "error_in_200", "no_end"])
@pytest.mark.parametrize("phase", ["first", "content"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_stream_is_broken_in_its_phase(dialect: str, kind: Kind, phase: Phase) -> None:
    if phase not in ALLOWED[kind]:
        return
    right = await whole_answer(dialect, True)
    async with chaos(Fault(kind, phase, after_content=1)) as (_, proxy):
        got = await ask(proxy, dialect, True)
    expected = "reset" if kind == "reset" else "cut" if kind == "cut" else "whole"
    assert (got.status, got.ended) == (200, expected)
    shared = next((at for at, (a, b) in enumerate(zip(got.body, right, strict=False)) if a != b), len(got.body))
    beginning = {"openai": b'"content":"', "anthropic": b'"text_delta","text":"', "gemini": b'"text":"'}[dialect]
    told = right[:shared].count(beginning) - (dialect == "openai")
    if kind in ("reset", "error_in_200"):
        assert told == (phase == "content")
    if kind != "error_in_200":
        assert right.startswith(got.body)
        assert len(got.body) < len(right)
        assert got.body.endswith((b"\n\n", b"\r\n\r\n")) == (kind in ("reset", "no_end")) or not got.body
    assert b"[DONE]" not in got.body
    assert b"message_stop" not in got.body


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_has_the_dialects_own_words(dialect: str, stream: bool) -> None:
    async with chaos(Fault("error_in_200", "first")) as (_, proxy):
        got = await ask(proxy, dialect, stream)
    assert (got.status, got.ended) == (200, "whole")
    assert b'"error"' in got.body.splitlines()[-1] + got.body
    assert b"Injected failure." in got.body


@pytest.mark.parametrize("phase", ["head", "first", "content"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_stall_is_silence_until_the_client_leaves(phase: Phase, stream: bool) -> None:
    async with chaos(Fault("stall", phase)) as (_, proxy):
        got = await silence(proxy, "anthropic", stream)
        assert got.startswith(b"HTTP/1.1 200") or phase == "head"
        assert (b'"text":"' in got.replace(b'"text":""', b"")) == (phase == "content")
        assert b"message_stop" not in got
        while proxy.under_way:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)


async def test_a_status_says_when_to_come_back() -> None:
    plain, number, date = (
        Fault("status", status=429, retry_after=after, as_date=as_date)
        for after, as_date in ((None, False), (1.5, False), (90, True))
    )
    for fault in (plain, number, date):
        async with chaos(fault) as (provider, proxy):
            got = await ask(proxy, "anthropic")
            assert (got.status, got.json["error"]["type"], provider.count) == (429, "rate_limit_error", 0)
        after = got.headers.get("retry-after")
        if fault is date:
            assert after is not None
            then, now = map(email.utils.parsedate_to_datetime, (after, got.headers["date"]))
            assert (then - now).total_seconds() == 90
        else:
            assert after == (None if fault is plain else "1.5")


async def test_late_and_in_drops_it_is_all_there() -> None:
    right = await whole_answer("anthropic", True)
    began = time.monotonic()
    async with chaos(Fault("latency", delay_s=0.2)) as (_, proxy):
        assert (await ask(proxy, "anthropic", True)).body == right
    assert time.monotonic() - began >= 0.2
    for stream in (False, True):
        async with chaos(Fault("drip", octets=100, every_s=0.001)) as (_, proxy):
            got = await ask(proxy, "anthropic", stream)
            assert got.ended == "whole"
            assert got.body == right or not stream


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reset_after_so_many_bytes(stream: bool) -> None:
    async with chaos(Fault("reset", "content", after_octets=300)) as (_, proxy):
        got = await ask(proxy, stream=stream)
        assert got.ended == "reset"
        assert len(got.body) in (0, 300)


@pytest.mark.parametrize("how", ["refuse", "reset", "hang"])
async def test_an_outage_and_its_end(how: How) -> None:
    async with chaos() as (provider, proxy):
        assert (await ask(proxy)).status == 200
        address = proxy.address
        await proxy.go_down(how)
        if how == "refuse":
            with pytest.raises(ConnectionRefusedError):
                await ask(proxy)
        elif how == "reset":
            with pytest.raises(ConnectionResetError):
                await raw_read(proxy)
        else:
            assert await silence(proxy, "openai", False) == b""
        await proxy.come_back()
        assert (await ask(proxy)).status == 200
        assert (proxy.address, provider.count) == (address, 2)


async def raw_read(proxy: ChaosProxy) -> None:
    reader, writer = await raw.open_to(cast(Any, proxy))
    try:
        await reader.readexactly(1)
    finally:
        writer.close()


async def test_an_outage_by_plan() -> None:
    async with chaos(Fault("outage", from_s=0.1, to_s=0.3)) as (_, proxy):
        assert (await ask(proxy)).status == 200
        while not proxy.injected:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        with pytest.raises(ConnectionRefusedError):
            await ask(proxy)
        while True:
            try:
                assert (await ask(proxy)).status == 200
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


async def test_what_hangs_in_an_outage_is_cut_off_when_the_leg_dies() -> None:
    async with chaos(Fault("stall", "content")) as (_, proxy):
        asking = asyncio.create_task(ask(proxy, stream=True))
        while not proxy.under_way:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        await proxy.go_down("refuse")
        assert (await asking).ended == "reset"


async def test_the_same_seed_hits_the_same_requests() -> None:
    async def hit(seed: int) -> list[int]:
        async with chaos(Fault("status", probability=0.5), seed=seed) as (_, proxy):
            return [(await ask(proxy)).status for _ in range(12)]

    assert await hit(1) == await hit(1) != await hit(2)


async def test_a_provider_behind_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(answer, "localhost", 0, ssl=context)
    async with server:
        address = f"https://localhost:{server.sockets[0].getsockname()[1]}/behind/"
        async with ChaosProxy(address) as proxy:
            reader, writer = await raw.open_to(cast(Any, proxy))
            writer.write(raw.head("GET", "/v1/models", 0))
            assert (await raw.read(reader)).status == 502
            writer.close()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        async with ChaosProxy(address) as proxy:
            reader, writer = await raw.open_to(cast(Any, proxy))
            writer.write(raw.head("GET", "/v1/models", 0))
            assert (await raw.read(reader)).json == {}
            writer.close()
    assert [line.splitlines()[0] for line in asked] == [b"GET /behind/v1/models HTTP/1.1"]


async def test_a_provider_that_is_not_there() -> None:
    async with ChaosProxy("http://127.0.0.1:9") as proxy:
        assert (await ask(proxy)).status == 502


@pytest.mark.parametrize("address", ["", "127.0.0.1:80", "ftp://host", "http://"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ValueError, match="not an address of a provider"):
        ChaosProxy(address)


async def test_nonsense_gets_no_answer() -> None:
    async with chaos() as (provider, proxy):
        for octets in (
            b"nonsense\r\n\r\n",
            b"POST /x HTTP/1.1\r\ncontent-length: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nx\r\n\r\n",
        ):
            reader, writer = await raw.open_to(cast(Any, proxy))
            writer.write(octets)
            assert await reader.read() == b""
            writer.close()
        assert (proxy.requests, provider.count) == (0, 0)

"""The parts of the supervisor that need no process: messages, channel, sockets, waits, changed files."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Raw
from msgspec.structs import replace

from hybridge.admin.holds import Held
from hybridge.config import Config, Found, Overrides, load, read
from hybridge.config.report import Report
from hybridge.errors import ConfigError
from hybridge.observers.samples import Sample
from hybridge.supervisor.channel import Channel, connect, listen
from hybridge.supervisor.governing import open_admin
from hybridge.supervisor.messages import (
    Apply,
    Count,
    Done,
    Drain,
    Hello,
    Hold,
    Holding,
    InForce,
    LetGo,
    Message,
    Playing,
    Prepare,
    Reload,
    Samples,
    Stand,
    Standings,
    decode,
    encode,
)
from hybridge.supervisor.restarts import Restarts
from hybridge.supervisor.settled import settled
from hybridge.supervisor.sockets import addresses, occupy, reserve, share
from hybridge.supervisor.watching import changes, mark

EVERYTHING = """
server: {host: 127.0.0.1, port: 9080, workers: 3, max_body: 8MB, cors: ['https://a.example'], drain: 5s}
admin: {token: env:TOKEN}
currency: {default: VND, rates: {VND: {per_usd: 26300.5, as_of: 2026-11-22}}}
providers:
  openai: {keys: [env:A, env:B], fee: 5.5%, headers: {x-team: env:B}}
  mine: {kind: gateway, dialect: openai, base_url: 'http://127.0.0.1:1/v1', keys: [none], timeouts: {connect: 2s},
         quirks: {drop: [seed], clamp: {temperature: {max: 1}}, scale: {temperature: 0.5}}}
models:
  m: {deployments: [openai/gpt-4o-mini, mine/m], fallbacks: [n], price: {mine/m: {input: 0.15, output: 0.60}},
      retries: {attempts: 3}, assume_price: {input: 1, output: 2}}
routing: {cheap_below: 500 VND, unknown_models: 'pass:mine'}
access: {mode: keys, keys: [{name: app, key: env:A, models: [m]}]}
"""


def everything() -> Config:
    return load(EVERYTHING, {"A": "sk-a", "B": "sk-b", "TOKEN": "t"})


def test_a_configuration_arrives_as_it_was_sent() -> None:
    sent = Prepare(config=everything(), addresses=(("::1", 80), ("127.0.0.1", 80)), number=7)
    line = encode(sent)
    assert line.count(b"\n") == 1
    received = decode(line)
    assert received == sent
    assert isinstance(received, Prepare)
    assert received.config.providers["openai"].keys[0].reveal() == "sk-a"
    assert received.config.providers["openai"].keys[0].source == "env:A"


@pytest.mark.parametrize(
    "message",
    [
        Hello(role="scene", pid=1),
        Apply(number=3),
        Done(answers=3, problems=("no",)),
        Count(number=1),
        Samples(answers=1, samples=(Sample("hybridge_request_seconds", ("a/b",), 0.5, (1, 2)),)),
        Playing(providers={"a": {"base_url": "http://x", "keys": ["k"]}}),
        Drain(now=True),
        InForce(config=everything(), file="a.yaml", since=1.5),
        Stand(number=4),
        Standings(workers=(Raw(b'{"pid":7}'),), held=(Held("a/m", "open"),), wanted=2, restarted=1),
        Hold(held=Held("a", "closed", 1.5, "why")),
        LetGo(id="a/m"),
        Holding(held=(Held("a/m", "open", None, "drained"), Held("b", "closed", 2.0))),
        Reload(number=9),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_is_a_line(message: Message) -> None:
    assert decode(encode(message)) == message


async def test_both_ends_of_a_channel_may_ask(tmp_path: Path) -> None:
    told: list[object] = []

    async def met(channel: Channel) -> None:
        asking = asyncio.create_task(channel.ask(Apply()))
        async for message in channel.messages():
            channel.answer(message, Samples(samples=(Sample("a", (), 1.0),)))
            told.append(await asking)

    async with await listen(tmp_path / "s", met):
        channel = await connect(str(tmp_path / "s"))
        messages = channel.messages()
        apply = await anext(messages)
        channel.answer(apply, Done(problems=("busy",)))
        answered = asyncio.create_task(channel.ask(Count()))
        ended = asyncio.create_task(anext(messages, None))
        answer = await answered
        assert isinstance(answer, Samples)
        channel.close()
        assert await ended is None
    assert told == [Done(answers=1, problems=("busy",))]
    assert answer.samples == (Sample("a", (), 1.0),)


async def test_who_asks_somebody_who_is_gone_or_silent_is_told_nothing(tmp_path: Path) -> None:
    async def met(channel: Channel) -> None:
        messages = channel.messages()
        await anext(messages)
        await anext(messages)

    async with await listen(tmp_path / "s", met):
        channel = await connect(str(tmp_path / "s"))
        reading = asyncio.create_task(anext(channel.messages(), None))
        assert await channel.ask(Count(), within=0.01) is None
        assert await channel.ask(Count()) is None
        assert await reading is None
        assert channel.over
        assert await channel.ask(Count()) is None
        channel.send(Apply())


def test_a_reserved_port_is_shared_by_those_who_are_told_of_it() -> None:
    held = reserve("127.0.0.1", 0)
    places = addresses(held)
    workers = [*share(places), *share(places)]
    try:
        assert {one.getsockname() for one in workers} == {held[0].getsockname()}
        for one in workers:
            one.listen()
        with pytest.raises(ConfigError) as raised:
            reserve(*places[0])
        assert "address already in use" in str(raised.value)
        with socket.create_connection(places[0], timeout=5):
            pass
    finally:
        for one in (*held, *workers):
            one.close()


def test_a_port_of_ones_own_is_listened_at_and_shared_with_nobody() -> None:
    (alone,) = occupy("127.0.0.1", 0)
    try:
        with socket.create_connection(alone.getsockname(), timeout=5):
            pass
        with pytest.raises(ConfigError, match="address already in use"):
            occupy(*alone.getsockname())
        with pytest.raises(OSError, match="in use"):
            share([alone.getsockname()])
    finally:
        alone.close()


def test_only_a_control_plane_that_was_asked_for_must_be(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = EVERYTHING.replace("port: 9080", f"port: 9080, admin_port: {port}")
        for source, overrides in ((text, Overrides()), (EVERYTHING, Overrides(admin_port=port))):
            asked = read(source, {"A": "a", "B": "b", "TOKEN": "t"}, overrides=overrides)
            with pytest.raises(ConfigError, match="address already in use"):
                open_admin(asked)
        # The same port, but nobody said so.
        default = Found(asked.config, Report("file"))
        assert open_admin(default) == []
        assert f"cannot listen on 127.0.0.1:{port}" in caplog.text
        off = read(text, {"A": "a", "B": "b", "TOKEN": "t"}, overrides=Overrides(admin_port="off"))
        assert open_admin(off) == []


def test_no_process_but_its_own_imports_what_the_control_plane_is_made_of() -> None:
    heavy = "import sys; print([name for name in ('fastapi', 'pydantic', 'starlette') if name in sys.modules])"
    for module in ("supervisor.worker", "supervisor.supervisor", "cli.serve"):
        ran = subprocess.run(
            [sys.executable, "-c", f"import hybridge.{module}; {heavy}"], capture_output=True, text=True, check=True
        )
        assert ran.stdout == "[]\n", module


def test_every_address_of_a_host_has_the_same_port() -> None:
    held = reserve("localhost", 0)
    try:
        assert len({port for _, port in addresses(held)}) == 1
    finally:
        for one in held:
            one.close()


def test_the_first_death_costs_no_time_and_young_ones_ever_more() -> None:
    restarts = Restarts()
    assert [restarts.wait(1) for _ in range(10)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert [restarts.wait(60), restarts.wait(1), restarts.wait(1)] == [0, 0, 0.5]


async def test_a_file_that_changes_is_noticed_once_it_rests(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_text("one")
    turns = changes(file, mark(file), pause=0)
    waiting = asyncio.ensure_future(anext(turns))

    async def looks(count: int = 5) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    await looks()
    assert not waiting.done()
    file.unlink()
    await looks()
    assert not waiting.done()
    file.write_text("half")
    await looks(1)
    file.write_text("a whole one")
    await looks(1)
    assert not waiting.done()
    await looks()
    assert waiting.done()
    # Another file in its place, of the same size and time.
    new, old = tmp_path / "new", file.stat()
    new.write_text("b whole one")
    os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
    new.replace(file)
    await anext(turns)
    # A link that is turned to another file.
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    turned = changes(tmp_path / "link", mark(tmp_path / "link"), pause=0)
    (tmp_path / "b").write_text("b")
    (tmp_path / "other").symlink_to(tmp_path / "b")
    (tmp_path / "other").replace(tmp_path / "link")
    await anext(turned)


def test_what_is_settled_stays_and_is_named() -> None:
    old = everything()
    server = replace(old.server, port=1, workers=9, max_body=5)
    new = replace(
        old,
        server=server,
        admin=replace(old.admin, host="::1", token=None),
        storage="sqlite:///other.db",
        routing=replace(old.routing, unpriced="refuse"),
    )
    kept, named = settled(old, new)
    assert named == ("server.port", "server.workers", "admin.host", "storage")
    assert (kept.admin.host, kept.admin.token) == ("127.0.0.1", None)
    assert (kept.server.port, kept.server.workers, kept.server.max_body) == (9080, 3, 5)
    assert (kept.storage, kept.routing.unpriced) == (old.storage, "refuse")
    assert settled(old, old) == (old, ())

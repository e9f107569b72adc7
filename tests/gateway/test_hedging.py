"""A second copy of a request that is late: who wins, what is told, what is billed."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.gateway.asking import CHUNKS, ask, chain, events, in_each_dialect
from tests.gateway.harness import Link, Received, Script, Upstream, answering, gateway, openai_reply, streaming
from tests.supervisor.serving import until


def hedged(*upstreams: Upstream, **more: Any) -> dict[str, Any]:
    """A chain whose model may have a copy after a moment, as often as it likes."""
    values: dict[str, Any] = chain(
        *upstreams, **{"hedging": {"least": "0s", "at_first": "30ms", "share": "100%"}, **more}
    )
    values["models"]["m"]["hedge"] = True
    return values


def silent(left: asyncio.Event) -> Script:
    """Never answers; says when the gateway has left."""

    async def script(received: Received, link: Link) -> None:
        await link.until_closed()
        left.set()

    return script


@in_each_dialect
async def test_whoever_has_content_first_is_the_answer_and_both_are_billed(ours: str) -> None:
    for stream in (False, True):
        left = asyncio.Event()
        quick = streaming(CHUNKS["openai"]("Hel", "lo")) if stream else answering(200, openai_reply("Hello"))
        async with Upstream(silent(left)) as a, Upstream(quick) as b, gateway(hedged(a, b)) as running:
            answer = await ask(running, ours, stream=stream)
            assert answer.status_code == 200
            assert "Hel" in answer.text
            assert answer.headers["x-hybridge-deployment"] == "b/x"
            await asyncio.wait_for(left.wait(), 5)
            await until(lambda: bool(running.entries))
            loser, winner = running.entries[-1].attempts
            assert (loser.deployment, loser.error_class, loser.cost_source) == ("a/x", "hedged", "estimated")
            assert (winner.deployment, winner.error_class, winner.cost_source) == ("b/x", "", "computed")
            assert loser.cost_nano_usd
            assert running.entries[-1].status == 200
            if not stream:
                assert answer.headers["x-hybridge-attempts"] == "a/x=hedged;b/x=200"
                assert (
                    running.running.assembled.rates.text(running.entries[-1].cost_nano_usd or 0)
                    == (answer.headers["x-hybridge-cost"])
                )


async def test_the_first_may_still_win_and_the_copy_is_given_up() -> None:
    gate, left = asyncio.Event(), asyncio.Event()

    async def late(received: Received, link: Link) -> None:
        await gate.wait()
        await link.reply(200, openai_reply("late"))

    async def opening(received: Received, link: Link) -> None:
        gate.set()
        await link.until_closed()
        left.set()

    async with Upstream(late) as a, Upstream(opening) as b, gateway(hedged(a, b)) as running:
        answer = await ask(running, "openai")
        assert answer.headers["x-hybridge-deployment"] == "a/x"
        await asyncio.wait_for(left.wait(), 5)
        await until(lambda: bool(running.entries))
        assert [one.error_class for one in running.entries[-1].attempts] == ["hedged", ""]


async def test_one_fails_and_the_other_answers() -> None:
    gate = asyncio.Event()

    async def late(received: Received, link: Link) -> None:
        await gate.wait()
        await link.reply(500 if gate.is_set() else 200, b"")

    async def opening(received: Received, link: Link) -> None:
        gate.set()
        await asyncio.sleep(0.05)
        await link.reply(200, openai_reply("here"))

    async with Upstream(late) as a, Upstream(opening) as b, gateway(hedged(a, b)) as running:
        answer = await ask(running, "openai")
        assert answer.headers["x-hybridge-attempts"] == "a/x=500;b/x=200"
        assert running.running.breakers["a/x"].state == "closed"
        await until(lambda: bool(running.entries))
        assert len(running.entries[-1].attempts) == 2


async def test_all_fail_and_the_client_is_told_of_both() -> None:
    gate = asyncio.Event()

    async def late(received: Received, link: Link) -> None:
        await gate.wait()
        await link.reply(500, b"")

    async def opening(received: Received, link: Link) -> None:
        gate.set()
        await link.reply(503, b"")

    async with Upstream(late) as a, Upstream(opening) as b, gateway(hedged(a, b)) as running:
        answer = await ask(running, "openai")
        assert answer.status_code == 502
        attempts = answer.json()["error"]["attempts"]
        assert sorted(each["deployment"] for each in attempts) == ["a/x", "b/x"]


async def test_a_client_that_leaves_gives_both_up() -> None:
    lefts = [asyncio.Event(), asyncio.Event()]
    async with Upstream(silent(lefts[0])) as a, Upstream(silent(lefts[1])) as b, gateway(hedged(a, b)) as running:
        task = asyncio.create_task(ask(running, "openai"))
        await until(lambda: bool(b.received))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(asyncio.gather(*(left.wait() for left in lefts)), 5)
        await until(lambda: bool(running.entries))
        (entry,) = running.entries
        assert entry.status == 499
        assert [one.error_class for one in entry.attempts] == ["client_gone", "client_gone"]


async def test_no_copy_goes_out_beyond_the_share_or_to_the_same_provider() -> None:
    gate = asyncio.Event()

    async def late(received: Received, link: Link) -> None:
        asyncio.get_running_loop().call_later(0.15, gate.set)
        await gate.wait()
        gate.clear()
        await link.reply(200, openai_reply("late"))

    spare = answering(200, openai_reply("spare"))
    few: Any = {"hedging": {"least": "0s", "at_first": "20ms", "share": "0%"}}
    async with Upstream(late) as a, Upstream(spare) as b, gateway(hedged(a, b, **few)) as running:
        # One is free, because a share of few requests is none.
        answered = [(await ask(running, "openai")).headers["x-hybridge-deployment"] for _ in range(3)]
        assert answered == ["b/x", "a/x", "a/x"]
    async with Upstream(late) as a, gateway(hedged(a)) as running:
        assert (await ask(running, "openai")).headers["x-hybridge-deployment"] == "a/x"


async def test_a_winner_that_breaks_off_goes_on_elsewhere_too() -> None:
    async def breaking(received: Received, link: Link) -> None:
        await link.stream(CHUNKS["openai"]("Hel", "lo, ")[:3], end=False)
        link.hang_up()

    left = asyncio.Event()
    ending = streaming(CHUNKS["openai"]("world and", " more"))
    async with (
        Upstream(silent(left)) as a,
        Upstream(breaking) as b,
        Upstream(ending) as c,
        gateway(hedged(a, b, c)) as running,
    ):
        answer = await ask(running, "openai", stream=True, route={"stream_recovery": "continue"})
        chunks = events(answer.text)
        said = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
        assert said == "Hello, world and more"
        await until(lambda: bool(running.entries))
        assert [one.error_class for one in running.entries[-1].attempts] == ["hedged", "connection_lost", ""]

"""More streams at a time to one provider than any fixed pool has connections."""

from __future__ import annotations

import asyncio

from tests.gateway.asking import CHUNKS, ask, chain
from tests.gateway.harness import Link, Received, Upstream, answering, gateway, openai_reply

MANY = 130


async def test_many_long_streams_all_go_to_the_first_that_is_well() -> None:
    gate, under_way = asyncio.Event(), asyncio.Semaphore(0)

    async def long(received: Received, link: Link) -> None:
        pieces = CHUNKS["openai"]("Hel", "lo")
        await link.stream(pieces[:2], end=False)
        under_way.release()
        await gate.wait()
        await link.send(*(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces[2:]), b"0\r\n\r\n")

    async def all_under_way() -> None:
        for _ in range(MANY):
            await under_way.acquire()

    async with (
        Upstream(long) as a,
        Upstream(answering(200, openai_reply())) as spare,
        gateway(chain(a, spare, server={"concurrency": MANY})) as running,
    ):
        asked = [asyncio.create_task(ask(running, "openai", stream=True)) for _ in range(MANY)]
        await asyncio.wait_for(all_under_way(), 20)
        gate.set()
        answers = await asyncio.gather(*asked)
        assert {answer.headers["x-hybridge-attempts"] for answer in answers} == {"a/x=200"}
        assert not spare.received

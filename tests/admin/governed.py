"""`hybridge serve` with its control plane, and an operator who asks it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2

from tests.gateway.harness import Upstream, provider
from tests.supervisor.serving import Served, Values, serving

TOKEN = "t0ken-of-the-tests"

#: Two ways to one model: the second is asked when the first is not.
FIRST, SECOND = "one/m", "two/m"


def two_legs(one: Upstream, two: Upstream, **more: object) -> dict[str, object]:
    """A configuration of two workers, two providers and one model."""
    price = {"input": 1, "output": 2}
    return {
        "server": {"port": 0, "workers": 2, "drain": "20s"},
        "admin": {"token": TOKEN},
        "storage": "sqlite:///accounts.db",
        "providers": {"one": provider(one), "two": provider(two)},
        "models": {"m": {"deployments": [FIRST, SECOND], "price": {FIRST: price, SECOND: price}}},
        **more,
    }


class Operator:
    """Asks the control plane of a gateway."""

    def __init__(self, served: Served, client: httpx2.AsyncClient) -> None:
        self.served = served
        self.client = client

    async def get(self, path: str, **query: str | int) -> Any:
        """What an answer of 200 says."""
        answer = await self.client.get(f"/admin{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: object = None, status: int = 200) -> Any:
        """Change something; what the answer says."""
        answer = await self.client.post(f"/admin{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def force(self, name: str, state: str, **more: object) -> Any:
        """Hold a breaker, or let go of it."""
        return await self.post(f"/breakers/{name}", {"state": state, **more})

    async def breaker(self, name: str) -> Any:
        """One breaker."""
        (found,) = (one for one in (await self.get("/breakers"))["breakers"] if one["id"] == name)
        return found

    async def answering(self, requests: int = 8) -> set[str]:
        """The deployments that answer so many chats, each on a connection of its own."""
        answers = [await self.served.chat() for _ in range(requests)]
        assert {answer.status_code for answer in answers} == {200}, [answer.text for answer in answers]
        return {answer.headers["x-hybridge-deployment"] for answer in answers}

    async def until(self, holds: Callable[[], Awaitable[bool]], within: float = 20.0) -> None:
        """Wait for what other processes do."""
        async with asyncio.timeout(within):
            while not await holds():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def governing(folder: Path, text: Values, *arguments: str, token: str = TOKEN) -> AsyncIterator[Operator]:
    """Serve a configuration with its control plane on a free port."""
    async with serving(folder, text, "--admin-port", "0", *arguments) as served:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        async with httpx2.AsyncClient(
            base_url=served.admin_url, headers=headers, timeout=60, trust_env=False
        ) as client:
            yield Operator(served, client)

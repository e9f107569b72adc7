"""The control plane in front of a data plane that does what a test tells it, and of a real ledger."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import httpx2

from hybridge import app
from hybridge.admin.api import api
from hybridge.admin.desk import Desk, InForce
from hybridge.admin.door import Door, Token
from hybridge.admin.holds import Held, Holds
from hybridge.admin.plane import Survey, Unreachable
from hybridge.config import Config, load
from hybridge.ledger.entry import LedgerEntry
from hybridge.ledger.store import SqliteLedger
from hybridge.observers.standing import Standing
from hybridge.server.guard import Guard

TOKEN = "t0ken"
NOW = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC

VALUES: Mapping[str, object] = {
    "storage": "sqlite:///ledger.db",
    "providers": {
        "house": {
            "kind": "direct",
            "dialect": "openai",
            "base_url": "http://127.0.0.1:9/v1",
            "keys": ["sk-canary-one", "sk-canary-two"],
        },
        "shop": {
            "kind": "gateway",
            "dialect": "openai",
            "base_url": "http://127.0.0.1:9/v1",
            "keys": ["none"],
            "fee": "5%",
        },
    },
    "models": {
        "m": {
            "deployments": ["house/mini", "shop/vendor/mini"],
            "fallbacks": ["n"],
            "price": {"house/mini": {"input": 1, "output": 2}},
        }
    },
}


class Plane:
    """A data plane without processes. `gone`: nobody answers; `problems` are what any change meets."""

    def __init__(self) -> None:
        self.workers: list[Standing] = []
        self.problems: Sequence[str] = ()
        self.gone = False
        self.drains = 0
        self.holds = Holds(lambda: NOW)

    async def survey(self) -> Survey:
        if self.gone:
            raise Unreachable("nobody is there")
        return Survey(self.workers, self.holds.all(), 2, 1)

    async def hold(self, held: Held) -> Sequence[str]:
        return self.problems or self.holds.hold(held)

    async def let_go(self, breaker_id: str) -> Sequence[str]:
        self.holds.let_go(breaker_id)
        return self.problems

    async def reload(self) -> Sequence[str]:
        return self.problems

    async def drain(self) -> None:
        self.drains += 1


class Office:
    """An operator's view: `client` asks, `plane` is what answers behind."""

    def __init__(self, folder: Path, values: Mapping[str, object] = VALUES) -> None:
        self.config = config(folder, values)
        self.plane = Plane()
        self.path = Path(self.config.ledger_path)
        SqliteLedger(self.path).close()
        self.now = NOW
        in_force = InForce(app.assemble(self.config), NOW, "hybridge.yaml")
        self.desk = Desk(self.plane, in_force, lambda: self.now)
        guard = Guard(bound_to=self.config.admin.host, cors=self.config.server.cors)
        self.door = Door(api(self.desk), Token.given(TOKEN), guard)

    def keep(self, *entries: LedgerEntry) -> None:
        """Write entries, as another process does."""
        ledger = SqliteLedger(self.path)
        for entry in entries:
            ledger.append(entry)
        ledger.close()

    @contextlib.asynccontextmanager
    async def client(self, token: str = TOKEN) -> AsyncIterator[httpx2.AsyncClient]:
        """An operator with a token."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        transport = httpx2.ASGITransport(self.door)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8081/admin", headers=headers
        ) as client:
            yield client


def config(folder: Path, values: Mapping[str, object] = VALUES) -> Config:
    """Those values, with the ledger in a folder."""
    return load({**values, "storage": f"sqlite:///{folder}/ledger.db"}, {})

"""Asking providers what costs nothing: whether they answer, take the keys, and list the models that are named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from hybridge import __version__, app
from hybridge.config import Found, Secret
from hybridge.money import plain
from hybridge.providers.catalog import Catalog
from hybridge.providers.probe import Probed, Prober
from hybridge.providers.provider import Provider
from hybridge.providers.transport import HttpTransport
from hybridge.resilience.keys import fingerprint

NO_KEY = Secret("", "none")


def probe(holding: Found, catalog: Catalog) -> list[dict[str, Any]]:
    """One record per provider and key.

    `provider`, `key` (where it came from), `fingerprint`, `ok`, `said`, `ms` to the answer, how many `models` it
    lists, which of those that the configuration names are `missing` there, `balance` with its currency. What is not
    known is `null`. In a demo the simulated providers listen meanwhile.
    """
    return asyncio.run(_probe(holding, catalog))


async def _probe(holding: Found, catalog: Catalog) -> list[dict[str, Any]]:
    async with AsyncExitStack() as stack:
        config = holding.config
        if holding.demo:
            from hybridge.simulator.demo import scene

            config = app.played(config, (await stack.enter_async_context(scene())).providers())
            catalog = app.assemble(config).catalog
        transport = HttpTransport()
        stack.push_async_callback(transport.aclose)
        prober = Prober(
            transport,
            now_us=app.now_us,
            loop_time=asyncio.get_running_loop().time,
            agent=f"hybridge/{__version__}",
        )
        named = _named(holding)
        asked = [
            _ask(prober, provider, key, named.get(name, ()))
            for name, provider in catalog.providers.items()
            for key in (config.providers[name].keys or (NO_KEY,))
        ]
        return list(await asyncio.gather(*asked))


def _named(holding: Found) -> dict[str, list[str]]:
    """The models of each provider that the configuration names, as the provider names them."""
    named: dict[str, list[str]] = {}
    for model in holding.config.models.values():
        for deployment in (*model.deployments, *model.price):
            provider, _, name = deployment.partition("/")
            if name not in named.setdefault(provider, []):
                named[provider].append(name)
    return named


async def _ask(prober: Prober, provider: Provider, key: Secret, named: Sequence[str]) -> dict[str, Any]:
    secret = key.reveal()
    told: dict[str, Any] = {"provider": provider.id, "key": key.source, "fingerprint": fingerprint(secret)}
    probed = await prober.ask(provider, told["fingerprint"], secret)
    if probed is None:
        said = "it has nothing to ask for that costs nothing"
        return told | {"ok": True, "said": said, "ms": None, "models": None, "missing": None, "balance": None}
    said = probed.said
    if probed.models is not None and secret and not provider.balance_url and await prober.is_public(provider):
        said = "it answers; its list is there for anybody and proves no key"
    return told | {
        "ok": probed.verdict == "ok",
        "said": said,
        "ms": round(probed.ms) if probed.status else None,
        "models": None if probed.models is None else len(probed.models),
        "missing": None if probed.models is None else [name for name in named if not probed.lists(name)],
        "balance": _balance(probed),
    }


def _balance(probed: Probed) -> str | None:
    return None if probed.balance is None else f"{plain(probed.balance)} {probed.currency}"

"""Asking providers for their lists of models: free, and it shows whether address and keys work."""

from __future__ import annotations

import asyncio
from typing import Any

from hybridge.config import Config, Secret
from hybridge.errors import ProviderError
from hybridge.providers.auth import auth
from hybridge.providers.catalog import Catalog
from hybridge.providers.provider import Provider
from hybridge.providers.transport import HttpTransport

#: Seconds for one answer, and the most of it that is read.
PATIENCE = 10.0
MOST_BYTES = 20_000_000

NO_KEY = Secret("", "none")


def probe(config: Config, catalog: Catalog) -> list[dict[str, Any]]:
    """One record per provider and key: `provider`, `key` (where it came from), `ok`, `said`."""
    return asyncio.run(_probe(config, catalog))


async def _probe(config: Config, catalog: Catalog) -> list[dict[str, Any]]:
    transport = HttpTransport()
    try:
        asked = [
            _ask(transport, provider, key)
            for name, provider in catalog.providers.items()
            for key in (config.providers[name].keys or (NO_KEY,))
        ]
        return list(await asyncio.gather(*asked))
    finally:
        await transport.aclose()


async def _ask(transport: HttpTransport, provider: Provider, key: Secret) -> dict[str, Any]:
    told: dict[str, Any] = {"provider": provider.id, "key": key.source}
    path = provider.row.models_path
    if not path:
        return told | {"ok": True, "said": "it has no list of models to ask for"}
    surface = provider.surface("")
    headers = (*surface.headers, *(auth(surface.auth)(key.reveal()) if key.reveal() else ()))
    deadline = asyncio.get_running_loop().time() + PATIENCE
    try:
        answer = await transport.send(
            "GET", surface.base_url + path, headers, connect=provider.timeouts.get("connect", 5.0), deadline=deadline
        )
        try:
            answer.expect(deadline)
            await answer.read(MOST_BYTES)
        finally:
            answer.close()
    except ProviderError as error:
        return told | {"ok": False, "said": error.message}
    return told | {"ok": answer.status < 400, "said": _meaning(answer.status)}


def _meaning(status: int) -> str:
    if status < 400:
        return "it answers"
    if status in (401, 402, 403):
        return f"it refuses the key (HTTP {status})"
    return f"HTTP {status}"

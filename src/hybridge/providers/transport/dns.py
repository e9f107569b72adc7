"""Names to addresses, remembered for a short time."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain, zip_longest

#: Address family and socket address.
Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]
#: Host and port to addresses, best first. Raises `OSError`, or a `ProviderError` that is passed on.
Resolver = Callable[[str, int], Awaitable[Sequence[Address]]]

_MOST_NAMES = 1024


async def system_resolver(host: str, port: int) -> Sequence[Address]:
    """Ask the operating system, in its order of preference (RFC 6724)."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [(int(family), address) for family, _, _, _, address in found]  # type: ignore[misc]


def literal(host: str, port: int) -> Address | None:
    """The address that `host` spells out, if it does."""
    try:
        version = ipaddress.ip_address(host).version
    except ValueError:
        return None
    return (socket.AF_INET, (host, port)) if version == 4 else (socket.AF_INET6, (host, port, 0, 0))


def interleave(addresses: Sequence[Address]) -> list[Address]:
    """Both families in turn, the preferred one first (RFC 8305, section 4)."""
    first = [address for address in addresses if address[0] == addresses[0][0]]
    second = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, second)) if address is not None]


class Names:
    """A resolver with a memory of `life` seconds; at most one question per name is under way.

    When asking fails, an older answer is used: a name server's trouble is no reason to stop.
    """

    def __init__(self, resolver: Resolver, life: float) -> None:
        self._resolver = resolver
        self._life = life
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """The addresses of `host`, at least one. Raises `OSError` where there is none."""
        spelled = literal(host, port)
        if spelled is not None and self._resolver is system_resolver:
            return [spelled]
        key = (host, port)
        known = self._known.get(key)
        if known is not None and known[0] > asyncio.get_running_loop().time():
            return known[1]
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.get_running_loop().create_task(self._ask(key))
            task.add_done_callback(lambda done: self._answered(key, done))
        try:
            # One caller's cancellation must not take the answer from the others.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise
            raise OSError("the transport is closed") from None
        except OSError:
            if known is None:
                raise
            return known[1]

    def forget(self, host: str, port: int) -> None:
        """Ask again next time: none of the known addresses answered."""
        self._known.pop((host, port), None)

    async def aclose(self) -> None:
        """Give up the questions that are under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, key: tuple[str, int]) -> list[Address]:
        addresses = interleave(await self._resolver(*key) or _nobody(key[0]))
        if len(self._known) >= _MOST_NAMES:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (asyncio.get_running_loop().time() + self._life, addresses)
        return addresses

    def _answered(self, key: tuple[str, int], task: asyncio.Task[list[Address]]) -> None:
        del self._asking[key]
        if not task.cancelled():
            # Looked at here, so that a failure nobody waits for any more is no warning.
            task.exception()


def _nobody(host: str) -> Sequence[Address]:
    raise socket.gaierror(socket.EAI_NONAME, f"{host} has no address")

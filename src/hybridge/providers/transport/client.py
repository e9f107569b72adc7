"""The transport: aims a request, sends it, and tries a stale connection once more."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Mapping, Sequence
from math import inf

from hybridge.errors import ConnectFailed, ConnectionLost
from hybridge.providers.transport.answer import Answer
from hybridge.providers.transport.connection import Connection
from hybridge.providers.transport.dial import Dialer
from hybridge.providers.transport.dns import Names, Resolver, system_resolver
from hybridge.providers.transport.pool import Limits, Pool
from hybridge.providers.transport.proxy import Proxy
from hybridge.providers.transport.request import (
    HeaderBlock,
    Headers,
    Origin,
    encode_headers,
    parse_url,
    request_line,
    wire_headers,
)

#: Bodies up to this many bytes are joined to their head: one write, one packet train.
SMALL_BODY = 32 * 1024

_MOST_TARGETS = 1024
_MOST_POOLS = 256


class Target:
    """An address that was looked at once: its pool, and the start of the head for each method."""

    __slots__ = ("_authorization", "_host", "_path", "pool", "starts")

    def __init__(self, pool: Pool, path: str, proxy: Proxy | None) -> None:
        plain = proxy is not None and pool.origin.scheme == "http"
        self.pool = pool
        self.starts: dict[str, bytes] = {}
        self._host = pool.origin.authority
        # A proxy for plain HTTP wants the whole address (RFC 9112, section 3.2.2).
        self._path = f"{pool.origin}{path}" if plain else path
        self._authorization = proxy.authorization if proxy is not None and plain else ""

    def start(self, method: str) -> bytes:
        """Request line and constant headers for `method`."""
        start = request_line(method, self._path, self._host, self._authorization)
        if len(self.starts) < 8:
            self.starts[method] = start
        return start


class HttpTransport:
    """Implements `hybridge.types.Transport`. Belongs to the event loop that first sends with it.

    `pool_size` is connections per origin, `idle` seconds to keep one unused, `dns_life` seconds to remember a name;
    `environ` says which proxies to use (default: the process's, read once); `ssl_context` replaces the one that
    trusts the machine's authorities (a `TlsContext` also resumes sessions).
    """

    #: Seconds after which a loss is no longer taken for a close that was under way when the request went out:
    #: by then the server has the request and may bill it, so it is not sent again.
    stale_within = 1.0

    def __init__(
        self,
        *,
        pool_size: int = 100,
        idle: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
        environ: Mapping[str, str] | None = None,
        dns_life: float = 30.0,
    ) -> None:
        names = Names(resolver or system_resolver, dns_life)
        self._dialer = Dialer(names, os.environ if environ is None else environ, ssl_context)
        self._limits = Limits(pool_size, idle)
        self._pools: dict[Origin, Pool] = {}
        self._targets: dict[str, Target] = {}
        self._closed = False

    def __repr__(self) -> str:
        pools = self._pools.values()
        opened = sum(len(pool.connections) for pool in pools)
        idle = sum(len(pool.idle) for pool in pools)
        waiting = sum(len(pool.waiting) for pool in pools)
        return f"<HttpTransport {opened} open, {idle} idle, {waiting} waiting>"

    def resize(self, pool_size: int) -> None:
        """Allow each origin so many connections from now on; none is closed for it."""
        self._limits = self._limits._replace(size=pool_size)
        for pool in self._pools.values():
            pool.limits = self._limits

    @staticmethod
    def encode_headers(headers: Sequence[tuple[str, str]]) -> HeaderBlock:
        """Check and serialise headers that never change, for use in many calls."""
        return encode_headers(headers)

    async def send(  # noqa: PLR0913
        self,
        method: str,
        url: str,
        headers: Headers,
        body: bytes | Sequence[bytes | memoryview] = b"",
        *,
        connect: float,
        deadline: float,
        total: float = inf,
    ) -> Answer:
        """Send a request and wait for the head of its answer; redirects are answers like any other.

        `connect` is seconds for a connection (from the pool or new), `deadline` the loop time by which the head must
        be there, `total` the one beyond which no deadline may move. Parts of `body` are sent as they are, not copied.
        Raises `ConnectFailed`, `ConnectTimeout`, `ConnectionLost`, `Silent`, `MalformedAnswer`; `InvalidRequest` for
        a header or an address that cannot be sent.
        """
        target = self._targets.get(url) or self._aim(url)
        wire, rest = _serialise(target.starts.get(method) or target.start(method), headers, body, method)
        pool = target.pool
        connection = pool.take() or await self._open(pool, connect, min(deadline, total))
        while True:
            answer = Answer.on(connection, method == "HEAD", deadline, total)
            try:
                connection.transport.write(wire)
                if rest:
                    await answer.upload(rest)
                # No coroutine of its own, which every call would have to pay for.
                while not answer.status:
                    await answer.news()
                return answer
            except ConnectionLost:
                age = connection.loop.time() - connection.taken_at
                if not (connection.reused and answer.untouched and age < self.stale_within):
                    raise
            except BaseException:
                answer.close()
                raise
            # The other kept ones are as old: this time a new connection.
            connection = await self._open(pool, connect, min(deadline, total))

    async def aclose(self) -> None:
        """Close every connection, also those in use, and wait until they are closed."""
        self._closed = True
        self._targets.clear()
        await self._dialer.names.aclose()
        for pool in self._pools.values():
            pool.close()
        # asyncio tells in one of its next turns that they are closed.
        while any(pool.connections for pool in self._pools.values()):  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def _open(self, pool: Pool, connect: float, deadline: float) -> Connection:
        return await pool.open(min(asyncio.get_running_loop().time() + connect, deadline))

    def _aim(self, url: str) -> Target:
        if self._closed:
            raise ConnectFailed("the transport is closed")
        origin, path = parse_url(url)
        pool = self._pools.get(origin)
        if pool is None:
            self._forget_pools()
            pool = self._pools[origin] = Pool(origin, self._dialer.proxy_for(origin), self._dialer, self._limits)
        if len(self._targets) >= _MOST_TARGETS:
            self._targets.pop(next(iter(self._targets)))
        target = self._targets[url] = Target(pool, path, pool.proxy)
        return target

    def _forget_pools(self) -> None:
        """Keep the number of origins bounded: those without a connection go."""
        if len(self._pools) >= _MOST_POOLS:
            self._targets.clear()
            self._pools = {origin: pool for origin, pool in self._pools.items() if not pool.unused}


def _serialise(
    start: bytes, headers: Headers, body: bytes | Sequence[bytes | memoryview], method: str
) -> tuple[bytes, Sequence[bytes | memoryview]]:
    """What to write at once, and what of the body to write after it."""
    lines = headers.wire if type(headers) is HeaderBlock else wire_headers(headers)
    if type(body) is bytes:
        size = len(body)
        if not size and method in ("GET", "HEAD"):
            return b"%b%b\r\n" % (start, lines), ()
        if size <= SMALL_BODY:
            return b"%b%bcontent-length: %d\r\n\r\n%b" % (start, lines, size, body), ()
        parts: Sequence[bytes | memoryview] = (body,)
    else:
        parts = body  # type: ignore[assignment]
        size = sum([memoryview(part).nbytes for part in parts])
        if size <= SMALL_BODY:
            return _serialise(start, headers, b"".join(parts), method)
    return b"%b%bcontent-length: %d\r\n\r\n" % (start, lines, size), parts

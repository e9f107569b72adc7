"""From an origin to a connected socket: names, both address families, the proxy's tunnel, TLS."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import TypeVar

from hybridge.errors import ConnectFailed
from hybridge.providers.transport.dns import Address, Names
from hybridge.providers.transport.proxy import Proxies, Proxy
from hybridge.providers.transport.request import Origin
from hybridge.providers.transport.tls import TlsContext, trusting_context

#: Seconds that an address has for itself before the next one is tried beside it (RFC 8305, section 5).
HEAD_START = 0.25
#: A thinking model may be silent for minutes: probes keep middle boxes from forgetting the connection.
_PROBE_AFTER = 60
_LONGEST_TUNNEL_HEAD = 16 * 1024
_TUNNEL_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")

P = TypeVar("P", bound=asyncio.Protocol)


class Dialer:
    """Opens connections. Raises `ConnectFailed`; its caller bounds the time."""

    def __init__(self, names: Names, environ: Mapping[str, str], ssl_context: ssl.SSLContext | None) -> None:
        self.names = names
        self._proxies = Proxies(environ)
        self._tls = ssl_context
        if ssl_context is not None:
            ssl_context.set_alpn_protocols(["http/1.1"])

    def proxy_for(self, origin: Origin) -> Proxy | None:
        """The proxy that the environment wants for `origin`."""
        return self._proxies.proxy_for(origin)

    async def dial(self, origin: Origin, proxy: Proxy | None, protocol: Callable[[], P]) -> P:
        """Connect `protocol()` to `origin`."""
        try:
            sock = await self._reach(origin, proxy)
            return await self._start(sock, origin, protocol)
        except TimeoutError:
            raise
        except OSError as exc:
            raise ConnectFailed(f"{origin}: {_reason(exc)}") from exc

    def remember(self, transport: asyncio.BaseTransport) -> None:
        """A connection works: keep its TLS session for the next one."""
        link = transport.get_extra_info("ssl_object")
        if link is not None and isinstance(self._tls, TlsContext):
            self._tls.remember(link)

    async def _reach(self, origin: Origin, proxy: Proxy | None) -> socket.socket:
        host, port = (proxy.host, proxy.port) if proxy else (origin.host, origin.port)
        addresses = await self.names.addresses(host, port)
        try:
            sock = await race(addresses)
        except OSError:
            self.names.forget(host, port)
            raise
        if proxy and origin.scheme == "https":
            try:
                await _tunnel(sock, origin, proxy)
            except BaseException:
                sock.close()
                raise
        return sock

    async def _start(self, sock: socket.socket, origin: Origin, protocol: Callable[[], P]) -> P:
        loop = asyncio.get_running_loop()
        try:
            if origin.scheme == "http":
                _, connected = await loop.create_connection(protocol, sock=sock)
            else:
                if self._tls is None:
                    self._tls = trusting_context()
                _, connected = await loop.create_connection(
                    protocol, sock=sock, ssl=self._tls, server_hostname=origin.host
                )
        except BaseException:
            sock.close()
            raise
        return connected


async def race(addresses: list[Address]) -> socket.socket:
    """The first address to answer wins; each has `HEAD_START` before the next one is tried beside it.

    Raises the first failure (`OSError`) where none answers.
    """
    if len(addresses) == 1:
        return await _connect(addresses[0])
    loop = asyncio.get_running_loop()
    waiting = list(reversed(addresses))
    running: set[asyncio.Task[socket.socket]] = set()
    failures: list[BaseException] = []
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connect(waiting.pop())))
            done, running = await asyncio.wait(
                running, timeout=HEAD_START if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            # A second winner of the same turn goes back among the runners, where it is closed.
            for task in done:
                failure = task.exception()
                if failure is None:
                    running |= done - {task}
                    return task.result()
                failures.append(failure)
        raise failures[0]
    finally:
        await _call_off(running)


async def _call_off(runners: set[asyncio.Task[socket.socket]]) -> None:
    for task in runners:
        task.cancel()
    for outcome in await asyncio.gather(*runners, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()


async def _connect(address: Address) -> socket.socket:
    family, place = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBE_AFTER)
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


async def _tunnel(sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
    """Ask the proxy for a tunnel to `origin` (RFC 9110, section 9.3.6)."""
    loop = asyncio.get_running_loop()
    authorization = f"proxy-authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    place = origin.host_and_port
    await loop.sock_sendall(sock, f"CONNECT {place} HTTP/1.1\r\nhost: {place}\r\n{authorization}\r\n".encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = await loop.sock_recv(sock, 4096)
        head += piece
        if not piece or len(head) > _LONGEST_TUNNEL_HEAD:
            raise ConnectFailed(f"{origin}: {proxy!r} gave no answer to CONNECT")
    status = _TUNNEL_STATUS.match(head)
    if status is None or not status[1].startswith(b"2"):
        said = status[1].decode("ascii") if status else "nonsense"
        raise ConnectFailed(f"{origin}: {proxy!r} refused the tunnel: {said}")
    # In TLS the client speaks first: anything behind the head does not come from the origin.
    if not head.endswith(b"\r\n\r\n"):
        raise ConnectFailed(f"{origin}: {proxy!r} sent more than the head of its answer to CONNECT")


def _reason(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLCertVerificationError):
        return f"TLS: certificate not trusted: {exc.verify_message or exc.reason}"
    if isinstance(exc, ssl.SSLError):
        return f"TLS: {exc.reason or exc}"
    if exc.errno and exc.errno > 0:
        return os.strerror(exc.errno)
    return exc.strerror or str(exc) or type(exc).__name__

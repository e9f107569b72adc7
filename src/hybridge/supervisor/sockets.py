"""One port for many processes: SO_REUSEPORT, where the kernel deals out new connections.

The supervisor holds the port with sockets that do not listen, so that it stays ours while workers come and go.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable

from hybridge.errors import ConfigError

Address = tuple[str, int]

#: A host name may mean addresses that this machine does not have, such as ::1 where IPv6 is off.
_NOT_HERE = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


def reserve(host: str, port: int) -> list[socket.socket]:
    """Hold a port on every address of a host; 0 takes any free one, the same on all of them.

    Raises `ConfigError` if it is taken, also by another Hybridge, or the host is not ours.
    """
    return _everywhere(host, port, _holding)


def _everywhere(host: str, port: int, bind: Callable[[int, Address], socket.socket]) -> list[socket.socket]:
    held: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, address in _addresses(host, port):
            free = held[0].getsockname()[1] if held else port
            try:
                held.append(bind(family, (address, free)))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                absent = error
        if absent and not held:
            raise absent
    except OSError as error:
        for one in held:
            one.close()
        reason = (error.strerror or str(error)).lower()
        raise ConfigError([f"cannot listen on {host}:{port}: {reason}"]) from error
    return held


def occupy(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host; whoever connects waits until somebody accepts.

    Raises `ConfigError` as `reserve` does.
    """
    return _everywhere(host, port, _listening)


def addresses(held: Iterable[socket.socket]) -> tuple[Address, ...]:
    """Where reserved sockets are."""
    return tuple(one.getsockname()[:2] for one in held)


def share(places: Iterable[Address]) -> list[socket.socket]:
    """Sockets of this process on reserved addresses, ready to listen. Raises `OSError`."""
    return [_bind(_family(place[0]), place, shared=True) for place in places]


def _addresses(host: str, port: int) -> list[tuple[int, str]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _holding(family: int, address: Address) -> socket.socket:
    made = _bind(family, address)
    # Bound before it may be shared: otherwise a second Hybridge would quietly take half of the requests.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return made


def _listening(family: int, address: Address) -> socket.socket:
    made = _bind(family, address)
    made.listen()
    return made


def _bind(family: int, address: Address, *, shared: bool = False) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made

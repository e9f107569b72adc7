"""Whom a process talks to: a benchmark stays on this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from bench.processes import tree

_SOCKET = re.compile(r"socket:\[(\d+)\]")
_LISTENS = "0A"


def strangers(pid: int) -> list[str]:
    """The addresses beyond this machine that a process tree has TCP connections with, or tries to have."""
    inodes = {inode for one in tree(pid) for inode in _sockets(one)}
    tables = (Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
    return sorted({found for table in tables for found in foreign(table, inodes)})


def foreign(table: str, inodes: Collection[str]) -> Iterator[str]:
    """The remote addresses of these sockets in the kernel's table that are not loopback."""
    for line in table.splitlines()[1:]:
        parts = line.split()
        remote = address(parts[2].partition(":")[0])
        if parts[9] in inodes and parts[3] != _LISTENS and not remote.is_loopback:
            yield str(remote)


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if socket := _SOCKET.fullmatch(str(file.readlink())):
                    yield socket[1]


def address(written: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as the kernel writes it; one of version 4 that is dressed as 6 is undressed."""
    # Words of 32 bits, each in the machine's own order.
    words = (int(written[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(written), 8))
    found = ipaddress.ip_address(b"".join(words))
    return (found.ipv4_mapped if found.version == 6 else None) or found

"""What every test may use, and the guard that keeps tests off the network."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

REPOSITORY = Path(__file__).resolve().parent.parent

# Time is not what our properties are about, and machines are shared.
settings.register_profile("hybridge", deadline=None)
settings.load_profile("hybridge")


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host).partition("%")[0]).is_loopback
    except ValueError:
        return False


def _refuse_network(event: str, args: tuple[object, ...]) -> None:
    """Fail a test that leaves this machine. Blind to uvloop, which connects below Python."""
    if event == "socket.connect":
        host = args[1][0] if isinstance(args[1], tuple) else None
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if not _is_loopback(host) and not _is_unspecified(host):
        raise AssertionError(f"tests reach loopback only, not {host!r}")


def _is_unspecified(host: object) -> bool:
    return host in ("0.0.0.0", "::")


sys.addaudithook(_refuse_network)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared material: `$HYBRIDGE_SHARED`, else the one beside the repository."""
    folder = Path(os.environ.get("HYBRIDGE_SHARED") or REPOSITORY.parent / "shared")
    if not folder.is_dir():
        pytest.skip("no shared material: set HYBRIDGE_SHARED to its folder")
    return folder

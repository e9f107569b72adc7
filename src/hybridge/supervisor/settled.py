"""What a running gateway cannot take from a changed configuration: it keeps what it has until it is started anew."""

from __future__ import annotations

from msgspec.structs import replace

from hybridge.config import Config

#: Keys of `server` that are settled when the port is opened.
_OF_SERVER = ("host", "port", "admin_port", "workers", "tls")


def settled(running: Config, new: Config) -> tuple[Config, tuple[str, ...]]:
    """The new configuration with what must stay as it is, and the names of the keys that ask for a restart."""
    changed = [name for name in _OF_SERVER if getattr(running.server, name) != getattr(new.server, name)]
    server = replace(new.server, **{name: getattr(running.server, name) for name in changed})
    admin = replace(new.admin, host=running.admin.host)
    kept = replace(new, server=server, admin=admin, storage=running.storage, state=running.state)
    late = [f"server.{name}" for name in changed]
    late += ["admin.host"] if new.admin.host != running.admin.host else []
    late += [name for name in ("storage", "state") if getattr(running, name) != getattr(new, name)]
    return kept, tuple(late)

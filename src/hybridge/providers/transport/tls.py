"""TLS towards providers: verified, with server name, and sessions used again."""

from __future__ import annotations

import ssl


class TlsContext(ssl.SSLContext):
    """As `ssl.create_default_context`, and it offers a host the session of the last connection to it.

    asyncio has no parameter for a session, but asks the context for every connection's TLS object.
    """

    _MOST_SESSIONS = 256
    _sessions: dict[str, ssl.SSLSession]

    def __new__(cls) -> TlsContext:
        """Protocol, server name check and certificate check are those of a client (`ssl.PROTOCOL_TLS_CLIENT`)."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._sessions = {}
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def __init__(self) -> None:
        self.set_alpn_protocols(["http/1.1"])

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Make the TLS object of one connection, with the host's last session where there is one."""
        session = session or self._sessions.get(str(server_hostname))
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, link: ssl.SSLObject) -> None:
        """Keep the session of a connection that works (with TLS 1.3 there is one only after its first answer)."""
        session = link.session
        if session is not None and session.has_ticket and link.server_hostname:
            if len(self._sessions) >= self._MOST_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[str(link.server_hostname)] = session


def trusting_context() -> TlsContext:
    """A context that trusts the machine's certificate authorities. Reading them takes some 20 ms: make it once."""
    context = TlsContext()
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    return context

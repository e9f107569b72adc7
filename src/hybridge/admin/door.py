"""Who gets in: whoever has the token, from this machine's names, and from no foreign web page."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct, json

from hybridge.errors import GatewayError, InvalidApiKey
from hybridge.ledger import schema
from hybridge.resilience.keys import fingerprint
from hybridge.server.guard import Guard

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: How a token that was made here begins, so that whoever finds one knows what it opens.
PREFIX = "hyb_admin_"
_SETTING = "admin_token_sha256"

_HOW = (
    "the control plane opens to its token only, sent as `Authorization: Bearer TOKEN`. It is admin.token of the "
    "configuration; where that is not set, the one that was told when Hybridge first started. One that is lost is "
    "replaced by setting admin.token, or the variable HYBRIDGE_ADMIN_TOKEN where there is no file"
)


class InvalidAdminToken(InvalidApiKey):
    """No token, or another one."""

    code = "invalid_admin_token"


class Token:
    """The token that opens the control plane; of it only the hash is kept."""

    def __init__(self, digest: bytes) -> None:
        self._digest = digest

    @classmethod
    def given(cls, token: str) -> Token:
        """That of the configuration."""
        return cls(_hash(token))

    @classmethod
    def kept(cls, path: Path, tell: Callable[[str], None]) -> Token:
        """That of the ledger at `path`, which keeps its hash; where it has none one is made, and told this once.

        Raises `sqlite3.Error`.
        """
        made: list[str] = []

        def make() -> str:
            made.append(PREFIX + secrets.token_urlsafe(32))
            return _hash(made[0]).hex()

        with closing(schema.connect(path)) as database:
            digest = bytes.fromhex(schema.setting(database, _SETTING, make))
        for token in made:
            tell(token)
        return cls(digest)

    def admits(self, token: str) -> bool:
        """Whether this is the token; takes as long for any other."""
        return hmac.compare_digest(_hash(token), self._digest)


def _hash(token: str) -> bytes:
    # A token has 256 bits of chance, or is its operator's choice: no slow hash makes either harder to guess here.
    return sha256(token.encode("utf-8", "surrogateescape")).digest()


class _Asked(Struct):
    headers: dict[bytes, bytes]


class Door:
    """An ASGI application that lets in who may, and leaves the rest to `inside`.

    Inside, `scope["state"]["who"]` is the fingerprint of the token. `token` and `guard` may be set anew.
    """

    def __init__(self, inside: App, token: Token, guard: Guard) -> None:
        self.token = token
        self.guard = guard
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, by ASGI."""
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        asked = _Asked({name.lower(): value for name, value in scope["headers"]})
        try:
            lines = _pairs(self.guard.check(_without_own_origin(asked)))
            if scope["type"] == "http" and scope["method"] == "OPTIONS":
                await _say(send, 204, [*lines, *_pairs(Guard.preflight_lines(asked))])
                return
            scope.setdefault("state", {})["who"] = self._admit(asked.headers)
        except GatewayError as error:
            await _refuse(scope, receive, send, error)
            return
        await self._inside(scope, receive, _with(lines, send) if lines else send)

    def _admit(self, headers: Mapping[bytes, bytes]) -> str:
        """The fingerprint of the token that came. Raises `InvalidAdminToken`."""
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not self.token.admits(token):
            raise InvalidAdminToken(_HOW)
        return fingerprint(token)


def _without_own_origin(asked: _Asked) -> _Asked:
    """A page that this port served itself is no foreign one."""
    headers = asked.headers
    if headers.get(b"origin") != b"http://" + headers.get(b"host", b""):
        return asked
    return _Asked({name: value for name, value in headers.items() if name != b"origin"})


def _pairs(lines: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in (line[:-2].split(b": ", 1) for line in lines)]


def _with(headers: Sequence[tuple[bytes, bytes]], send: Send) -> Send:
    async def send_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return send_more


async def _refuse(scope: Scope, receive: Receive, send: Send, error: GatewayError) -> None:
    if scope["type"] == "websocket":
        # Before it was accepted: the server answers 403.
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [(b"content-type", b"application/json"), (b"x-hybridge-error", error.code.encode())]
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await _say(send, error.status, headers, json.encode(refusal(error)))


def refusal(error: GatewayError) -> dict[str, Any]:
    """The body of an error, as `shapes.Refusal` describes it."""
    told = {"code": error.code, "message": error.message, "param": error.param}
    return {"error": {**told, "problems": list(error.details.get("problems", ()))}}


async def _say(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes = b"") -> None:
    length = (b"content-length", b"%d" % len(body))
    headers = [*headers, length] if status != 204 else list(headers)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

"""The ASGI application: one plain function from a call to its endpoint, and errors in the client's dialect."""

from __future__ import annotations

import asyncio
import logging
from math import ceil

from hybridge.dialects.codec import Dialect
from hybridge.errors import ClientGone, GatewayError, InternalError, Refused, TooManyRequests
from hybridge.server import routes
from hybridge.server.call import Call, Receive, Scope, Send, header_value
from hybridge.server.discreet import discreet
from hybridge.server.front import Front
from hybridge.server.sink import trail

log = logging.getLogger("hybridge.server")


class Application:
    """Hybridge's data plane as an ASGI application."""

    def __init__(self, front: Front) -> None:
        self.front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] == "http":
            await self._http(Call(scope, receive, send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1000})

    async def _http(self, call: Call) -> None:
        front = self.front
        traffic = front.traffic
        traffic.in_flight += 1
        try:
            call.extra = front.guard.check(call)
            if front.demo:
                call.extra.append((b"x-hybridge-demo", b"true"))
            if call.method == "OPTIONS":
                await call.head(204, front.guard.preflight_headers(call))
                await call.piece(b"", more=False)
                return
            route = routes.find(call)
            if traffic.in_flight > front.concurrency and not route.always:
                raise TooManyRequests("this gateway has all the requests it can take", code="overloaded", retry_after=1)
            await route.endpoint(front, call, route.dialect)
        except GatewayError as error:
            await self._refuse(call, error)
        except (ClientGone, asyncio.CancelledError):
            # A cancellation that the client's leaving caused ends here; any other (a server that stops) goes on.
            if not call.gone:
                raise
        except Exception:
            # Whatever this is, it is ours: the client gets a code, the log the traceback.
            log.exception("request %s: a defect", call.request_id)
            await self._refuse(call, InternalError(f"a defect of the gateway; tell its operator {call.request_id}"))
        finally:
            traffic.in_flight -= 1

    async def _refuse(self, call: Call, error: GatewayError) -> None:
        if not call.request_id:
            call.request_id = self.front.ids.make("open")
        dialect = routes.dialect_of(call)
        log.info("request %s: %s %s: %s", call.request_id, error.status, error.code, error.message)
        if not call.answered:
            call.extra += _headers(error, reveal=self.front.reveal)
            await call.reply(error.status, self._body(dialect, error, call.request_id))

    def _body(self, dialect: Dialect, error: GatewayError, request_id: str) -> bytes:
        if isinstance(error, Refused) and error.body[:1] == b"{":
            return error.body
        return dialect.client.encode_error(error if self.front.reveal else discreet(error), request_id=request_id)


def _headers(error: GatewayError, *, reveal: bool) -> list[tuple[bytes, bytes]]:
    headers = [(b"x-hybridge-error", header_value(error.code))]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, ceil(error.retry_after))))
    if isinstance(error, Refused):
        headers += error.headers
    if error.attempts:
        # The chain is spent: a client that tries again at once only adds to the trouble.
        headers.append((b"x-should-retry", b"false"))
        if reveal:
            headers.append((b"x-hybridge-attempts", trail(error.attempts)))
    return headers

"""The application: one plain function from a call to its endpoint, and errors in the client's dialect."""

from __future__ import annotations

import asyncio
import logging
from math import ceil

import msgspec

from hybridge.dialects.codec import Dialect
from hybridge.errors import ClientGone, GatewayError, InternalError, Refused, TooManyRequests
from hybridge.server import routes
from hybridge.server.asgi import Receive, Scope, Send, answer
from hybridge.server.call import Call, header, header_value
from hybridge.server.discreet import discreet
from hybridge.server.front import Front
from hybridge.server.sink import trail

log = logging.getLogger("hybridge.server")


class Application:
    """Hybridge's data plane: `handle` for our own server; called, it is an ASGI application for any other."""

    def __init__(self, front: Front) -> None:
        self.front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, by ASGI."""
        await answer(self.handle, scope, receive, send)

    async def handle(self, call: Call) -> None:
        """Answer a call, whatever becomes of it."""
        front = self.front
        traffic = front.traffic
        traffic.in_flight += 1
        try:
            call.extra = front.guard.check(call)
            if front.demo:
                call.extra.append(b"x-hybridge-demo: true\r\n")
            if call.method == "OPTIONS":
                call.head(204, front.guard.preflight_lines(call))
                call.piece(b"", False)
                return
            route = routes.find(call)
            if traffic.in_flight > front.concurrency and not route.always:
                raise TooManyRequests("this gateway has all the requests it can take", code="overloaded", retry_after=1)
            await route.endpoint(front, call, route.dialect)
        except GatewayError as error:
            self._refuse(call, error)
        except (ClientGone, asyncio.CancelledError):
            # A cancellation that the client's leaving caused ends here; any other (a server that stops) goes on.
            if not call.gone:
                raise
        except Exception:
            # Whatever this is, it is ours: the client gets a code, the log the traceback.
            log.exception("request %s: a defect", call.request_id)
            self._refuse(call, InternalError(f"a defect of the gateway; tell its operator {call.request_id}"))
        finally:
            traffic.in_flight -= 1

    def _refuse(self, call: Call, error: GatewayError) -> None:
        if not call.request_id:
            call.request_id = self.front.ids.make("open")
        dialect = routes.dialect_of(call)
        log.info("request %s: %s %s: %s", call.request_id, error.status, error.code, error.message)
        if not call.answered:
            call.extra += _lines(error, reveal=self.front.reveal)
            call.reply(error.status, self._body(dialect, error, call.request_id))

    def _body(self, dialect: Dialect, error: GatewayError, request_id: str) -> bytes:
        if isinstance(error, Refused) and _tells(error.body):
            return error.body
        return dialect.client.encode_error(error if self.front.reveal else discreet(error), request_id=request_id)


def _tells(body: bytes) -> bool:
    """Whether a provider's words are an error that the client's SDK can read; every dialect has it in one member."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return isinstance(said, dict) and isinstance(said.get("error"), (dict, str)) and bool(said["error"])


def _lines(error: GatewayError, *, reveal: bool) -> list[bytes]:
    lines = [header(b"x-hybridge-error", header_value(error.code))]
    if error.retry_after is not None:
        lines.append(b"retry-after: %d\r\n" % max(1, ceil(error.retry_after)))
    if isinstance(error, Refused):
        lines += [header(name, value) for name, value in error.headers]
    if error.attempts:
        # The chain is spent: a client that tries again at once only adds to the trouble.
        lines.append(b"x-should-retry: false\r\n")
        if reveal:
            lines.append(header(b"x-hybridge-attempts", trail(error.attempts)))
    return lines

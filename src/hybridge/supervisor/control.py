"""`python -m hybridge.supervisor.control CHANNEL SOCKET…`: the control plane, in a process of its own.

It listens on sockets that the supervisor has opened already, so whoever comes while it starts is served a moment
later. No request passes it, and nothing of the data plane waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvicorn
from msgspec import json

from hybridge import app
from hybridge.admin.api import api
from hybridge.admin.desk import Desk, InForce
from hybridge.admin.door import Door, Token
from hybridge.admin.holds import Held
from hybridge.admin.plane import Survey, Unreachable
from hybridge.config import Config
from hybridge.observers.standing import Standing
from hybridge.server.guard import Guard
from hybridge.supervisor import messages
from hybridge.supervisor.channel import Channel, connect
from hybridge.supervisor.logs import write_logs

log = logging.getLogger("hybridge.admin")

#: Seconds for the supervisor to tell how everybody stands, and to do what changes something.
_SURVEY_S = 2.0
_CHANGE_S = 70.0
#: Seconds for answers that are under way when the end comes.
_LAST_S = 2

_STANDING = json.Decoder(Standing)


class FarDataPlane:
    """The data plane, by way of the supervisor."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    async def survey(self) -> Survey:
        """How everybody stands."""
        answer = await self._channel.ask(messages.Stand(), _SURVEY_S)
        if not isinstance(answer, messages.Standings):
            raise Unreachable("the supervisor does not answer; ask again in a moment")
        workers = sorted((_STANDING.decode(one) for one in answer.workers), key=lambda one: one.pid)
        return Survey(workers, answer.held, answer.wanted, answer.restarted)

    async def hold(self, held: Held) -> Sequence[str]:
        """Hold a breaker in all processes."""
        return await self._done(messages.Hold(held=held))

    async def let_go(self, breaker_id: str) -> Sequence[str]:
        """Leave a breaker to itself."""
        return await self._done(messages.LetGo(id=breaker_id))

    async def reload(self) -> Sequence[str]:
        """Read the configuration again."""
        return await self._done(messages.Reload())

    async def drain(self) -> None:
        """End what is under way, then leave."""
        await self._done(messages.Drain())

    async def _done(self, question: messages.Message) -> Sequence[str]:
        answer = await self._channel.ask(question, _CHANGE_S)
        if not isinstance(answer, messages.Done):
            raise Unreachable("the supervisor did not say that it is done; look before you ask again")
        return answer.problems


class Server(uvicorn.Server):
    """uvicorn's, which leaves the signals alone: when to end is the supervisor's to say."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class Control:
    """Serves the control plane under the configuration that the supervisor told last."""

    def __init__(self, channel: Channel, sockets: list[socket.socket]) -> None:
        self._channel = channel
        self._sockets = sockets
        self._desk: Desk | None = None
        self._door: Door | None = None
        self._server: Server | None = None
        self._serving: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Control {os.getpid()}, {'serving' if self._serving else 'not serving'}>"

    async def run(self) -> None:
        """Serve until the supervisor is gone or the channel is closed."""
        self._channel.send(messages.Hello(role="control", pid=os.getpid()))
        try:
            async for message in self._channel.messages():
                # One after the other, so that an answer that follows a configuration finds it in force.
                if isinstance(message, messages.InForce):
                    await self._take_up(message)
        finally:
            if self._server is not None and self._serving is not None:
                self._server.should_exit = True
                await self._serving

    async def _take_up(self, told: messages.InForce) -> None:
        assembled = await asyncio.to_thread(app.assemble, told.config)
        in_force = InForce(assembled, told.since, told.file, told.demo)
        config = told.config
        token = await asyncio.to_thread(_token, config)
        guard = Guard(bound_to=config.admin.host, cors=config.server.cors)
        if self._desk is not None and self._door is not None:
            await self._desk.take_up(in_force)
            self._door.token, self._door.guard = token, guard
            return
        self._desk = Desk(FarDataPlane(self._channel), in_force, time.time)
        self._door = Door(api(self._desk), token, guard)
        self._server = Server(
            uvicorn.Config(
                self._door,
                interface="asgi3",
                ws="none",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=_LAST_S,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(self._sockets))


def _token(config: Config) -> Token:
    if config.admin.token is not None:
        return Token.given(config.admin.token.reveal())
    return Token.kept(Path(config.ledger_path), _tell)


def _tell(token: str) -> None:
    print(
        f"The token of the control plane, told this once: {token}\n"
        "Send it as `Authorization: Bearer TOKEN`, or choose another one: admin.token.",
        file=sys.stderr,
        flush=True,
    )


async def _govern(path: str, sockets: list[socket.socket]) -> None:
    channel = await connect(path)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, channel.close)
    await Control(channel, sockets).run()


def main() -> None:
    """Serve until the supervisor is gone or wants an end."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    write_logs()
    sockets = [socket.socket(fileno=int(number)) for number in sys.argv[2:]]
    with contextlib.suppress(FileNotFoundError, ConnectionError):
        asyncio.run(_govern(sys.argv[1], sockets))


if __name__ == "__main__":
    main()

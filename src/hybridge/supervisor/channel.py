"""The control channel: a Unix socket in a folder of one's own, one JSON message a line."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace

from hybridge.supervisor.messages import AnyMessage, Message, decode, encode

#: Bytes of the longest line: a configuration of thousands of models, the samples of as many deployments.
_LONGEST = 1 << 26


class Channel:
    """One end of a connection. Both ends may ask; questions and answers find each other by number.

    What is sent to somebody who is gone is lost without a word: `messages` ends then, and open questions get `None`.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asked: dict[int, asyncio.Future[AnyMessage | None]] = {}
        self._number = 0
        #: Whether the other end is gone, or we left.
        self.over = False

    def send(self, message: Message) -> None:
        """Say something."""
        if not self.over:
            self._writer.write(encode(message))

    def answer(self, question: Message, message: Message) -> None:
        """Answer a question."""
        self.send(replace(message, answers=question.number))

    async def ask(self, question: Message, within: float | None = None) -> AnyMessage | None:
        """The answer to a question; `None` if none comes in so many seconds, or the other end is gone.

        Somebody must be reading `messages` meanwhile.
        """
        if self.over:
            return None
        self._number = number = self._number + 1
        answer: asyncio.Future[AnyMessage | None] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self.send(replace(question, number=number))
        try:
            async with asyncio.timeout(within):
                return await answer
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    async def messages(self) -> AsyncIterator[AnyMessage]:
        """What the other end says of itself, until it is gone."""
        try:
            while line := await self._reader.readline():
                message = decode(line)
                if not message.answers:
                    yield message
                elif (asked := self._asked.get(message.answers)) is not None and not asked.done():
                    asked.set_result(message)
        except ConnectionError:
            # It was killed while something was on its way.
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Say no more. The other end notices."""
        self.over = True
        self._writer.close()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_result(None)


async def connect(path: str) -> Channel:
    """The channel to whoever listens there. Raises `OSError`."""
    return Channel(*await asyncio.open_unix_connection(path, limit=_LONGEST))


async def listen(path: Path, met: Callable[[Channel], Awaitable[None]]) -> asyncio.Server:
    """Take connections; `met` is run for each, and its end ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        channel = Channel(reader, writer)
        try:
            await met(channel)
        finally:
            channel.close()

    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(os.fspath(path))
        return await asyncio.start_unix_server(serve, sock=listening, limit=_LONGEST)
    except BaseException:
        listening.close()
        raise

"""The processes that the supervisor starts, and starts again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Callable, Sequence

from hybridge.supervisor.restarts import Restarts

log = logging.getLogger("hybridge.supervisor")


class Child:
    """One process that is to be there until `stop`.

    `module` is run with the path of the control channel and the numbers of the `sockets` that it inherits. `ended` is
    told of each end with its exit code, and says whether it is to be started again. `restarted` counts those.
    """

    def __init__(
        self,
        name: str,
        module: str,
        path: str,
        ended: Callable[[Child, int], bool],
        sockets: Sequence[socket.socket] = (),
    ) -> None:
        self.name = name
        self.restarted = 0
        self._sockets = [one.fileno() for one in sockets]
        # -P: no file of the working directory may stand in for a module.
        self._command = (sys.executable, "-P", "-m", module, path, *map(str, self._sockets))
        self._ended = ended
        self._process: Process | None = None
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._keep())

    def __repr__(self) -> str:
        return f"{self.name} (process {self._process.pid})" if self._process is not None else self.name

    async def _keep(self) -> None:
        restarts = Restarts()
        clock = asyncio.get_running_loop().time
        while not self._stopping.is_set():
            began = clock()
            code = await self._run()
            if self._stopping.is_set() or not self._ended(self, code):
                return
            self.restarted += 1
            wait = restarts.wait(clock() - began)
            log.error("%s ended with %d; it is started again %s", self, code, f"in {wait:g} s" if wait else "at once")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _run(self) -> int:
        """From its start to its end; the exit code."""
        try:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdin=DEVNULL, pass_fds=self._sockets)
        except OSError as error:
            log.error("%s cannot be started: %s", self, error)
            return os.EX_OSERR
        if self._stopping.is_set():
            self._signal(Process.terminate)
        return await self._process.wait()

    async def stop(self, within: float) -> None:
        """Tell it to end, kill it if it has not in so many seconds, and wait for that."""
        self._stopping.set()
        self._signal(Process.terminate)
        done, _ = await asyncio.wait([self._task], timeout=within)
        if not done:
            log.error("%s did not leave in %g s and is killed", self, within)
            self._signal(Process.kill)
        await self._task

    def _signal(self, send: Callable[[Process], None]) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                send(self._process)

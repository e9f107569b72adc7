"""Starting, pinning and measuring processes. What is measured is the CPU time of a whole process tree."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cores() -> tuple[set[int], set[int]]:
    """Where the gateway runs, and where all else does; the same where there is one core."""
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, set(available[1:]) or {available[0]}


@contextlib.contextmanager
def running(
    command: Sequence[str], pin: set[int], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process on these cores, ended by its id when the block is left."""
    process = subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    os.sched_setaffinity(process.pid, pin)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def listening(port: int, process: subprocess.Popen[bytes], within_s: float = 20.0) -> float:
    """Wait until a port answers; returns the seconds it took. Raises `RuntimeError` with what the process said."""
    began = time.perf_counter()
    while time.perf_counter() - began < within_s:
        if process.poll() is not None:
            said = process.stderr.read().decode() if process.stderr else ""
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {said}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return time.perf_counter() - began
        time.sleep(0.005)
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def tree(pid: int) -> list[int]:
    """A process and all that came from it."""
    found = [pid]
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += tree(int(child))
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree so far, in seconds, as fine as the kernel tells."""
    total = 0.0
    for one in tree(pid):
        for line in Path(f"/proc/{one}/schedstat").read_text().split("\n"):
            if line:
                total += int(line.split()[0]) / 1e9
        for task in Path(f"/proc/{one}/task").iterdir():
            if int(task.name) != one:
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
    return total


def resident_mb(pid: int) -> float:
    """Resident memory of a process tree."""
    pages = sum(int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in tree(pid))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


PYTHON = sys.executable

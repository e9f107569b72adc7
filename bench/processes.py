"""Starting, pinning and measuring processes: the CPU time and the memory of a whole process tree."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PYTHON = sys.executable
REPOSITORY = Path(__file__).parent.parent

#: Seconds that a process has to leave.
PATIENCE_S = 10.0
_MOST_SAID = 1_000_000


def end_in_order() -> None:
    """Have SIGTERM unwind this program, so that what it started is ended, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cores() -> tuple[set[int], set[int]]:
    """Where the gateway runs, and where all else does; the same where there is one core."""
    available = sorted(os.sched_getaffinity(0))
    return {available[0]}, set(available[1:]) or {available[0]}


class Process:
    """A program that was started here. `said` is what it wrote so far, `age_s` the seconds since its start."""

    def __init__(self, command: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `end`
        self.command = command
        self._began = time.perf_counter()
        # A session of its own is a process group of its own, which can be ended as a whole.
        self._popen = subprocess.Popen(
            command, cwd=cwd, env=env, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True
        )
        self.pid = self._popen.pid

    @property
    def said(self) -> str:
        # Not `read`, which would move the place where the program writes.
        return os.pread(self._log.fileno(), _MOST_SAID, 0).decode(errors="replace")

    @property
    def age_s(self) -> float:
        return time.perf_counter() - self._began

    def must_run(self) -> None:
        """Raises `RuntimeError` with the end of what the program said, if it has ended."""
        if self._popen.poll() is not None:
            raise RuntimeError(f"{self.command[0]} ended with {self._popen.returncode}: {self.said[-2000:]}")

    def end(self) -> None:
        """Ask it to leave, wait, and kill what is left of it and of its children."""
        self._popen.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(PATIENCE_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()
        self._log.close()


@contextlib.contextmanager
def running(
    command: Sequence[str], pin: set[int], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A process on these cores, in this environment or else ours, ended when the block is left."""
    process = Process(command, cwd, env)
    try:
        os.sched_setaffinity(process.pid, pin)
        yield process
    finally:
        process.end()


def listening(port: int, process: Process, within_s: float = 20.0) -> None:
    """Wait until a port answers. Raises `RuntimeError` with what the process said."""
    while process.age_s < within_s:
        process.must_run()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.005)
    raise RuntimeError(f"{process.command[0]} does not listen on {port}: {process.said[-2000:]}")


def tree(pid: int) -> list[int]:
    """A process and all that came from it and is still there."""
    found = [pid]
    for task in _tasks(pid):
        with contextlib.suppress(OSError):
            for child in (task / "children").read_text().split():
                found += tree(int(child))
    return found


def _tasks(pid: int) -> list[Path]:
    with contextlib.suppress(OSError):
        return list(Path(f"/proc/{pid}/task").iterdir())
    return []


def cpu_seconds(pid: int) -> float:
    """User and system time of a process tree so far, in seconds, as fine as the kernel tells."""
    total = 0
    for one in tree(pid):
        for task in _tasks(one):
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_mb(pid: int) -> float:
    """Resident memory of a process tree, in MB of 10^6 bytes; what processes share counts in each."""
    return sum(_status(one, "VmRSS") for one in tree(pid))


def peak_mb(pid: int) -> float:
    """The most that was resident in each process of a tree since `forget_peak`."""
    return sum(_status(one, "VmHWM") for one in tree(pid))


def forget_peak(pid: int) -> None:
    """Let the peak of each process of a tree begin anew from what is resident now."""
    for one in tree(pid):
        Path(f"/proc/{one}/clear_refs").write_text("5")


def _status(pid: int, field: str) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0

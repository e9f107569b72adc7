"""`python -m bench.peers`: other gateways and ours before the same upstream, under the same load, in turns.

Each peer is installed into an environment of its own the first time, which needs a package index and about 2 GB; one
that this machine does not get is said so and left out. Each is measured in rounds of its own with Hybridge and nginx.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from bench.cases import BURST, PACED, UNARY
from bench.gateways import Gateway, answering, has_nginx, hybridge, nginx, upstream
from bench.installs import PEERS, CannotInstall, Peer, installed
from bench.loopback import strangers
from bench.processes import Process, cores, end_in_order, free_port, resident_mb, running
from bench.report import Cell, Table, introduction, ratio, show, spread, write
from bench.rounds import Effort, added, in_turn

MEASURED = (UNARY, BURST, PACED)
#: Seconds after the first answer in which a start may still go on.
IDLE_S = 1.0

_COLUMNS = (
    "",
    "unary, CPU µs",
    "× Hybridge",
    "stream of 52 events in a burst, CPU µs",
    "× Hybridge",
    "streamed chunk, paced, CPU µs",
    "× Hybridge",
    "added at 1 connection, median, µs",
    "start to first answer, s",
    "CPU time of that, s",
    "resident, idle → loaded, MB",
)
_NOTE = (
    "{connections} connections, medians of {rounds} rounds with the least and the most. Gateways take turns: the ratio "
    "is to the round of Hybridge in the same seconds, and Hybridge and nginx have rounds with every peer."
)


def main() -> None:
    """Install, measure, print a table."""
    parser = argparse.ArgumentParser(prog="bench.peers", description=__doc__)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hybridge-bench"
    names = [peer.name for peer in PEERS]
    parser.add_argument("--peers", nargs="*", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--scale", type=float, default=1.0, help="how many requests, as a share of the full count")
    parser.add_argument("--seconds", type=float, default=5.0, help="the longest that a round may take")
    parser.add_argument("--cache", type=Path, default=cache, help="where peers are installed")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    end_in_order()
    print(introduction(), flush=True)
    effort = Effort(given.rounds, given.connections, given.scale, given.seconds)
    with tempfile.TemporaryDirectory() as name:
        table = compared([peer for peer in PEERS if peer.name in given.peers], effort, given.cache, Path(name))
    show(table)
    if given.json:
        write(given.json, [table])


class Line:
    """What is known of one gateway; figures by case, round after round, and those of Hybridge in the same rounds."""

    def __init__(self) -> None:
        self.cpu: dict[str, list[float]] = defaultdict(list)
        self.ours: dict[str, list[float]] = defaultdict(list)
        self.added: list[float] = []
        self.starts: list[Gateway] = []
        self.idle_mb = 0.0
        self.loaded_mb = 0.0

    def cells(self, name: str) -> Sequence[Cell]:
        """Its row of the table."""
        row: list[Cell] = [name]
        for case in MEASURED:
            row += [spread(self.cpu[case.name]), ratio(self.cpu[case.name], self.ours[case.name])]
        ready = (spread([each.ready_s for each in self.starts]), spread([each.ready_cpu_s for each in self.starts]))
        return [*row, spread(self.added), *ready, f"{self.idle_mb:.0f} → {self.loaded_mb:.0f}"]


def compared(peers: Sequence[Peer], effort: Effort, cache: Path, folder: Path) -> Table:
    """A line for each peer that can be had, and for Hybridge and nginx."""
    lines: dict[str, Line] = defaultdict(Line)
    without = []
    with contextlib.ExitStack() as stack:
        provider = stack.enter_context(upstream())
        always = [
            stack.enter_context(_last_of(effort.rounds, partial(opening, provider), folder / name, lines[name]))
            for name, opening in (("Hybridge", hybridge), *((("nginx", nginx),) if has_nginx() else ()))
        ]
        for peer in peers:
            print(f"{peer.title} …", flush=True)
            try:
                opening = partial(started, peer, installed(peer, cache), provider)
                with _last_of(effort.rounds, opening, folder / peer.name, lines[peer.title]) as gateway:
                    _measure(lines, [gateway, *always], provider, effort)
            except (CannotInstall, RuntimeError, OSError) as exc:
                del lines[peer.title]
                print(f"{peer.title} is left out: {exc}", flush=True)
                without.append(f"{peer.title} is left out: {str(exc).partition(chr(10))[0][:200]}.")
        if not lines["Hybridge"].added:
            _measure(lines, always, provider, effort)
    note = _NOTE.format(connections=effort.connections, rounds=effort.rounds)
    rows = [line.cells(name) for name, line in lines.items()]
    return Table("Peers", _COLUMNS, rows, " ".join([note, *without]))


def _measure(lines: dict[str, Line], gateways: Sequence[Gateway], provider: Gateway, effort: Effort) -> None:
    for case in MEASURED:
        rounds = in_turn(gateways, provider, case, effort, effort.connections)
        for who, of in rounds.items():
            lines[who].cpu[case.name] += [each.cpu_us for each in of]
            lines[who].ours[case.name] += [each.cpu_us for each in rounds["Hybridge"]]
    for who, longer in added(in_turn([provider, *gateways], provider, UNARY, effort, 1), provider).items():
        lines[who].added += [median for median, _ in longer]
    for gateway in gateways:
        if met := strangers(gateway.pid):
            raise RuntimeError(f"{gateway.name} talks to {', '.join(met)}")


@contextlib.contextmanager
def _last_of(
    starts: int, opening: Callable[[Path], AbstractContextManager[Gateway]], folder: Path, line: Line
) -> Iterator[Gateway]:
    """A gateway that was started a few times, once it rests."""
    for number in range(starts - 1):
        with opening(folder / f"start-{number}") as gateway:
            line.starts.append(gateway)
    with opening(folder / "last") as gateway:
        line.starts.append(gateway)
        time.sleep(IDLE_S)
        line.idle_mb = resident_mb(gateway.pid)
        yield gateway
        line.loaded_mb = resident_mb(gateway.pid)


@contextlib.contextmanager
def started(peer: Peer, home: Path, provider: Gateway, folder: Path) -> Iterator[Gateway]:
    """A peer in a folder of its own, with nothing of our environment but where programs are."""
    folder.mkdir(parents=True)
    port = free_port()
    places = {"@home": str(home), "@port": str(port), "@spare": str(free_port()), "@upstream": str(provider.port)}

    def placed(text: str) -> str:
        return re.sub(rf"(?:{'|'.join(places)})\b", lambda found: places[found[0]], text)

    for name, text in peer.files.items():
        (folder / name).write_text(placed(text))
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", **peer.env}
    command = [placed(word) for word in peer.command]
    with running(command, cores()[0], cwd=folder, env=env) as process:
        if peer.says:
            port = _said(process, peer.says)
        asks = Gateway(peer.title, port, process.pid, 0, 0, placed(peer.headers), peer.models, peer.prefix)
        yield answering(asks, process)


def _said(process: Process, pattern: str, within_s: float = 60.0) -> int:
    while process.age_s < within_s:
        process.must_run()
        if found := re.search(pattern, process.said):
            return int(found[1])
        time.sleep(0.005)
    raise RuntimeError(f"{process.command[0]} does not say where it listens: {process.said[-1000:]}")


if __name__ == "__main__":
    main()

"""Noticing that a file has changed, by looking twice a second.

A look costs some microseconds and works everywhere: on network mounts, for editors that put a new file in the place
of the old one, for links that are turned to another file (Kubernetes does that with its ConfigMaps).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

#: Seconds between two looks.
PAUSE_S = 0.5

#: What a change changes: device, inode, size, time of the last write in nanoseconds.
Mark = tuple[int, int, int, int]


def mark(path: Path) -> Mark | None:
    """The file as it is now, `None` if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


async def changes(path: Path, since: Mark | None, pause: float = PAUSE_S) -> AsyncIterator[None]:
    """Gives a turn for each change since that mark, once two looks see the same: nobody reads half of a file."""
    seen = last = since
    while True:
        await asyncio.sleep(pause)
        now = mark(path)
        if now is not None and now == last != seen:
            seen = now
            yield
        last = now

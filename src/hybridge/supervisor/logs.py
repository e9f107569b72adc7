"""What the processes write to stderr: one form for all of them."""

from __future__ import annotations

import logging
import sys


def write_logs() -> None:
    """Send what is logged to stderr, with time and process."""
    form = "%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s"
    logging.basicConfig(format=form, level=logging.INFO, stream=sys.stderr)
    for loud in ("asyncio", "uvicorn"):
        logging.getLogger(loud).setLevel(logging.WARNING)

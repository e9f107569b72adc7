"""The command `hybridge`: one file per command, imported when it is called."""

from __future__ import annotations

import gc
import sys

#: Objects that may come to be before the collector looks for cycles: what a start makes is there to stay.
_YOUNG = 50_000


def main() -> None:
    """Run the command line. Exits 1 on an error and 2 on a wrong option; nobody is shown a traceback."""
    if sys.argv[1:] == ["--version"]:
        from hybridge import __version__

        print(f"hybridge {__version__}")
        return
    gc.set_threshold(_YOUNG)
    from hybridge.cli.program import run

    run()

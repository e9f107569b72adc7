"""The command `hybridge`: one file per command, imported when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line. Exits 1 on an error and 2 on a wrong option; nobody is shown a traceback."""
    if sys.argv[1:] == ["--version"]:
        from hybridge import __version__

        print(f"hybridge {__version__}")
        return
    from hybridge.cli.program import run

    run()

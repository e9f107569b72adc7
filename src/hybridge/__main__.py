"""`python -m hybridge` is the command `hybridge`."""

from hybridge.cli import main

main()

"""The group of commands, and what becomes of an error."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from hybridge import __version__
from hybridge.errors import ConfigError, HybridgeError

#: A command's name is its module's name, and that of the function in it.
COMMANDS = ("serve", "check", "explain", "providers", "models", "ledger", "simulate", "chaos")


class Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f"hybridge.cli.{cmd_name}"), cmd_name)
        assert isinstance(found, click.Command)
        return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="hybridge", message="%(prog)s %(version)s")
def hybridge() -> None:
    """One endpoint that speaks OpenAI, Anthropic and Gemini, in front of every model provider."""


def run() -> None:
    """Run the command line and exit."""
    try:
        hybridge(prog_name="hybridge")
    except ConfigError as error:
        _leave("\n".join(f"Error: {problem}" for problem in error.problems))
    except (HybridgeError, OSError) as error:
        _leave(f"Error: {_sentence(error)}")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        # The last net: whoever runs a command is told in one line, and may ask for the whole story.
        if os.environ.get("HYBRIDGE_TRACEBACK"):
            raise
        _leave(f"Error: a defect of Hybridge: {type(error).__name__} (HYBRIDGE_TRACEBACK=1 shows where)")


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _leave(message: str) -> None:
    click.echo(message, err=True)
    sys.exit(1)

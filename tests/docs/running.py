"""Runs a page from top to bottom, as a reader would, in a folder of its own and before simulated providers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from ruamel.yaml import YAML

from hybridge.simulator.demo import KEY, LEGS, Scene
from hybridge.simulator.scenario import Latency
from tests.cli.running import Lasting, Shell
from tests.docs.pages import REPOSITORY, Block, Command, blocks, commands
from tests.sdk.house import House

_ADDRESS = "http://127.0.0.1:8080"


@contextmanager
def simulated(house: House) -> Iterator[dict[str, dict[str, Any]]]:
    """Where each provider is for a while: the demo's, but quick and without failures."""
    legs = [replace(leg, latency=Latency(), tokens_per_second=0.0, failures=()) for leg in LEGS]
    with house.within(Scene(legs)) as scene:
        yield scene.providers()


class Reader:
    """Somebody who types what a page says. Of what is typed only addresses and secrets are replaced."""

    def __init__(self, shell: Shell, providers: Mapping[str, Mapping[str, Any]], stack: ExitStack) -> None:
        self._shell = shell
        self._providers = providers
        self._stack = stack
        self._environ: dict[str, str] = {}
        self._server: Lasting | None = None
        self._address = ""
        self._languages: dict[str, Callable[[Block], None]] = {
            "sh": self._sh,
            "yaml": self._yaml,
            "python": self._python,
            "text": self._text,
        }
        self._programs: dict[str, Callable[[Command], None]] = {
            "make": self._make,
            "curl": self._curl,
            "export": self._export,
            ".venv/bin/hybridge": self._hybridge,
        }

    def read(self, page: Path) -> None:
        """Run every block of a page; one in a language that is not known here fails."""
        for block in blocks(page):
            assert block.language in self._languages, f"{block.place}: nobody runs a block of {block.language!r}"
            self._languages[block.language](block)
        self._stop()

    def _sh(self, block: Block) -> None:
        for command in commands(block):
            assert command.words[0] in self._programs, f"{command.place}: nobody runs {command.words[0]!r}"
            self._programs[command.words[0]](command)

    def _yaml(self, block: Block) -> None:
        """A file that `hybridge check` accepts as it is; from then on its providers are the simulated ones."""
        self._shell.write("hybridge.yaml", block.text)
        variables = dict.fromkeys(re.findall(r"env:(\w+)", block.text), KEY)
        self._environ |= variables
        done = self._shell.run("check", **self._environ)
        assert (done.code, done.err) == (0, ""), (block.place, done)
        written = YAML(typ="safe", pure=True).load(block.text)
        for name, provider in written["providers"].items():
            provider["base_url"] = self._providers[name]["base_url"]
        self._shell.write("hybridge.yaml", json.dumps(written, default=str))

    def _python(self, block: Block) -> None:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-"],
            input=block.text,
            check=False,
            cwd=self._shell.folder,
            env=self._shell.environ(self._environ),
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert (done.returncode, done.stderr) == (0, ""), (block.place, done.stderr)
        assert done.stdout.strip(), f"{block.place}: it says nothing"

    def _text(self, block: Block) -> None:
        """A picture of the tree; a test of its own holds it against the tree."""
        assert block.text.startswith("src/hybridge/"), f"{block.place}: a text that nothing proves"

    def _make(self, command: Command) -> None:
        (target,) = command.words[1:]
        makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{command.place}: no target {target}"
        if target == "run":
            assert re.search(r"^run: install\n\t\$\(BIN\)/hybridge serve \$\(ARGS\)$", makefile, re.MULTILINE)
            self._serve()

    def _export(self, command: Command) -> None:
        rows = self._shell.run("providers", "--format", "json").json()
        known = {variable for row in rows for variable in row["variables"]}
        for word in command.words[1:]:
            variable, equals, _ = word.partition("=")
            assert equals, f"{command.place}: {word}"
            assert variable in known, f"{command.place}: no provider is switched on by {variable}"
            self._environ[variable] = KEY

    def _hybridge(self, command: Command) -> None:
        if command.words[1:] == ("serve",):
            self._serve()
            return
        done = self._shell.run(*command.words[1:], **self._environ)
        assert done.code == 0, (command.place, done)
        assert done.out.strip(), f"{command.place}: it says nothing"

    def _serve(self) -> None:
        self._stop()
        self._server = self._stack.enter_context(
            self._shell.lasting("serve", "--port", "0", "--admin-port", "off", **self._environ)
        )
        self._address = self._server.address()

    def _stop(self) -> None:
        if self._server is not None:
            done = self._server.stop()
            assert done.code == 0, done
            self._server = None

    def _curl(self, command: Command) -> None:
        curl = shutil.which("curl")
        if curl is None:
            pytest.skip("no curl on this machine")
        assert any(_ADDRESS in word for word in command.words), f"{command.place}: not our address"
        assert self._server is not None, f"{command.place}: nothing has been started"
        words = [word.replace(_ADDRESS, self._address) for word in command.words[1:]]
        done = subprocess.run(
            [curl, "--noproxy", "*", "--max-time", "40", "-w", "\n%{http_code}", *words],
            check=False,
            capture_output=True,
        )
        said, _, status = done.stdout.decode().rpartition("\n")
        assert (done.returncode, status) == (0, str(command.status)), (command.place, done)
        body = said.rpartition("\r\n\r\n")[2] if "-i" in words else said
        assert bool(json.loads(body).get("error")) == (command.status >= 400), (command.place, said)

"""The group: help, version, exit codes, and errors in one sentence."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hybridge import __version__
from hybridge.cli.program import COMMANDS
from tests.cli.running import CANARY, Shell


def test_version(shell: Shell) -> None:
    done = shell.process("--version")
    assert (done.code, done.out, done.err) == (0, f"hybridge {__version__}\n", "")


def test_version_imports_next_to_nothing() -> None:
    script = "import sys; sys.argv[1:] = ['--version']; from hybridge.cli import main; main(); print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert not {"click", "rich", "msgspec", "ruamel.yaml", "asyncio", "hybridge.config"} & set(printed.split())


@pytest.mark.parametrize("heavy", ["ruamel.yaml", "rich", "uvloop", "uvicorn"])
def test_the_configuration_is_imported_without_what_reading_a_file_needs(heavy: str) -> None:
    script = f"import sys, hybridge.config; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_help_names_every_command(shell: Shell) -> None:
    done = shell.run("--help")
    assert done.code == 0
    assert all(f"  {name} " in done.out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(shell: Shell, name: str) -> None:
    done = shell.run(name, "-h")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Usage: hybridge {name}")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["check"], 0, "the environment: 1 providers on: openai"),
        (["explain", "gpt-4o-mini"], 0, "openai/gpt-4o-mini"),
        (["providers", "--on"], 0, "https://api.openai.com/v1"),
        (["models", "gpt-4o-mini", "--format", "json"], 0, '"deployment": "openai/gpt-4o-mini"'),
        (["ledger"], 1, "there is no ledger at hybridge.db yet"),
        (["simulate", "--fail", "nonsense"], 2, "nonsense"),
    ],
)
def test_every_command_as_a_process(shell: Shell, arguments: list[str], code: int, said: str) -> None:
    done = shell.process(*arguments, OPENAI_API_KEY=CANARY)
    assert (done.code, said in done.out + done.err) == (code, True), done


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sevre"], "No such command 'sevre'"),
        (["serve", "--prot", "1"], "No such option"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["serve", "--admin-port", "65536"], "65536 is not in the range"),
        (["serve", "--admin-port", "of"], "'of' is not a valid"),
        (["serve", "--demo", "--config", "x.yaml"], "--config cannot be given with it"),
        (["explain"], "Missing argument 'MODEL'"),
        (["explain", "m", "--complexity", "extreme"], "'extreme' is not one of"),
        (["ledger", "--by", "moon"], "'moon' is not one of"),
        (["simulate", "--latency", "soon"], "expected a duration such as 200ms, got 'soon'"),
        (["models", "--format", "csv"], "'csv' is not one of"),
    ],
)
def test_a_wrong_option_exits_2(shell: Shell, arguments: list[str], said: str) -> None:
    done = shell.run(*arguments)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


@pytest.mark.parametrize("command", [["serve"], ["check"], ["explain", "m"], ["providers"], ["models"], ["ledger"]])
def test_a_bad_configuration_exits_1_and_tells_every_problem(shell: Shell, command: list[str]) -> None:
    shell.write("hybridge.yaml", "providers:\n  openai: {keyss: [x]}\nbreaker: {failures: many}\n")
    done = shell.run(*command)
    assert (done.code, done.out) == (1, "")
    assert "Error: hybridge.yaml:2: providers.openai.keyss: unknown key; did you mean keys?\n" in done.err
    assert "Error: hybridge.yaml:3: breaker.failures: expected a whole number" in done.err


def test_no_usable_key_names_the_variables(shell: Shell) -> None:
    shell.write("hybridge.yaml", "providers: {openai: , anthropic: {keys: [env:MY_KEY]}}\n")
    done = shell.run("serve", "--port", "0")
    assert done.code == 1
    assert "no provider has a usable key; set OPENAI_API_KEY or MY_KEY" in done.err


def test_demo_mode_is_refused_beyond_loopback(shell: Shell) -> None:
    done = shell.run("serve", "--host", "0.0.0.0", "--port", "0")
    assert done.code == 1
    assert "demo mode runs on loopback only" in done.err


def test_a_defect_is_one_sentence_too(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hybridge.cli.catalogue.load_rows", None)
    done = shell.run("models", "--all")
    assert done.code == 1
    assert done.err.startswith("Error: a defect of Hybridge: TypeError")
    with pytest.raises(TypeError):
        shell.run("models", "--all", HYBRIDGE_TRACEBACK="1")


def test_a_file_that_may_not_be_made_is_one_sentence(shell: Shell) -> None:
    shell.write("hybridge.yaml", "providers: {ollama: }\nstorage: sqlite:///no/such/folder/x.db\n")
    done = shell.run("serve", "--port", "0")
    assert done.code == 1
    assert done.err.startswith("Error: storage: cannot use no/such/folder/x.db")

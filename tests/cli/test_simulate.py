"""`hybridge simulate`: simulated providers in a process of their own."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from tests.cli.running import CANARY, Shell


def ask(address: str) -> int:
    """The status of a chat request at a provider that speaks the OpenAI dialect."""
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}).encode()
    headers = {"content-type": "application/json", "authorization": f"Bearer {CANARY}"}
    asked = urllib.request.Request(f"{address}/chat/completions", body, headers, method="POST")
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_one_line_for_each_provider(shell: Shell) -> None:
    with shell.lasting("simulate", "--latency", "1ms", "--rate", "10000", "--seed", "7") as simulated:
        addresses = [simulated.address() for _ in range(3)]
        assert len(set(addresses)) == 3
        assert ask(addresses[0]) == 200
        done = simulated.stop()
    assert (done.code, done.err) == (0, "")


def test_a_fault_that_is_asked_for(shell: Shell) -> None:
    with shell.lasting("simulate", "--dialect", "openai", "--latency", "1ms", "--fail", "status:503@1") as simulated:
        assert ask(simulated.address()) == 503


@pytest.mark.parametrize("arguments", [["--fail", "nonsense"], ["--scenario", "gone.yaml"]])
def test_what_cannot_be_simulated(shell: Shell, arguments: list[str]) -> None:
    done = shell.run("simulate", *arguments)
    assert (done.code, done.out) == (2, "")
    assert arguments[1] in done.err

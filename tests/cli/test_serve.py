"""`hybridge serve`: a process that says when it is ready, answers, and leaves when it is told to."""

from __future__ import annotations

import json
import socket
import urllib.request

from tests.cli.running import CANARY, Shell

MINE = """\
providers:
  mine: {kind: direct, dialect: openai, base_url: 'http://127.0.0.1:9/v1', keys: [env:GOOD]}
  groq:
storage: sqlite:///accounts.db
"""


def test_it_says_when_it_is_ready_and_leaves_on_sigterm(shell: Shell) -> None:
    shell.write("hybridge.yaml", MINE)
    with shell.lasting("serve", "--port", "0", "--admin-port", "off", GOOD=CANARY) as server:
        with urllib.request.urlopen(f"{server.address()}/healthz", timeout=10) as answer:
            assert answer.status == 200
        done = server.stop()
    assert (done.code, done.out) == (0, "")
    assert "Warning: hybridge.yaml:3: providers.groq: off: it has no usable key; set GROQ_API_KEY\n" in done.err
    assert (shell.folder / "accounts.db").is_file()


def test_with_neither_file_nor_key_it_says_that_it_is_a_demo_and_answers(shell: Shell) -> None:
    with shell.lasting("serve", "--port", "0", "--admin-port", "off") as server:
        address = server.address()
        body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}).encode()
        asked = urllib.request.Request(
            f"{address}/v1/chat/completions", body, {"content-type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=20) as answer:
            assert answer.headers["x-hybridge-demo"] == "true"
            assert json.load(answer)["choices"][0]["message"]["content"]
        done = server.stop()
    assert done.code == 0
    assert "neither a configuration file nor a provider's key was found: this is demo mode" in done.err
    (row,) = shell.run("ledger", "--format", "json", "--by", "model").json()["rows"]
    assert (row["model"], row["requests"]) == ("gpt-4o-mini", 1)


def test_a_demo_that_is_asked_for_needs_no_explanation(shell: Shell) -> None:
    shell.write("hybridge.yaml", "this file: is not read")
    with shell.lasting("serve", "--demo", "--port", "0", "--admin-port", "off") as server:
        server.address()
        done = server.stop()
    assert done.code == 0
    assert "neither" not in done.err


def test_a_port_that_is_taken_is_one_sentence(shell: Shell) -> None:
    shell.write("hybridge.yaml", MINE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = shell.process("serve", "--port", str(taken.getsockname()[1]), GOOD=CANARY)
    assert (done.code, done.out) == (1, "")
    assert "address already in use" in done.err


def test_a_host_that_is_not_ours(shell: Shell) -> None:
    shell.write("hybridge.yaml", MINE + "access: {mode: open}\n")
    done = shell.process("serve", "--host", "192.0.2.1", "--port", "0", GOOD=CANARY)
    assert (done.code, done.out) == (1, "")

"""What is measured: the cases, their requests, and the CPU time that a process spends on them."""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import NamedTuple

from bench.processes import PYTHON, cores, cpu_seconds
from bench.upstream import EVENTS

_PROMPT = "Tell me about the sea, its tides and its storms. " * 20


class Case(NamedTuple):
    """One line of the table: `model` chooses the upstream, `per` what one unit is."""

    name: str
    model: str
    path: str
    stream: bool
    requests: int
    per: int = 1


CASES = (
    Case("unary, pass-through", "burst", "/v1/chat/completions", False, 6000),
    Case("unary, OpenAI to Anthropic", "translated", "/v1/chat/completions", False, 4000),
    Case("stream of 52 events in a burst", "burst", "/v1/chat/completions", True, 2000),
    Case("streamed chunk, paced 2 ms", "paced", "/v1/chat/completions", True, 500, EVENTS),
    Case("streamed chunk, paced, OpenAI to Anthropic", "translated-paced", "/v1/chat/completions", True, 300, EVENTS),
)


def body(model: str, stream: bool) -> str:
    """A chat request of about 1 kB."""
    message = {"role": "user", "content": _PROMPT}
    asked: dict[str, object] = {"model": model, "messages": [message], "max_tokens": 100}
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked, separators=(",", ":"))


def load(port: int, path: str, text: str, connections: int, count: int) -> dict[str, float]:
    """Run the load generator on the other cores."""
    plan = {"port": port, "path": path, "body": text, "connections": connections, "count": count}
    command = [PYTHON, "-m", "bench.load", json.dumps({**plan, "cores": sorted(cores()[1])})]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    result: dict[str, float] = json.loads(done.stdout)
    if result["failures"]:
        raise RuntimeError(f"{result['failures']} requests failed: {text[:80]}")
    return result


def measured(pid: int, port: int, case: Case, rounds: int, connections: int) -> float:
    """CPU microseconds per unit, the median of the rounds."""
    text = body(case.model, case.stream)
    load(port, case.path, text, connections, max(100, case.requests // 10))
    figures = []
    for _ in range(rounds):
        before = cpu_seconds(pid)
        done = load(port, case.path, text, connections, case.requests)
        figures.append((cpu_seconds(pid) - before) / done["requests"] / case.per * 1e6)
    return statistics.median(figures)

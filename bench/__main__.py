"""`python -m bench`: what a request and a streamed chunk cost, in CPU time of the gateway, and what a start costs.

Load and upstream run on the other core. Figures are medians of several rounds; the ratio to nginx in the same run,
where it is installed, is the one that can be compared between machines.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import nginx
from bench.cases import CASES, Case, body, load, measured
from bench.processes import PYTHON, cores, free_port, listening, resident_mb, running


def config(port: int, upstream: int, folder: Path) -> Path:
    """A configuration with everything on: plan, breaker, own prices, ledger."""
    price = "{input: 0.15, output: 0.60}"
    providers = {
        "burst": ("openai", "burst/v1"),
        "paced": ("openai", "paced/v1"),
        "translated": ("anthropic", "anthropic/burst/v1"),
        "translated-paced": ("anthropic", "anthropic/paced/v1"),
    }
    lines = [f"server: {{port: {port}}}", f"storage: sqlite:///{folder / 'bench.db'}", "providers:"]
    for name, (dialect, path) in providers.items():
        address = f"http://127.0.0.1:{upstream}/{path}"
        lines.append(f"  {name}: {{kind: direct, dialect: {dialect}, base_url: '{address}', keys: [bench]}}")
    lines.append("models:")
    for name in providers:
        deployment = f"{name}/gpt-4o-mini"
        lines.append(f"  {name}: {{deployments: [{deployment}], price: {{{deployment}: {price}}}}}")
    file = folder / "hybridge.yaml"
    file.write_text("\n".join(lines) + "\n")
    return file


def import_seconds(module: str) -> float:
    """How long a fresh process takes to import something, without the interpreter's own start."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    figures = [
        float(subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout) for _ in range(5)
    ]
    return min(figures)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--scale", type=float, default=1.0, help="how many requests, as a share of the full count")
    arguments = parser.parse_args()
    ours, others = cores()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        port, upstream = free_port(), free_port()
        file = config(port, upstream, folder)
        root = Path(__file__).parent.parent
        with running([PYTHON, "-m", "bench.upstream", str(upstream)], others, cwd=root) as provider:
            listening(upstream, provider)
            reference = nginx.measure(upstream, folder, arguments)
            began = time.perf_counter()
            command = [PYTHON, "-m", "hybridge", "serve", "--config", str(file)]
            with running(command, ours, cwd=folder) as gateway:
                listening(port, gateway)
                ready = time.perf_counter() - began
                idle = resident_mb(gateway.pid)
                print(f"{'CPU microseconds':46}{'Hybridge':>10}{'nginx':>10}{'ratio':>8}")
                for case in CASES:
                    scaled = case._replace(requests=max(100, int(case.requests * arguments.scale)))
                    figure = measured(gateway.pid, port, scaled, arguments.rounds, arguments.connections)
                    print(_row(case, figure, reference), flush=True)
                text = body("burst", False)
                for connections in (1, 64):
                    _latency(port, upstream, connections, text, int(3000 * arguments.scale) or 100)
                loaded = resident_mb(gateway.pid)
    print(f"\nimport hybridge      {import_seconds('hybridge') * 1e3:8.0f} ms")
    print(f"serve ready          {ready * 1e3:8.0f} ms")
    print(f"resident, idle       {idle:8.1f} MB")
    print(f"resident, loaded     {loaded:8.1f} MB")
    print(f"on {os.cpu_count()} cores, Python {'.'.join(map(str, sys.version_info[:3]))}")


def _row(case: Case, figure: float, reference: dict[str, float]) -> str:
    base = reference.get(case.name)
    compared = f"{base:10.1f}{figure / base:8.1f}" if base else f"{'-':>10}{'-':>8}"
    return f"{case.name:46}{figure:10.1f}{compared}"


def _latency(port: int, upstream: int, connections: int, text: str, count: int) -> None:
    through = load(port, "/v1/chat/completions", text, connections, count)
    straight = load(upstream, "/burst/v1/chat/completions", text, connections, count)
    median, p99 = (through[key] - straight[key] for key in ("median_us", "p99_us"))
    rate = through["requests"] / through["seconds"]
    print(f"added at {connections:2} connections: median {median:7.0f} us, p99 {p99:7.0f} us; {rate:7.0f} requests/s")


if __name__ == "__main__":
    main()

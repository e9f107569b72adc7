"""Memory: what is resident idle, under load, and at the peak of one large body."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.answers import fault
from bench.cases import BURST, PACED, UNARY
from bench.gateways import Gateway, hybridge, post, verify
from bench.load import Asked
from bench.processes import forget_peak, peak_mb, resident_mb, tree
from bench.report import Cell
from bench.rounds import Effort, load
from bench.upstream import text

BODY_MB = 20
CONNECTIONS = 64


def memory(provider: Gateway, folder: Path, effort: Effort) -> list[Sequence[Cell]]:
    """What is resident of a fresh gateway: idle, at the peak of each load, after them; then with a large body."""
    rows: list[Sequence[Cell]] = []
    with hybridge(provider, folder / "memory") as gateway:
        rows.append(["resident, idle, MB", resident_mb(gateway.pid)])
        for what, case in (("unary", UNARY), ("streams in a burst", BURST), ("paced streams", PACED)):
            forget_peak(gateway.pid)
            count = effort.requests(case.requests, CONNECTIONS)
            load(gateway, [gateway.asked(case)], CONNECTIONS, count, seconds=effort.seconds)
            rows.append([f"resident, peak at {CONNECTIONS} connections, {what}, MB", peak_mb(gateway.pid)])
        rows.append(["resident, after that, MB", resident_mb(gateway.pid)])
    for what, model in (("pass-through", "burst"), ("OpenAI to Anthropic", "translated")):
        with hybridge(provider, folder / f"large-{model}") as gateway:
            rows.append([f"peak raised by a body of {BODY_MB} MB, {what}, times its size", _raised(gateway, model)])
    return rows


def _raised(gateway: Gateway, model: str) -> float:
    for _ in range(20):
        verify(gateway, [UNARY])
    (worker,) = tree(gateway.pid)[1:]
    asked = Asked(UNARY.path, _vision(model), False, text(False, False))
    before = resident_mb(worker)
    forget_peak(worker)
    status, answer = post(gateway.port, asked)
    if status != 200 or fault(answer, False, asked.expected):
        raise RuntimeError(f"a large body: {status} {answer[:500]!r}")
    return (peak_mb(worker) - before) * 1e6 / len(asked.body)


def _vision(model: str) -> str:
    """A question about a picture, `BODY_MB` in all: a PNG in a data URL."""
    picture = "iVBORw0KGgo" + "A" * (BODY_MB * 1_000_000 - 225)
    content = [
        {"type": "text", "text": "What is in this picture?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    return json.dumps({"model": model, "messages": [{"role": "user", "content": content}], "max_tokens": 100})

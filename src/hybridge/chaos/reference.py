"""The page on plans and scenarios, made from them."""

from __future__ import annotations

import inspect

import msgspec
from msgspec.structs import fields

from hybridge.chaos.plan import ALLOWED, Fault
from hybridge.chaos.scenarios import all_scenarios

_INTRODUCTION = """\
# Fault injection

This page is made from the program (`python -m hybridge.cli.reference`); do not edit it.

`hybridge chaos proxy` stands between Hybridge and a provider, simulated or real, and breaks what passes. Give its
address to the provider as `base_url`. `hybridge chaos run` does so with two simulated legs, asks a real gateway in
every dialect, and checks each answer against the text that must come; what came of it is in
[reliability](../reliability.md).
"""

#: A plan with one of everything that is usual; a test reads it.
EXAMPLE = """\
faults:
  - {kind: latency, delay_s: 1.5, probability: 0.1}
  - {kind: status, status: 429, retry_after: 2, as_date: true, probability: 0.05, model: "gpt-*"}
  - {kind: reset, phase: content, after_content: 5, streams: true, probability: 0.02}
  - {kind: status, status: 503, from_s: 60, to_s: 75}
  - {kind: outage, how: refuse, from_s: 120, to_s: 180}
"""


def markdown() -> str:
    """The page."""
    described = inspect.cleandoc(Fault.__doc__ or "").partition("\n\n")[2]
    lines = [_INTRODUCTION, "## A plan", "", "```yaml", EXAMPLE + "```", "", described, ""]
    lines += ["The first fault that is due hits; what is due depends on the seed and on the number of the request.", ""]
    lines += ["| kind | phases |", "|---|---|"]
    lines += [f"| `{kind}` | {', '.join(f'`{phase}`' for phase in phases)} |" for kind, phases in ALLOWED.items()]
    lines += ["", "| key | where it is absent |", "|---|---|"]
    lines += [f"| `{field.name}` | {_default(field.default)} |" for field in fields(Fault)]
    lines += ["", "## Scenarios", "", "| scenario | phase | what is broken |", "|---|---|---|"]
    lines += [f"| `{one.name}` | {one.phase} | {one.fault} |" for one in all_scenarios()]
    return "\n".join([*lines, ""])


def _default(value: object) -> str:
    if value is msgspec.NODEFAULT:
        return "must be there"
    return "" if value is None else f"`{msgspec.json.encode(value).decode()}`"

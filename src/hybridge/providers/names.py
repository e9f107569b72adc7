"""One model, many spellings: how names are compared.

`claude-3.5-haiku`, `anthropic/claude-3-5-haiku` and `claude-3-5-haiku-20241022` are the same model to a client.
"""

from __future__ import annotations

import re

#: `-20241022`, `@20241022`, `-2024-10-22`, `-latest` and the `-001` of a first stable version.
_DATE = re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|latest|001)$")
#: `-0709`, `-2411`: a date to whoever writes it, but other models end so too.
_SHORT_DATE = re.compile(r"-\d{4}$")
_VERSION_DOT = re.compile(r"(?<=\d)\.(?=\d)")
_ZERO = re.compile(r"(?<=-\d)(?:-0)+(?=$|:)")

#: Suffixes that are OpenRouter's and no part of a name: what they sort by.
#: Source: https://openrouter.ai/docs/guides/routing/model-variants/overview
SUFFIXES = {":floor": "price", ":nitro": "throughput", ":free": None}


def bare(model: str) -> str:
    """The model's name without its author: `openai/gpt-4o` → `gpt-4o`. Lower case."""
    return model.lower().rpartition("/")[2]


def spelling(model: str) -> str:
    """What two spellings of one version share: `anthropic/Claude-3.5-Haiku` → `claude-3-5-haiku`. Idempotent."""
    return _ZERO.sub("", _VERSION_DOT.sub("-", bare(model)))


def undated(model: str) -> str:
    """The name without the date of its version, the variant kept: `a/x-20240307:free` → `a/x:free`."""
    name, colon, variant = model.partition(":")
    return _DATE.sub("", name) + colon + variant


def date_of(model: str) -> str:
    """The date in a name as it is written, empty if there is none."""
    found = _DATE.search(model.partition(":")[0])
    return found[0][1:].replace("-", "") if found and found[0][1] == "2" else ""


def stem(model: str) -> str:
    """The name without any kind of date, otherwise as it is written: `grok-4-0709` → `grok-4`. Lower case."""
    return _SHORT_DATE.sub("", undated(model.lower()))


def cut_suffix(name: str) -> tuple[str, str | None]:
    """A name without `:floor`, `:nitro` or `:free`, and what the suffix sorts by (`price`, `throughput` or nothing)."""
    for suffix, sort in SUFFIXES.items():
        if name.endswith(suffix):
            return name.removesuffix(suffix), sort
    return name, None

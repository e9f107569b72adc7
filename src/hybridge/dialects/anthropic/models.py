"""What a model of the family takes, as data: each refuses something that another one needs.

Sources: https://platform.claude.com/docs/en/about-claude/models/overview, the `capabilities` of `GET /v1/models`, and
https://platform.claude.com/docs/en/about-claude/models/migration-guide (August 2026).
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from hybridge.chat import Effort


class Traits(Struct, frozen=True):
    """What a model takes. The default fits any other model that is served in this dialect."""

    #: `temperature`, `top_p` and `top_k` may differ from their defaults.
    sampling: bool = True
    #: `temperature` and `top_p` may come together.
    both_samplers: bool = True
    #: `output_config.format` and strict tools.
    schemas: bool = False
    #: `thinking: {"type": "enabled", "budget_tokens": …}`.
    budget: bool = True
    #: `thinking: {"type": "adaptive"}`.
    adaptive: bool = False
    #: What `output_config.effort` may say, rising; empty where there is none.
    efforts: tuple[Effort, ...] = ()
    #: The conversation may end with words of the assistant.
    prefill: bool = True
    #: `role: "system"` after a user's turn.
    system_turns: bool = False


OTHER = Traits()
_NO_THINKING = Traits(budget=False)
_SCHEMAS = Traits(both_samplers=False, schemas=True)
_ADAPTIVE = Traits(
    both_samplers=False,
    schemas=True,
    adaptive=True,
    efforts=("low", "medium", "high", "max"),
    prefill=False,
)
#: Models after Claude Opus 4.6 answer 400 to any sampling, those after 4.7 take system turns; so will future ones.
NEWEST = replace(
    _ADAPTIVE,
    sampling=False,
    budget=False,
    efforts=("low", "medium", "high", "xhigh", "max"),
    system_turns=True,
)

TRAITS = {
    "haiku-3": _NO_THINKING,
    "sonnet-3": _NO_THINKING,
    "opus-3": _NO_THINKING,
    "haiku-3-5": _NO_THINKING,
    "sonnet-3-5": _NO_THINKING,
    "sonnet-3-7": OTHER,
    "sonnet-4": OTHER,
    "sonnet-4-0": OTHER,
    "opus-4": OTHER,
    "opus-4-0": OTHER,
    "opus-4-1": _SCHEMAS,
    "sonnet-4-5": _SCHEMAS,
    "haiku-4-5": _SCHEMAS,
    "opus-4-5": replace(_SCHEMAS, efforts=("low", "medium", "high")),
    "opus-4-6": _ADAPTIVE,
    "sonnet-4-6": _ADAPTIVE,
    "opus-4-7": replace(NEWEST, system_turns=False),
}

#: `claude-3-5-haiku-20241022` and `anthropic/claude-opus-4.6` alike; a date is no version.
_NAME = re.compile(r"claude-(?:(\d{1,2}(?:[.-]\d{1,2})?)-)?([a-z]+)(?:-(\d{1,2}(?:[.-]\d{1,2}(?!\d))?))?(?!\d)")


@lru_cache(maxsize=1024)
def traits_of(*names: str) -> Traits:
    """The traits of the model that goes by these names (the provider's, the catalogue's)."""
    for name in names:
        if found := _NAME.search(name.lower()):
            early, family, late = found.groups()
            version = (late or early or "").replace(".", "-")
            return TRAITS.get(f"{family}-{version}", NEWEST)
    return OTHER

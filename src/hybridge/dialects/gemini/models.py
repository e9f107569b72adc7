"""What the generations of models can do, as data: a new one is a row.

Sources: https://ai.google.dev/gemini-api/docs/thinking, …/thought-signatures, …/structured-output, …/function-calling.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct


class Traits(Struct, frozen=True):
    """How a generation wants to be spoken to.

    `json_schema`: takes real JSON Schema (`parametersJsonSchema`), else the OpenAPI subset. `levels`: thinking levels,
    ascending. `budget`: least and most thinking tokens, `None` if it does not think; `can_rest`: 0 turns thinking off.
    `signatures`: a call that is sent back must carry one. `ids`: calls have ids. `tool_media`: results may hold media.
    `json_with_tools`: tools and a JSON answer go together. `validated`: has the calling mode `VALIDATED`.
    """

    json_schema: bool = True
    levels: tuple[str, ...] = ()
    budget: tuple[int, int] | None = None
    can_rest: bool = True
    signatures: bool = False
    ids: bool = True
    tool_media: bool = False
    json_with_tools: bool = False
    validated: bool = True


_OLD = Traits(json_schema=False, ids=False, validated=False)
_FLASH_2_5 = Traits(budget=(1, 24_576))
_NEW = Traits(
    levels=("MINIMAL", "LOW", "MEDIUM", "HIGH"),
    budget=(1, 32_768),
    can_rest=False,
    signatures=True,
    tool_media=True,
    json_with_tools=True,
)
_PRO_3_0 = Traits(
    levels=("LOW", "HIGH"),
    budget=(1, 32_768),
    can_rest=False,
    signatures=True,
    tool_media=True,
    json_with_tools=True,
)
_PRO_3 = Traits(
    levels=("LOW", "MEDIUM", "HIGH"),
    budget=(1, 32_768),
    can_rest=False,
    signatures=True,
    tool_media=True,
    json_with_tools=True,
)

#: Name → traits; the first pattern found in the name holds.
GENERATIONS: tuple[tuple[re.Pattern[str], Traits], ...] = (
    (re.compile(r"gemma|learnlm|gemini-(?:pro(?:-vision)?$|1|2\.0)"), _OLD),
    (re.compile(r"gemini-2\.5-flash-lite"), Traits(budget=(512, 24_576))),
    (re.compile(r"gemini-2\.5-pro"), Traits(budget=(128, 32_768), can_rest=False)),
    (re.compile(r"gemini-2\.5-flash-image"), Traits()),
    (re.compile(r"gemini-2\.5"), _FLASH_2_5),
    (re.compile(r"gemini-3-pro"), _PRO_3_0),
    (re.compile(r"gemini-3\.\d+-pro|gemini-pro-latest"), _PRO_3),
    (re.compile(r"gemini-"), _NEW),
)

#: Tokens for an effort where a model takes a budget. Source: https://ai.google.dev/gemini-api/docs/openai.
EFFORT_TOKENS = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}
#: Thinking levels from the least to the most, under the names of the neutral efforts.
LEVELS = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}

#: Accepted where a signature is required and none can be had.
#: Source: https://ai.google.dev/gemini-api/docs/thought-signatures.
NO_SIGNATURE = "skip_thought_signature_validator"

#: Names of functions. Source: FunctionDeclaration in the discovery document.
TOOL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")


@lru_cache(maxsize=1024)
def traits(model: str, name: str) -> Traits:
    """The traits of a deployment, by the provider's name for its model, else by the catalogue's."""
    for known in (model.lower(), name.lower()):
        for pattern, found in GENERATIONS:
            if pattern.search(known):
                return found
    return _OLD

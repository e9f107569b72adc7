"""Who made a model, by any of its names: reasoning belongs to a maker, whoever serves the model.

A signature of Claude is read by Claude wherever it runs (https://platform.claude.com/docs/en/build-with-claude/extended-thinking),
and by nobody else, also where another's model is served in Anthropic's dialect.
"""

from __future__ import annotations

import re
from functools import lru_cache

#: The words by which a family of models, or a format of reasoning, is known. The first one in a name counts:
#: `deepseek-r1-distill-qwen-32b` is DeepSeek's.
_FAMILIES = {
    "anthropic": "claude|anthropic",
    "gemini": "gemini",
    "openai": r"gpt|chatgpt|codex|openai|o[1-9](?![a-z0-9.])",
    "xai": "grok|xai|x-ai",
    "deepseek": "deepseek",
    "moonshot": "kimi|moonshot",
    "minimax": "minimax",
    "zhipu": "glm|zhipu",
    "qwen": "qwen|qwq",
    "xiaomi": "mimo",
    "mistral": "mistral|magistral|ministral|codestral|devstral",
}
_NAMED = re.compile("(?<![a-z0-9])(?:" + "|".join(f"(?P<{maker}>{words})" for maker, words in _FAMILIES.items()) + ")")

#: Their thoughts count only with the proof that came with them; words alone are refused, or ignored.
SIGNING = frozenset({"anthropic", "gemini", "openai", "xai"})
#: While their models think, they refuse a call that comes back without its thought; `thinking` turns that off.
#: Source: https://api-docs.deepseek.com/guides/thinking_mode, https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model.
WANT_THOUGHTS = frozenset({"deepseek", "moonshot"})
#: How they, and Anthropic, are told not to think.
NO_THINKING = {"type": "disabled"}


@lru_cache(maxsize=1024)
def maker_of(*names: str) -> str:
    """The maker of the model that goes by these names (the provider's, the catalogue's), empty if none tells."""
    for name in names:
        if found := _NAMED.search(name.lower()):
            return found.lastgroup or ""
    return ""

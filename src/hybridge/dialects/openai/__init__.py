"""OpenAI's chat completions, and all who speak like it. https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from hybridge.dialects.codec import Dialect
from hybridge.dialects.openai.client import OpenAIClient
from hybridge.dialects.openai.provider import OpenAIProvider

DIALECT = Dialect("openai", client=OpenAIClient(), provider=OpenAIProvider())

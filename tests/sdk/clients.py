"""The official SDKs as a user makes them: an address and a key, nothing else of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anthropic
import openai
from google import genai
from msgspec import Struct


class Clients(Struct):
    """One client of each SDK, for the gateway at `url`."""

    url: str
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    gemini: genai.Client


@contextmanager
def clients(url: str, key: str = "any", retries: int = 0) -> Iterator[Clients]:
    """Clients for a gateway, closed at the end. Without `retries` they do not try again by themselves."""
    google = genai.Client(api_key=key, http_options={"base_url": url})
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=retries) as one,
        anthropic.Anthropic(base_url=url, api_key=key, max_retries=retries) as other,
    ):
        try:
            yield Clients(url, one, other, google)
        finally:
            google.close()

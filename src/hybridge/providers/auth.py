"""How a key is shown to a provider. A row names one of these functions."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from hybridge.errors import ConfigError

Headers = tuple[tuple[str, str], ...]
Auth = Callable[[str], Headers]


def bearer(key: str) -> Headers:
    """`Authorization: Bearer KEY`, as most providers want it (RFC 6750)."""
    return (("authorization", f"Bearer {key}"),)


def x_api_key(key: str) -> Headers:
    """`x-api-key: KEY` (https://docs.anthropic.com/en/api/overview)."""
    return (("x-api-key", key),)


def api_key(key: str) -> Headers:
    """`api-key: KEY` (https://learn.microsoft.com/azure/ai-services/openai/reference)."""
    return (("api-key", key),)


def x_goog_api_key(key: str) -> Headers:
    """`x-goog-api-key: KEY` (https://ai.google.dev/gemini-api/docs/api-key)."""
    return (("x-goog-api-key", key),)


def none(key: str) -> Headers:
    """No key at all: a server on the own machine."""
    return ()


AUTH: dict[str, Auth] = {
    "api_key": api_key,
    "bearer": bearer,
    "none": none,
    "x_api_key": x_api_key,
    "x_goog_api_key": x_goog_api_key,
}


def auth(name: str) -> Auth:
    """The function of that name. Raises `ConfigError` with the nearest right word."""
    if name in AUTH:
        return AUTH[name]
    near = get_close_matches(name, AUTH, 1) or sorted(AUTH)
    raise ConfigError([f"auth: no {name!r}; did you mean {near[0]}?"])

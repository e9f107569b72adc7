"""One endpoint that speaks OpenAI, Anthropic and Gemini, in front of every model provider.

from hybridge import Hybridge                    # the gateway within a program
from hybridge import Router, CircuitBreaker      # parts that work alone
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hybridge.library import Hybridge
    from hybridge.resilience.breaker import CircuitBreaker
    from hybridge.routing.router import Router

__version__ = "0.1.0"
__all__ = ["CircuitBreaker", "Hybridge", "Router", "__version__"]

#: Imported when asked for, so that `import hybridge` costs nothing.
_HOMES = {
    "CircuitBreaker": "hybridge.resilience.breaker",
    "Hybridge": "hybridge.library",
    "Router": "hybridge.routing.router",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

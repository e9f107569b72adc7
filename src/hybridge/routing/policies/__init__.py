"""The policies, a file each. A policy's name is its module's name."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any, cast

from msgspec import convert

from hybridge.errors import InvalidRequest
from hybridge.routing.nearest import nearest
from hybridge.routing.policy import Policy

#: Name, and the class in the module of that name.
NAMES = {"cheapest": "Cheapest", "hybrid": "Hybrid", "priority": "Priority"}


def policy(name: str, **options: Any) -> Policy:
    """The policy of that name with its options. Raises `InvalidRequest` that tells the nearest name."""
    return cast(Policy, convert(options, _class(name)))


@cache
def _class(name: str) -> Any:
    if name not in NAMES:
        near = nearest(name, NAMES, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(NAMES)}"
        raise InvalidRequest(f"there is no policy `{name}`; {hint}", param="route.policy")
    return getattr(import_module(f"{__name__}.{name}"), NAMES[name])

"""A provider's quirks, applied to the top-level members of a body.

The same for a body that passes through (values are `Raw`) and for one that was encoded (values are plain).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.types import Bounds, Quirks

_SILENT = tuple(map(Raw, (b"", b"null", b'""', b"[]", b"{}")))


def apply(fields: MutableMapping[str, Any], quirks: Quirks) -> tuple[str, ...]:
    """Change `fields` as the row says. Returns the names, as the client knows them, of what was changed."""
    changed: list[str] = []
    for name in quirks.drop:
        if name in fields and asks(fields.pop(name)):
            changed.append(name)
    if quirks.scale or quirks.clamp:
        changed += _rescale(fields, quirks)
    if quirks.no_stream_options:
        fields.pop("stream_options", None)
    if quirks.no_tool_choice_without_tools and not asks(fields.get("tools")):
        fields.pop("tools", None)
        if asks(fields.pop("tool_choice", None)):
            changed.append("tool_choice")
    if quirks.rename:
        changed += _rename(fields, quirks)
    return tuple(dict.fromkeys(changed)) if changed else ()


def _rename(fields: MutableMapping[str, Any], quirks: Quirks) -> list[str]:
    renamed = []
    for name, new_name in quirks.rename.items():
        if name in fields:
            value = fields.pop(name)
            fields.setdefault(new_name, value)
            renamed.append(name)
    return renamed


def _rescale(fields: MutableMapping[str, Any], quirks: Quirks) -> list[str]:
    changed = []
    for name in {**quirks.scale, **quirks.clamp}:
        value = number(fields.get(name))
        if value is None:
            continue
        wanted = clamp(value * quirks.scale[name] if name in quirks.scale else value, quirks.clamp.get(name))
        if wanted != value:
            fields[name] = wanted
            changed.append(name)
    return changed


def clamp(value: float, bounds: Bounds | None) -> float:
    """The nearest number within the bounds; a whole number stays whole where its bound is."""
    if bounds is None:
        return value
    for limit, outside in ((bounds.min, min), (bounds.max, max)):
        if limit is not None and value != limit and outside(value, limit) == value:
            value = int(limit) if isinstance(value, int) and float(limit).is_integer() else limit
    return value


def number(value: object) -> float | int | None:
    """The number in a member, `Raw` or plain; `None` if it is none."""
    if isinstance(value, Raw):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def asks(value: object) -> bool:
    """Whether a member says anything: not missing, null or empty."""
    if isinstance(value, Raw):
        return value not in _SILENT
    return value is not None and value not in ([], {}, "", ())

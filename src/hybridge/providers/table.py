"""The page of providers, from their rows: `python -m hybridge.providers.table > docs/reference/providers.md`."""

from __future__ import annotations

from collections.abc import Mapping

from hybridge.providers.row import Row, load_rows
from hybridge.types import Kind

_HEAD = """\
# Providers

Made from `src/hybridge/providers/rows`; change a row, then run `python -m hybridge.providers.table` again.

A provider is on when one of its variables holds a key, or when it stands in the configuration. *Verified*: real
traffic of it was recorded, and the tests replay it. *Community*: the row says what its source says, untried.
The link leads to the source of the address, read on {date} or earlier.
"""

_COLUMNS = ("id", "name", "dialect", "address", "key", "differs in")


def markdown(rows: Mapping[str, Row] | None = None) -> str:
    """The whole page: a table for each kind and tier."""
    found = load_rows() if rows is None else rows
    newest = max(row.verified_on for row in found.values())
    parts = [_HEAD.format(date=newest)]
    for kind in Kind:
        for tier in ("verified", "community"):
            of_both = [row for row in found.values() if row.kind is kind and row.tier == tier]
            if of_both:
                parts.append(f"\n## {kind.capitalize()}, {tier} ({len(of_both)})\n\n{_table(of_both)}")
    return "".join(parts)


def _table(rows: list[Row]) -> str:
    lines = [" | ".join(_COLUMNS), " | ".join("---" for _ in _COLUMNS)]
    lines += [" | ".join(_cells(row)) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    name = f"[{row.name}]({row.docs})" if row.docs else row.name
    key = ", ".join(f"`{variable}`" for variable in row.env) + ("" if row.key_required else " (none needed)")
    dialects = dict.fromkeys((row.dialect, *(branch.dialect for branch in row.surfaces)))
    address = f"[`{row.base_url}`]({row.source})"
    return f"`{row.id}`", name, ", ".join(dialects), address, key.strip(), ", ".join(_differences(row))


def _differences(row: Row) -> list[str]:
    """What a row says beyond who and where, in words."""
    said = [f"fee {row.fee}"] if row.fee_ppm else []
    said += [f"without {need.replace('_', ' ')}" for need in row.lacks]
    said += [f"`{field}` dropped" for field in row.drop]
    said += [f"`{field}` sent as `{other}`" for field, other in row.rename.items()]
    said += [f"`{field}` clamped" for field in row.clamp]
    said += [f"`{field}` × {factor:g}" for field, factor in row.scale.items()]
    said += [f"option `{option}`" for option in row.options]
    marks = {
        f"usage in `{row.usage_path}`": row.usage_path,
        f"bill in `usage.{row.cost_path}`": row.cost_path,
        "no `[DONE]`": row.ends_without_done,
        "no `stream_options`": row.no_stream_options,
        "reasoning beside completion tokens": row.reasoning_outside_completion,
        "no `tool_choice` without tools": row.no_tool_choice_without_tools,
    }
    return said + [words for words, there in marks.items() if there]


if __name__ == "__main__":
    print(markdown(), end="")

"""Tools, and the form of the answer, which may need a tool of our own.

Sources: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview,
https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw

from hybridge.chat import Chat, Format, Tool
from hybridge.dialects.anthropic.models import Traits
from hybridge.dialects.anthropic.schema import ANY_OBJECT, arguments_schema, is_object, strict_schema
from hybridge.dialects.anthropic.turns import TOOL_NAME
from hybridge.dialects.losses import Losses

#: The tool that a model without structured outputs is made to call. The name is reserved, so that whoever decodes an
#: answer knows without further ado that this call is the answer itself.
JSON_TOOL = "hybridge_json"
_NO_ARGUMENTS_STRICT = Raw(b'{"type":"object","properties":{},"additionalProperties":false}')
_JSON_TOOL_DESCRIPTION = "Answer by calling this tool: its input is the whole answer."


def tool_members(chat: Chat, traits: Traits, called: Iterable[str], losses: Losses) -> dict[str, Any]:
    """`tools` and `tool_choice`. `called` are the tools that the conversation mentions: the API wants them defined."""
    tools = [_tool(tool, traits, losses) for tool in chat.tools]
    if not tools:
        named = [{"name": name, "input_schema": ANY_OBJECT} for name in called]
        return {"tools": named, "tool_choice": {"type": "none"}}
    members: dict[str, Any] = {"tools": tools}
    choice = chat.tool_choice
    if choice is not None:
        members["tool_choice"] = {"type": choice.mode} | ({"name": choice.name} if choice.mode == "tool" else {})
    if chat.parallel_tools is not None and (choice is None or choice.mode != "none"):
        alone = {"disable_parallel_tool_use": not chat.parallel_tools}
        members["tool_choice"] = members.get("tool_choice", {"type": "auto"}) | alone
    return members


def _tool(tool: Tool, traits: Traits, losses: Losses) -> dict[str, Any]:
    if not TOOL_NAME.fullmatch(tool.name) or tool.name == JSON_TOOL:
        losses.refuse("tools")
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    schema = strict_schema(tool.schema or _NO_ARGUMENTS_STRICT) if tool.strict and traits.schemas else None
    if tool.strict and schema is None:
        losses.refuse("strict_tools")
    if tool.strict is not None and traits.schemas:
        written["strict"] = schema is not None
    written["input_schema"] = schema if schema is not None else arguments_schema(tool.schema)
    return written


def format_members(chat: Chat, form: Format, traits: Traits, fields: dict[str, Any], losses: Losses) -> None:
    """Adds the form of the answer to `fields`: `output_config.format`, or a tool that must be called."""
    # A client that forces a tool gets a call, whose form is that of the tool.
    if chat.tools and chat.tool_choice is not None and chat.tool_choice.mode in ("any", "tool"):
        return
    schema = strict_schema(form.schema) if form.schema is not None and traits.schemas else None
    if schema is not None:
        said = {"type": "json_schema", "schema": _described(schema, form.description)}
        fields["output_config"] = fields.get("output_config", {}) | {"format": said}
        return
    thinks = fields.get("thinking", {"type": "disabled"})["type"] != "disabled"
    if thinks or not is_object(form.schema):
        losses.refuse("response_format")
        return
    _force(form, fields)


def _force(form: Format, fields: dict[str, Any]) -> None:
    description = f"{_JSON_TOOL_DESCRIPTION} {form.description}".strip()
    schema = ANY_OBJECT if form.schema is None else arguments_schema(form.schema)
    own = fields.get("tools", [])
    choice = fields.get("tool_choice", {"type": "auto"})
    fields["tools"] = [*own, {"name": JSON_TOOL, "description": description, "input_schema": schema}]
    if own and choice["type"] == "auto":
        fields["tool_choice"] = choice | {"type": "any"}
    else:
        fields["tool_choice"] = {"type": "tool", "name": JSON_TOOL, "disable_parallel_tool_use": True}


def _described(schema: Raw | dict[str, Any], description: str) -> Raw | dict[str, Any]:
    if not description:
        return schema
    members = msgspec.json.decode(schema, type=dict[str, Raw]) if isinstance(schema, Raw) else schema
    return {"description": description, **members}

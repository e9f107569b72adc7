"""Reading a message request as Anthropic's servers do, with their refusals.

Source: https://docs.claude.com/en/api/messages.
"""

from __future__ import annotations

from typing import Any

import msgspec

from hybridge.simulator.answers import IMAGE_TOKENS, Question, Tool, Turn, tokens
from hybridge.simulator.scenario import Leg
from hybridge.simulator.signatures import is_signed
from hybridge.simulator.voice import Refusal, encode

_KNOWN = frozenset(
    "cache_control container context_management inference_geo max_tokens mcp_servers messages metadata model "
    "output_config service_tier stop_sequences stream system temperature thinking tool_choice tools top_k top_p".split()
)
_LEAST_THINKING = 1024


def read_question(body: bytes, leg: Leg, *, counting: bool) -> Question:
    """The question of a request; one that only counts tokens needs no `max_tokens`. Raises `Refusal`."""
    asked = _object(body)
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if asked.get(name) is None:
            raise Refusal(400, f"{name}: Field required")
    for name in asked:
        if name not in _KNOWN:
            raise Refusal(400, f"{name}: Extra inputs are not permitted")
    model = asked["model"]
    card = leg.card(model) if isinstance(model, str) else None
    if card is None:
        raise Refusal(404, f"model: {model}")
    _check_sampling(asked)
    _check_thinking(asked)
    messages = _messages(asked)
    question = _question(asked, messages)
    if question.sent > card.context:
        raise Refusal(400, f"prompt is too long: {question.sent} tokens > {card.context} maximum")
    if question.max_tokens is not None and question.max_tokens > card.max_output:
        told = f"max_tokens: {question.max_tokens} > {card.max_output}, which is the maximum allowed number of output"
        raise Refusal(400, f"{told} tokens for {model}")
    return question


def _question(asked: dict[str, Any], messages: list[dict[str, Any]]) -> Question:
    blocks = [block for message in messages for block in _blocks(message)]
    inner = [one for block in blocks if block["type"] == "tool_result" for one in _result_blocks(block)]
    images = sum(block["type"] == "image" for block in [*blocks, *inner])
    results = [block for block in _blocks(messages[-1]) if block["type"] == "tool_result"]
    tools = _tools(asked)
    form = (asked.get("output_config") or {}).get("format") or {}
    return Question(
        model=asked["model"],
        text=_last_words(messages),
        images=images,
        result="\n".join(map(_result_text, results)) if results else None,
        tools=tools,
        choice=_choice(asked, tools),
        parallel=not (asked.get("tool_choice") or {}).get("disable_parallel_tool_use"),
        schema=form.get("schema") if form.get("type") == "json_schema" else None,
        reasoning=_thinks(asked),
        max_tokens=asked.get("max_tokens"),
        stop=tuple(asked.get("stop_sequences") or ()),
        stream=asked.get("stream") is True,
        turns=tuple(Turn(message["role"] == "assistant", _said(message)) for message in messages),
        sent=_weight(asked, blocks) + images * IMAGE_TOKENS + 4 * len(messages),
    )


def _weight(asked: dict[str, Any], blocks: list[dict[str, Any]]) -> int:
    system = asked.get("system") or ()
    said = [system] if isinstance(system, str) else [str(block.get("text", "")) for block in system]
    said += [_block_text(block) for block in blocks]
    return sum(map(tokens, said)) + sum(tokens(encode(tool).decode()) for tool in asked.get("tools") or ())


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError as exc:
        raise Refusal(400, f"The request body is not valid JSON: {exc}") from exc
    if not isinstance(asked, dict):
        raise Refusal(400, "Input should be a valid dictionary or object to extract fields from")
    return asked


def _check_sampling(asked: dict[str, Any]) -> None:
    for name, low, high in (("temperature", 0, 1), ("top_p", 0, 1)):
        value = asked.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise Refusal(400, f"{name}: Input should be a valid number")
        if value is not None and not low <= value <= high:
            raise Refusal(400, f"{name}: range: {low}..{high}")
    most = asked.get("max_tokens")
    if most is not None and (isinstance(most, bool) or not isinstance(most, int)):
        raise Refusal(400, "max_tokens: Input should be a valid integer")
    if most is not None and most < 1:
        raise Refusal(400, "max_tokens: Input should be greater than or equal to 1")
    for sequence in asked.get("stop_sequences") or ():
        if not sequence.strip():
            raise Refusal(400, "stop_sequences: each stop sequence must contain non-whitespace")


def _thinks(asked: dict[str, Any]) -> bool:
    return (asked.get("thinking") or {}).get("type") in ("enabled", "adaptive")


def _check_thinking(asked: dict[str, Any]) -> None:
    if not _thinks(asked):
        return
    thinking = asked["thinking"]
    budget = thinking.get("budget_tokens")
    if thinking["type"] == "enabled":
        if budget is None:
            raise Refusal(400, "thinking.enabled.budget_tokens: Field required")
        if budget < _LEAST_THINKING:
            raise Refusal(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if asked.get("max_tokens") is not None and budget >= asked["max_tokens"]:
            raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    if asked.get("temperature") not in (None, 1):
        raise Refusal(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if (asked.get("tool_choice") or {}).get("type") in ("any", "tool"):
        raise Refusal(400, "Thinking may not be enabled when tool_choice forces tool use.")


def _messages(asked: dict[str, Any]) -> list[dict[str, Any]]:
    messages = asked["messages"]
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Refusal(400, "messages: Input should be a valid list")
    if not messages:
        raise Refusal(400, "messages: at least one message is required")
    for index, message in enumerate(messages):
        _check_message(index, message, last=index == len(messages) - 1)
    if messages[0]["role"] != "user":
        raise Refusal(400, 'messages: first message must use the "user" role')
    _check_tool_turns(messages)
    return messages


def _check_message(index: int, message: dict[str, Any], *, last: bool) -> None:
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        raise Refusal(400, f"messages.{index}.role: Input should be 'user' or 'assistant'")
    content = message.get("content")
    if not isinstance(content, str | list):
        raise Refusal(400, f"messages.{index}.content: Field required")
    if not content and not (last and role == "assistant"):
        raise Refusal(
            400,
            f"messages.{index}: all messages must have non-empty content except for the optional final assistant "
            "message",
        )
    if last and role == "assistant" and _said(message) != _said(message).rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")
    for place, block in enumerate(_blocks(message)):
        _check_block(f"messages.{index}.content.{place}", block)


def _check_block(place: str, block: dict[str, Any]) -> None:
    kind = block.get("type")
    if kind == "text" and not str(block.get("text") or "").strip():
        raise Refusal(400, "messages: text content blocks must be non-empty")
    if kind == "image":
        _check_image(place, block.get("source") or {})
    if kind == "tool_use" and not isinstance(block.get("input"), dict):
        raise Refusal(400, f"{place}.tool_use.input: Input should be a valid dictionary")
    if kind == "thinking" and not is_signed("anthropic", str(block.get("thinking", "")), block.get("signature")):
        raise Refusal(400, f"{place}: Invalid `signature` in `thinking` block")
    if kind not in ("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking"):
        raise Refusal(400, f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags")


def _check_image(place: str, source: dict[str, Any]) -> None:
    if source.get("type") == "base64":
        if source.get("media_type") not in ("image/jpeg", "image/png", "image/gif", "image/webp"):
            raise Refusal(
                400,
                f"{place}.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or "
                "'image/webp'",
            )
        if not source.get("data"):
            raise Refusal(400, f"{place}.image.source.base64.data: Field required")
    elif source.get("type") != "url" or not str(source.get("url", "")).startswith("https://"):
        raise Refusal(400, f"{place}.image.source: Only HTTPS URLs are supported.")


def _check_tool_turns(messages: list[dict[str, Any]]) -> None:
    """Results answer the calls of the turn before, all of them, before anything else is said."""
    calls: list[str] = []
    for index, message in enumerate(_merged(messages)):
        blocks = _blocks(message)
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        strange = [one for one in results if one not in calls]
        if strange:
            raise Refusal(
                400,
                f"messages.{index}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: {strange[0]}.",
            )
        missing = [one for one in calls if one not in results]
        if missing:
            raise _unanswered(index, missing)
        if any(block["type"] != "tool_result" for block in blocks[: len(results)]):
            raise Refusal(400, f"messages.{index}: `tool_result` blocks must come first in the content")
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    if calls:
        raise _unanswered(len(messages), calls)


def _unanswered(index: int, calls: list[str]) -> Refusal:
    told = "`tool_use` ids were found without `tool_result` blocks immediately after"
    return Refusal(400, f"messages.{index}: {told}: {', '.join(calls)}.")


def _merged(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Turns of one role that follow each other are one turn."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        if merged and merged[-1]["role"] == message["role"]:
            merged[-1] = {"role": message["role"], "content": [*_blocks(merged[-1]), *_blocks(message)]}
        else:
            merged.append(message)
    return merged


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [block if isinstance(block, dict) else {"type": None} for block in content or ()]


def _said(message: dict[str, Any]) -> str:
    return "\n".join(str(block.get("text", "")) for block in _blocks(message) if block.get("type") == "text")


def _last_words(messages: list[dict[str, Any]]) -> str:
    return next((said for message in reversed(messages) if message["role"] == "user" and (said := _said(message))), "")


def _result_blocks(block: dict[str, Any]) -> list[dict[str, Any]]:
    content = block.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _result_text(block: dict[str, Any]) -> str:
    return "\n".join(str(inner.get("text", "")) for inner in _result_blocks(block))


def _block_text(block: dict[str, Any]) -> str:
    if block["type"] == "tool_result":
        return _result_text(block)
    if block["type"] == "tool_use":
        return str(block["name"]) + encode(block["input"]).decode()
    return str(block.get("text") or block.get("thinking") or "")


def _tools(asked: dict[str, Any]) -> tuple[Tool, ...]:
    made = []
    for index, tool in enumerate(asked.get("tools") or ()):
        if "type" in tool and tool["type"] != "custom":
            continue
        for name in ("name", "input_schema"):
            if not tool.get(name):
                raise Refusal(400, f"tools.{index}.custom.{name}: Field required")
        if tool["input_schema"].get("type") != "object":
            raise Refusal(400, f"tools.{index}.custom.input_schema.type: Input should be 'object'")
        made.append(Tool(tool["name"], tool.get("description") or "", tool["input_schema"]))
    return tuple(made)


def _choice(asked: dict[str, Any], tools: tuple[Tool, ...]) -> str:
    choice = asked.get("tool_choice") or {}
    kind = choice.get("type", "auto")
    if choice and not asked.get("tools"):
        raise Refusal(400, "tool_choice: tool_choice may only be specified while providing tools")
    if kind == "tool":
        if choice.get("name") not in {tool.name for tool in tools}:
            raise Refusal(400, f"Tool '{choice.get('name')}' not found in provided tools")
        return f"tool:{choice['name']}"
    return str(kind)

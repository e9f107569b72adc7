"""Reading a chat completion request as OpenAI's servers do, with their refusals.

Source: https://platform.openai.com/docs/api-reference/chat/create.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from hybridge.simulator.answers import IMAGE_TOKENS, Question, Tool, Turn, tokens
from hybridge.simulator.scenario import Leg
from hybridge.simulator.voice import Refusal, encode

#: Members that chat completions take; any other is refused by name.
_KNOWN = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens messages "
    "metadata modalities model moderation n parallel_tool_calls prediction presence_penalty prompt_cache_key "
    "prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed service_tier "
    "stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity "
    "web_search_options".split()
)
_ROLES = ("system", "assistant", "user", "function", "tool", "developer")
_REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")
#: What a message wraps its words in.
_WRAP = 4


def read_question(body: bytes, leg: Leg) -> Question:
    """The question of a request. Raises `Refusal`."""
    asked = _object(body)
    model = asked.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "you must provide a model parameter")
    if leg.flavour != "openrouter":
        _refuse_unknown(asked, model)
    card = leg.card(model)
    if card is None:
        told = f"The model `{model}` does not exist or you do not have access to it."
        raise Refusal(404, told, code="model_not_found")
    _check_numbers(asked)
    question = _question(asked, _messages(asked), leg.flavour == "openrouter")
    if question.sent > card.context:
        told = f"This model's maximum context length is {card.context} tokens. However, your messages resulted in "
        raise Refusal(400, f"{told}{question.sent} tokens.", code="context_length_exceeded", param="messages")
    if question.max_tokens is not None and question.max_tokens > card.max_output:
        told = f"max_tokens is too large: {question.max_tokens}. This model supports at most {card.max_output}."
        raise Refusal(400, told, code="invalid_value", param="max_tokens")
    return question


def _question(asked: dict[str, Any], messages: list[dict[str, Any]], router: bool) -> Question:
    images = [part for message in messages for part in _parts(message) if part.get("type") == "image_url"]
    for image in images:
        _check_image(image)
    tools = _tools(asked)
    form = asked.get("response_format") or {}
    last = messages[-1]
    stop = asked.get("stop") or ()
    return Question(
        model=asked["model"],
        text=_last_words(messages),
        images=len(images),
        result=_text(last) if last["role"] == "tool" else None,
        tools=tools,
        choice=_choice(asked, tools),
        parallel=asked.get("parallel_tool_calls") is not False,
        schema=_schema(form),
        json=form.get("type") == "json_object",
        reasoning=_reasons(asked, router),
        max_tokens=asked.get("max_completion_tokens") or asked.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        stream=asked.get("stream") is True,
        include_usage=router or (asked.get("stream_options") or {}).get("include_usage") is True,
        n=asked.get("n") or 1,
        turns=tuple(
            Turn(message["role"] == "assistant", _text(message))
            for message in messages
            if message["role"] in ("user", "assistant")
        ),
        sent=sum(tokens(_text(message)) + _WRAP for message in messages)
        + len(images) * IMAGE_TOKENS
        + sum(tokens(encode(tool).decode()) for tool in asked.get("tools") or ()),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError:
        asked = None
    if not isinstance(asked, dict):
        raise Refusal(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
            "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        )
    return asked


def _refuse_unknown(asked: dict[str, Any], model: str) -> None:
    for name in asked:
        if name not in _KNOWN:
            raise Refusal(400, f"Unrecognized request argument supplied: {name}")
    if model.startswith(_REASONING_MODELS) and asked.get("max_tokens") is not None:
        told = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise Refusal(400, told, code="unsupported_parameter", param="max_tokens")
    if asked.get("stream_options") is not None and asked.get("stream") is not True:
        raise Refusal(
            400, "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )


#: Lowest and highest value of what is a number, and whether it must be whole.
_NUMBERS: dict[str, tuple[float, float, bool]] = {
    "temperature": (0, 2, False),
    "top_p": (0, 1, False),
    "presence_penalty": (-2, 2, False),
    "frequency_penalty": (-2, 2, False),
    "n": (1, 8, True),
    "max_tokens": (1, 1 << 30, True),
    "max_completion_tokens": (1, 1 << 30, True),
}


def _check_numbers(asked: dict[str, Any]) -> None:
    for name, (low, high, whole) in _NUMBERS.items():
        value = asked.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            wanted = "an integer" if whole else "a decimal"
            raise Refusal(400, f"Invalid type for '{name}': expected {wanted}.", code="invalid_type", param=name)
        kind = "integer" if whole else "decimal"
        if value < low:
            told = (
                f"Invalid '{name}': {kind} below minimum value. Expected a value >= {low:g}, but got {value} instead."
            )
            raise Refusal(400, told, code=f"{kind}_below_min_value", param=name)
        if value > high:
            told = (
                f"Invalid '{name}': {kind} above maximum value. Expected a value <= {high:g}, but got {value} instead."
            )
            raise Refusal(400, told, code=f"{kind}_above_max_value", param=name)


def _messages(asked: dict[str, Any]) -> list[dict[str, Any]]:
    messages = asked.get("messages")
    if messages is None:
        raise Refusal(
            400, "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages"
        )
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        told = "Invalid type for 'messages': expected an array of objects."
        raise Refusal(400, told, code="invalid_type", param="messages")
    if not messages:
        told = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        raise Refusal(400, told, code="empty_array", param="messages")
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        _check_message(index, message, open_calls)
    if open_calls:
        raise _unanswered(open_calls, len(messages) - 1)
    return messages


def _check_message(index: int, message: dict[str, Any], open_calls: set[str]) -> None:
    place, role = f"messages[{index}]", message.get("role")
    if role not in _ROLES:
        told = f"Invalid value: '{role}'. Supported values are: {', '.join(repr(one) for one in _ROLES)}."
        raise Refusal(400, told, code="invalid_value", param=f"{place}.role")
    if role == "tool":
        if message.get("tool_call_id") not in open_calls:
            told = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            raise Refusal(400, told, param=f"{place}.role")
        open_calls.discard(message["tool_call_id"])
    elif open_calls:
        raise _unanswered(open_calls, index)
    calls = message.get("tool_calls") or []
    open_calls.update(call["id"] for call in calls)
    content = message.get("content")
    if content is None and not (role == "assistant" and (calls or message.get("refusal") or message.get("audio"))):
        told = "Invalid value for 'content': expected a string, got null."
        raise Refusal(400, told, param=f"{place}.content")


def _unanswered(open_calls: set[str], index: int) -> Refusal:
    told = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
    )
    missing = ", ".join(sorted(open_calls))
    return Refusal(
        400,
        f"{told}The following tool_call_ids did not have response messages: {missing}",
        param=f"messages[{index}].role",
    )


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message.get("content")
    if isinstance(content, list):
        return [part for part in content if isinstance(part, dict)]
    return [{"type": "text", "text": content}] if isinstance(content, str) else []


def _text(message: dict[str, Any]) -> str:
    said = [str(part.get("text", "")) for part in _parts(message) if part.get("type") == "text"]
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        said += [str(function.get("name", "")), str(function.get("arguments", ""))]
    return "\n".join(said)


def _last_words(messages: list[dict[str, Any]]) -> str:
    return next((_text(message) for message in reversed(messages) if message["role"] == "user"), _text(messages[-1]))


def _check_image(part: dict[str, Any]) -> None:
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str) or not url.startswith(("http://", "https://", "data:image/")):
        raise Refusal(400, "Invalid 'image_url'. Expected a valid URL.", code="invalid_image_url")
    if url.startswith("data:"):
        try:
            base64.b64decode(url.partition(",")[2], validate=True)
        except binascii.Error:
            told = "You uploaded an unsupported image. Please make sure your image is valid."
            raise Refusal(400, told, code="invalid_image_format") from None


def _tools(asked: dict[str, Any]) -> tuple[Tool, ...]:
    tools = asked.get("tools")
    if tools == []:
        told = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise Refusal(400, told, code="empty_array", param="tools")
    made = []
    for index, tool in enumerate(tools or ()):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not function.get("name"):
            place = f"tools[{index}].function.name"
            raise Refusal(
                400, f"Missing required parameter: '{place}'.", code="missing_required_parameter", param=place
            )
        made.append(Tool(function["name"], function.get("description") or "", function.get("parameters")))
    return tuple(made)


def _choice(asked: dict[str, Any], tools: tuple[Tool, ...]) -> str:
    choice = asked.get("tool_choice")
    if choice is None:
        return "auto"
    if not tools:
        raise Refusal(
            400,
            "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.",
            param="tool_choice",
        )
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name", "")
        if name not in {tool.name for tool in tools}:
            raise Refusal(400, f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
        return f"tool:{name}"
    return {"required": "any"}.get(choice, str(choice))


def _schema(form: dict[str, Any]) -> Any:
    if form.get("type") != "json_schema":
        return None
    described = form.get("json_schema") or {}
    if not described.get("name"):
        place = "response_format.json_schema.name"
        raise Refusal(400, f"Missing required parameter: '{place}'.", code="missing_required_parameter", param=place)
    if described.get("strict"):
        _check_strict(described)
    return described.get("schema") or {}


def _check_strict(described: dict[str, Any]) -> None:
    schema = described.get("schema") or {}
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        told = f"Invalid schema for response_format '{described['name']}': In context=(), 'additionalProperties' is"
        raise Refusal(400, f"{told} required to be supplied and to be false.", param="response_format")


def _reasons(asked: dict[str, Any], router: bool) -> bool:
    if router and isinstance(asked.get("reasoning"), dict):
        wanted = asked["reasoning"]
        return wanted.get("enabled") is not False and wanted.get("effort") != "none"
    return asked.get("reasoning_effort") not in (None, "none")

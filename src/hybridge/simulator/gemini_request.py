"""Reading a generateContent request as Google's servers do, with their refusals.

Source: https://ai.google.dev/api/generate-content. Names may be written in snake case, as in all proto-JSON.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from hybridge.simulator.answers import IMAGE_TOKENS, Question, Tool, Turn, tokens
from hybridge.simulator.scenario import Leg
from hybridge.simulator.signatures import is_signed
from hybridge.simulator.voice import Refusal, encode

_KNOWN = frozenset(
    "cachedContent contents generationConfig labels model safetySettings serviceTier store systemInstruction "
    "toolConfig tools".split()
)
_CONFIG = frozenset(
    "audioTimestamp candidateCount enableAffectiveDialog enableEnhancedCivicAnswers frequencyPenalty imageConfig "
    "logprobs maxOutputTokens mediaResolution presencePenalty responseJsonSchema responseLogprobs responseMimeType "
    "responseModalities responseSchema routingConfig seed speechConfig stopSequences temperature thinkingConfig topK "
    "topP".split()
)
_PART = frozenset(
    "codeExecutionResult executableCode fileData functionCall functionResponse inlineData mediaResolution partMetadata "
    "text thought thoughtSignature videoMetadata".split()
)
_DATA = _PART - {"mediaResolution", "partMetadata", "thought", "thoughtSignature", "videoMetadata"}
#: What the OpenAPI subset of `parameters` and `responseSchema` does not have.
_NO_SCHEMA = frozenset("$defs $ref $schema additionalProperties allOf const not oneOf patternProperties strict".split())
#: Below these, names are the user's own.
_FREE = frozenset("args response parameters parametersJsonSchema responseSchema responseJsonSchema labels".split())
#: A signature that stands for one that was lost, https://ai.google.dev/gemini-api/docs/thought-signatures.
_DUMMY = "skip_thought_signature_validator"


def read_question(body: bytes, model: str, stream: bool, leg: Leg) -> Question:
    """The question of a request. Raises `Refusal`."""
    card = leg.card(model)
    if card is None:
        told = f"models/{model} is not found for API version v1beta, or is not supported for generateContent."
        raise Refusal(404, f"{told} Call ModelService.ListModels to see the list of available models.")
    asked = _object(body)
    config = asked.get("generationConfig") or {}
    _refuse_unknown(asked, _KNOWN, "")
    _refuse_unknown(config, _CONFIG, " at 'generation_config'")
    contents = _contents(asked)
    question = _question(asked, config, contents, model, stream)
    if question.sent > card.context:
        told = f"The input token count ({question.sent}) exceeds the maximum number of tokens allowed ({card.context})."
        raise Refusal(400, told)
    return question


def _question(
    asked: dict[str, Any], config: dict[str, Any], contents: list[dict[str, Any]], model: str, stream: bool
) -> Question:
    parts = [part for content in contents for part in content["parts"]]
    images = sum("inlineData" in part or "fileData" in part for part in parts)
    results = [part["functionResponse"] for part in contents[-1]["parts"] if "functionResponse" in part]
    tools = _tools(asked)
    said = [_words(part) for part in [*parts, *((asked.get("systemInstruction") or {}).get("parts") or ())]]
    return Question(
        model=model,
        text=_last_words(contents),
        images=images,
        result="\n".join(encode(result.get("response")).decode() for result in results) if results else None,
        tools=tools,
        choice=_choice(asked, tools),
        schema=_schema(config),
        json=config.get("responseMimeType") == "application/json",
        reasoning=_thinks(config.get("thinkingConfig") or {}),
        max_tokens=_whole(config, "maxOutputTokens"),
        stop=tuple(config.get("stopSequences") or ()),
        stream=stream,
        turns=tuple(Turn(content.get("role") == "model", _said(content)) for content in contents),
        sent=sum(map(tokens, said))
        + images * IMAGE_TOKENS
        + sum(tokens(encode(tool).decode()) for tool in asked.get("tools") or ()),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        asked = msgspec.json.decode(body)
    except msgspec.DecodeError as exc:
        raise Refusal(400, f"Invalid JSON payload received. {exc}") from exc
    if not isinstance(asked, dict):
        raise Refusal(400, 'Invalid JSON payload received. Unknown name "": Root element must be a message.')
    renamed = _camel(asked)
    assert isinstance(renamed, dict)
    inner = renamed.get("generateContentRequest")
    return inner if isinstance(inner, dict) else renamed


def _camel(value: Any, free: bool = False) -> Any:
    if isinstance(value, list):
        return [_camel(one, free) for one in value]
    if not isinstance(value, dict):
        return value
    if free:
        return value
    renamed = {re.sub(r"_([a-z])", lambda found: found[1].upper(), name): one for name, one in value.items()}
    return {name: _camel(one, name in _FREE) for name, one in renamed.items()}


def _refuse_unknown(value: dict[str, Any], known: frozenset[str], place: str) -> None:
    for name in value:
        if name not in known:
            raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def _contents(asked: dict[str, Any]) -> list[dict[str, Any]]:
    contents = asked.get("contents")
    if isinstance(contents, dict):
        contents = [contents]
    if not contents or not isinstance(contents, list):
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified")
    for index, content in enumerate(contents):
        if content.get("role") not in (None, "user", "model", "function"):
            raise Refusal(400, "Please use a valid role: user, model.")
        if not content.get("parts"):
            told = f"* GenerateContentRequest.contents[{index}].parts: contents.parts must not be empty."
            raise Refusal(400, told)
        for place, part in enumerate(content["parts"]):
            _check_part(f"contents[{index}].parts[{place}]", part)
    _check_calls(contents)
    return contents


def _check_part(place: str, part: dict[str, Any]) -> None:
    _refuse_unknown(part, _PART, f" at '{place}'")
    if not part.keys() & _DATA:
        told = "required oneof field 'data' must have one initialized field"
        raise Refusal(400, f"* GenerateContentRequest.{place}.data: {told}")
    signature, call = part.get("thoughtSignature"), part.get("functionCall")
    if signature and call and signature != _DUMMY and not is_signed("gemini", call["name"], signature):
        raise Refusal(400, "Thought signature is not valid")
    answered = part.get("functionResponse")
    if answered is not None and not isinstance(answered.get("response"), dict):
        raise Refusal(
            400, f"Invalid value at '{place}.function_response.response' (type.googleapis.com/google.protobuf.Struct)"
        )


def _check_calls(contents: list[dict[str, Any]]) -> None:
    calls = 0
    for content in contents:
        answers = sum("functionResponse" in part for part in content["parts"])
        if answers != calls and (answers or calls):
            raise Refusal(
                400,
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn.",
            )
        calls = sum("functionCall" in part for part in content["parts"])


def _words(part: dict[str, Any]) -> str:
    for kind in ("functionCall", "functionResponse"):
        if kind in part:
            return encode(part[kind]).decode()
    return str(part.get("text", ""))


def _said(content: dict[str, Any]) -> str:
    return "\n".join(str(part["text"]) for part in content["parts"] if "text" in part and not part.get("thought"))


def _last_words(contents: list[dict[str, Any]]) -> str:
    for content in reversed(contents):
        said = _said(content)
        if said and content.get("role") != "model":
            return said
    return ""


def _tools(asked: dict[str, Any]) -> tuple[Tool, ...]:
    made = []
    for index, tool in enumerate(asked.get("tools") or ()):
        for place, declared in enumerate(tool.get("functionDeclarations") or ()):
            at = f"tools[{index}].function_declarations[{place}]"
            if not re.fullmatch(r"[a-zA-Z_][\w:.-]{0,127}", str(declared.get("name", ""))):
                raise Refusal(400, f"* GenerateContentRequest.{at}.name: Invalid function name.")
            if declared.get("parameters"):
                _check_schema(declared["parameters"], f"{at}.parameters")
            schema = declared.get("parametersJsonSchema") or declared.get("parameters")
            made.append(Tool(declared["name"], declared.get("description") or "", schema))
    return tuple(made)


def _check_schema(schema: Any, place: str) -> None:
    if not isinstance(schema, dict):
        return
    for name in schema:
        if name in _NO_SCHEMA:
            raise Refusal(
                400, f"Invalid JSON payload received. Unknown name \"{name}\" at '{place}': Cannot find field."
            )
    if isinstance(schema.get("type"), list):
        raise Refusal(400, f"Invalid value at '{place}.type': Proto field is not repeating, cannot start list.")
    if str(schema.get("type", "")).upper() == "OBJECT" and schema.get("properties") == {}:
        raise Refusal(400, f"* GenerateContentRequest.{place}.properties: should be non-empty for OBJECT type")
    for name, inner in (schema.get("properties") or {}).items():
        _check_schema(inner, f"{place}.properties[{name}]")
    for inner in [schema.get("items"), *(schema.get("anyOf") or ())]:
        _check_schema(inner, place)


def _choice(asked: dict[str, Any], tools: tuple[Tool, ...]) -> str:
    config = (asked.get("toolConfig") or {}).get("functionCallingConfig") or {}
    mode = str(config.get("mode") or "AUTO").upper()
    allowed = config.get("allowedFunctionNames") or []
    if allowed and mode not in ("ANY", "VALIDATED"):
        raise Refusal(400, "Allowed function names should only be set when function calling mode is ANY or VALIDATED.")
    unknown = [name for name in allowed if name not in {tool.name for tool in tools}]
    if unknown:
        raise Refusal(400, f"Allowed function name {unknown[0]} is not declared.")
    if mode == "ANY":
        return f"tool:{allowed[0]}" if allowed else "any"
    return "none" if mode == "NONE" else "auto"


def _schema(config: dict[str, Any]) -> Any:
    plain = config.get("responseSchema")
    schema = config.get("responseJsonSchema") or plain
    if schema is None:
        return None
    if config.get("responseMimeType") != "application/json":
        raise Refusal(400, "Function calling config or response schema needs response mime type: 'application/json'")
    if plain is not None:
        _check_schema(plain, "generation_config.response_schema")
    return schema


def _thinks(thinking: dict[str, Any]) -> bool:
    if thinking.get("thinkingBudget") is not None and thinking.get("thinkingLevel") is not None:
        raise Refusal(400, "You can only set only one of thinking budget and thinking level.")
    return bool(thinking.get("includeThoughts")) and thinking.get("thinkingBudget") != 0


def _whole(config: dict[str, Any], name: str) -> int | None:
    value = config.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise Refusal(400, f"Invalid value at 'generation_config.{name}' (TYPE_INT32), {value!r}")
    if value is not None and value < 1:
        raise Refusal(400, f"* GenerateContentRequest.generation_config.{name}: must be positive.")
    return value

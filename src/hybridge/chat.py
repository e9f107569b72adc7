"""A conversation between dialects: neutral types for requests, answers and streams.

Only what two dialects have in common lives here. What one dialect alone has survives in a pass-through, is dropped
and named as a hint, or makes a deployment not able; it is never lost silently. All types are frozen, and every codec
keeps `decode(encode(x)) == x` for what its dialect can say.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from msgspec import Raw, Struct

from hybridge.errors import ProviderError
from hybridge.money import Usage

# --- parts of a turn -----------------------------------------------------------------------------------------------


class Text(Struct, frozen=True, tag=True, gc=False):
    """Words. `cache` marks the end of a cacheable prefix: `""` (no mark), `5m` or `1h`."""

    text: str
    cache: Literal["", "5m", "1h"] = ""


class Long:
    """Long base64 as it stands in a body, which it keeps alive: nothing but characters of base64. Equal to its text."""

    __slots__ = ("view",)

    def __init__(self, view: memoryview) -> None:
        self.view = view

    def __repr__(self) -> str:
        return f"<Long of {len(self.view)} bytes>"

    def __str__(self) -> str:
        return str(self.view, "ascii")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Long | str) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


class Image(Struct, frozen=True, tag=True, gc=False):
    """A picture: a `url`, or base64 `data` with its `media_type` (`image/png`). `detail` is OpenAI's hint."""

    url: str = ""
    data: str | Long = ""
    media_type: str = ""
    detail: str = ""


class Audio(Struct, frozen=True, tag=True, gc=False):
    """Sound as base64 `data`; `format` is `wav`, `mp3`, …"""

    data: str
    format: str


class File(Struct, frozen=True, tag=True, gc=False):
    """A document: base64 `data` with its `media_type`, or a `url`."""

    data: str = ""
    media_type: str = ""
    url: str = ""
    filename: str = ""


class ToolCall(Struct, frozen=True, tag=True, gc=False):
    """The model calls a tool. `arguments` is JSON text as the model wrote it (`""` means none).

    `signature` and `origin` are those of `Reasoning`: Gemini signs calls.
    """

    id: str
    name: str
    arguments: str
    signature: str = ""
    origin: str = ""


class ToolResult(Struct, frozen=True, tag=True, gc=False):
    """What a tool gave back for the call `call_id`; `name` where the dialect says it."""

    call_id: str
    parts: tuple[Text | Image, ...]
    name: str = ""
    is_error: bool = False


class Reasoning(Struct, frozen=True, tag=True, gc=False):
    """Thoughts. `signature` proves them and `data` hides them; both mean something only to their `origin`.

    `origin` is the maker of the model that had them (`anthropic`, `gemini`, `openai`, …), empty if unknown.
    """

    text: str = ""
    signature: str = ""
    data: str = ""
    origin: str = ""


class Refusal(Struct, frozen=True, tag=True, gc=False):
    """The model declines, in words of its own."""

    text: str


Part = Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal


class Turn(Struct, frozen=True, gc=False):
    """One side speaks. Turns of one role that follow each other are merged by the codec that decodes them.

    Tool results belong to the user's side and come first in their turn. System text in the middle of a conversation
    stays a turn of role `system`.
    """

    role: Literal["user", "assistant", "system"]
    parts: tuple[Part, ...]


# --- what is asked for ---------------------------------------------------------------------------------------------


class Tool(Struct, frozen=True, gc=False):
    """A function the model may call; `schema` is the JSON Schema of its arguments as it came (`None`: none)."""

    name: str
    description: str = ""
    schema: Raw | None = None
    strict: bool | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tool) and _tool_key(self) == _tool_key(other)

    def __hash__(self) -> int:
        return hash(_tool_key(self))


def _tool_key(tool: Tool) -> tuple[str, str, bytes | None, bool | None]:
    return tool.name, tool.description, None if tool.schema is None else bytes(tool.schema), tool.strict


class ToolChoice(Struct, frozen=True, gc=False):
    """Whether a tool is called: as the model likes, never, some tool, or the one named."""

    mode: Literal["auto", "none", "any", "tool"]
    name: str = ""


class Format(Struct, frozen=True, gc=False):
    """The form of the answer: any JSON object, or one that fits a schema."""

    kind: Literal["json_object", "json_schema"]
    name: str = ""
    description: str = ""
    schema: Raw | None = None
    strict: bool | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and _format_key(self) == _format_key(other)

    def __hash__(self) -> int:
        return hash(_format_key(self))


def _format_key(form: Format) -> tuple[str, str, str, bytes | None, bool | None]:
    return (
        form.kind,
        form.name,
        form.description,
        None if form.schema is None else bytes(form.schema),
        form.strict,
    )


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Thinking(Struct, frozen=True, gc=False):
    """How much the model should reason: an effort, or a budget of tokens (-1: as it likes, 0: not at all)."""

    effort: Effort | None = None
    budget_tokens: int | None = None
    #: Whether the thoughts should be shown (Gemini's `includeThoughts`); `None`: the dialect's default.
    visible: bool | None = None


class Chat(Struct, frozen=True, gc=False):
    """A request for the next turn of a conversation.

    `hints` are members that ask for nothing essential and that have no slot here (name in the client's dialect);
    a provider's codec drops and names those it does not know. `max_tokens` counts reasoning in.
    """

    turns: tuple[Turn, ...]
    system: tuple[Text, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    format: Format | None = None
    thinking: Thinking | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    user: str | None = None
    service_tier: str | None = None
    hints: tuple[str, ...] = ()
    #: Members that must be carried and have no slot here (client's names): they need `Request.drop_unsupported`.
    unknown: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False


# --- what comes back -----------------------------------------------------------------------------------------------


class StopReason(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    PAUSE = "pause"


class Reply(Struct, frozen=True, gc=False):
    """A whole answer: parts in order, why it ended, what it consumed. `model` is the provider's word."""

    id: str
    model: str
    parts: tuple[Part, ...]
    stop: StopReason
    usage: Usage
    stop_sequence: str = ""


# --- a stream ------------------------------------------------------------------------------------------------------


class Start(Struct, frozen=True, tag=True, gc=False):
    """The provider began. `usage` holds what is known of the input by then."""

    id: str = ""
    model: str = ""
    usage: Usage | None = None


class TextDelta(Struct, frozen=True, tag=True, gc=False):
    """More words."""

    text: str


class ReasoningDelta(Struct, frozen=True, tag=True, gc=False):
    """More thoughts. `block` numbers reasoning blocks from 0; `signature` and `data` come whole, with `origin`."""

    text: str = ""
    signature: str = ""
    data: str = ""
    origin: str = ""
    block: int = 0


class RefusalDelta(Struct, frozen=True, tag=True, gc=False):
    """More of a refusal."""

    text: str


class ToolStart(Struct, frozen=True, tag=True, gc=False):
    """A tool call begins. `index` counts tool calls only, from 0."""

    index: int
    id: str
    name: str
    signature: str = ""
    origin: str = ""


class ToolDelta(Struct, frozen=True, tag=True, gc=False):
    """More of the arguments of the call `index`: JSON text, whole only at the end."""

    index: int
    arguments: str


class Finish(Struct, frozen=True, tag=True, gc=False):
    """Why it ended. Comes once, before or after the final `UsageEvent`."""

    stop: StopReason
    stop_sequence: str = ""


class UsageEvent(Struct, frozen=True, tag=True, gc=False):
    """What was consumed so far; the last one holds."""

    usage: Usage


class Failed(Struct, frozen=True):
    """The provider reported an error inside the stream; nothing follows."""

    error: ProviderError


Event = Start | TextDelta | ReasoningDelta | RefusalDelta | ToolStart | ToolDelta | Finish | UsageEvent | Failed

#: Events that are content: the first of them is the commit point.
CONTENT = (TextDelta, ReasoningDelta, RefusalDelta, ToolStart, ToolDelta)


class Ask(StrEnum):
    """What a request may ask that not every dialect carries: in `Facts.asks` and `ProviderChat.carries`.

    Any other string in `Facts.asks` is the name of a client's member that only its own dialect knows.
    """

    N = "n"
    LOGPROBS = "logprobs"
    LOGIT_BIAS = "logit_bias"
    PREDICTION = "prediction"
    MODALITIES = "modalities"
    WEB_SEARCH = "web_search"
    SERVER_TOOLS = "server_tools"
    PARALLEL_OFF = "parallel_tool_calls"
    STRICT_TOOLS = "strict_tools"
    ALLOWED_TOOLS = "allowed_tools"
    PREFILL = "prefill"
    STOP_OVER_4 = "stop_over_4"
    STOP_OVER_5 = "stop_over_5"
    TOOL_IMAGES = "tool_images"

"""Neutral turns to messages.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hybridge.chat import File, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult, Turn
from hybridge.dialects.anthropic.marks import ORIGIN
from hybridge.dialects.anthropic.models import Traits
from hybridge.dialects.anthropic.places import UNREADABLE
from hybridge.dialects.foreign import LOST
from hybridge.dialects.losses import Losses

#: Stands where the API wants words and the conversation has none.
PLACEHOLDER = "."
#: How Anthropic wants arguments that are no JSON object given back.
#: Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/fine-grained-tool-streaming.
INVALID_JSON = "INVALID_JSON"
_CACHE_MARKS = 4

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_NOT_IN_IDS = re.compile(r"[^a-zA-Z0-9_-]")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")

Block = dict[str, Any]


def call_id(given: str) -> str:
    """A call id in the letters that the API takes, the same for a call and its result."""
    clean = _NOT_IN_IDS.sub("_", given)
    return clean if clean == given and given else f"{clean or 'call'}_{zlib.crc32(given.encode()):08x}"


class Writing(Struct):
    """Writes parts as blocks and keeps account of what is lost.

    `maker` is the model's: others than Claude take words of a thought without a proof.
    `called` names the tools that were called, `marked` are the blocks that end a cacheable prefix, in order;
    `has_results`: the result of a tool was written.
    """

    traits: Traits
    images: Mapping[str, tuple[str, str]]
    losses: Losses
    maker: str = ORIGIN
    called: dict[str, None] = {}
    marked: list[Block] = []
    has_results: bool = False

    def system(self, texts: Sequence[Text]) -> list[Block]:
        """The blocks of a system prompt."""
        return [self._text(text) for text in texts if text.text]

    def drop_marks(self) -> None:
        """Take back all marks of cacheable prefixes but the last four: the API takes no more."""
        for block in self.marked[:-_CACHE_MARKS]:
            del block["cache_control"]
            self.losses.drop("cache_control")

    def messages(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """The messages: user first, no two of one role in a row, none without content."""
        messages: list[dict[str, Any]] = []
        last = ""
        for at, turn in enumerate(turns):
            role: str = turn.role
            if role == "system":
                role, blocks = self._system_turn(turns, at)
            else:
                blocks = self._said(turn.parts)
            if blocks and role == last:
                messages[-1]["content"] += blocks
            elif blocks:
                messages.append({"role": role, "content": blocks})
                last = role
        if self.has_results:
            _put_results_first(messages)
        if not messages or messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": [{"type": "text", "text": PLACEHOLDER}]})
        if last == "assistant":
            self._prefill(messages[-1])
        return messages

    def _said(self, parts: Sequence[Part]) -> list[Block]:
        blocks: list[Block] = []
        for part in parts:
            if not isinstance(part, Text):
                blocks += self._blocks(part)
            elif part.cache:
                blocks += self.system((part,))
            elif part.text:
                blocks.append({"type": "text", "text": part.text})
        return blocks

    def _system_turn(self, turns: Sequence[Turn], at: int) -> tuple[str, list[Block]]:
        blocks = self.system([part for part in turns[at].parts if isinstance(part, Text)])
        after_user = at > 0 and turns[at - 1].role == "user"
        before_answer = at + 1 == len(turns) or turns[at + 1].role == "assistant"
        if self.traits.system_turns and after_user and before_answer:
            return "system", blocks
        for block in blocks:
            block["text"] = f"<system>\n{block['text']}\n</system>"
        return "user", blocks

    def _prefill(self, last: dict[str, Any]) -> None:
        if not self.traits.prefill:
            self.losses.refuse("prefill")
        block = last["content"][-1]
        if block["type"] == "text":
            block["text"] = block["text"].rstrip() or PLACEHOLDER

    # --- parts -----------------------------------------------------------------------------------------------------

    def _blocks(self, part: Part) -> Iterable[Block]:
        match part:
            case ToolCall():
                self.called[part.name] = None
                return [_call(part)]
            case ToolResult():
                self.has_results = True
                return [self._result(part)]
            case Refusal():
                return [{"type": "text", "text": part.text}] if part.text else []
            case Reasoning():
                return self._reasoning(part)
        return self._media(part)

    def _media(self, part: Part) -> Iterable[Block]:
        if isinstance(part, Image):
            return [self._image(part)]
        if isinstance(part, File) and (block := _document(part)):
            return [block]
        self.losses.refuse("file" if isinstance(part, File) else "input_audio")
        return []

    def _text(self, part: Text) -> Block:
        block: Block = {"type": "text", "text": part.text}
        if part.cache:
            block["cache_control"] = {"type": "ephemeral"} | ({"ttl": "1h"} if part.cache == "1h" else {})
            self.marked.append(block)
        return block

    def _image(self, part: Image) -> Block:
        if part.detail not in ("", "auto"):
            self.losses.drop("detail")
        media_type, data = part.media_type, part.data
        if part.url in self.images:
            media_type, data = self.images[part.url]
        if data:
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        return {"type": "image", "source": {"type": "url", "url": part.url}}

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": call_id(part.call_id)}
        content = self._said(part.parts)
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
        return block

    def _reasoning(self, part: Reasoning) -> Iterable[Block]:
        if part.data:
            return [{"type": "redacted_thinking", "data": part.data}]
        if part.signature or (part.text and self.maker != ORIGIN):
            return [{"type": "thinking", "thinking": part.text, "signature": part.signature}]
        self.losses.drop(LOST)
        return []


def _put_results_first(messages: list[dict[str, Any]]) -> None:
    for message in messages:
        message["content"].sort(key=lambda block: block["type"] != "tool_result")


def _call(part: ToolCall) -> Block:
    return {
        "type": "tool_use",
        "id": call_id(part.id),
        "name": part.name,
        "input": arguments_object(part.arguments),
    }


def arguments_object(arguments: str) -> Raw | dict[str, str]:
    """Arguments as the object that the API wants: none are an empty one, what is no object is quoted."""
    if not arguments.strip():
        return {}
    try:
        _OBJECT.decode(arguments)
    except UNREADABLE:
        return {INVALID_JSON: arguments}
    return Raw(arguments.encode())


def _document(part: File) -> Block | None:
    title = {"title": part.filename} if part.filename else {}
    if part.url:
        return {"type": "document", "source": {"type": "url", "url": part.url}, **title}
    if part.media_type == "application/pdf":
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        return {"type": "document", "source": source, **title}
    if part.media_type.startswith("text/"):
        try:
            text = base64.b64decode(part.data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        return {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": text},
            **title,
        }
    return None

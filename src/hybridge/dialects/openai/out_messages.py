"""Neutral turns as messages for a provider of this dialect."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hybridge.chat import (
    Ask,
    Audio,
    Chat,
    File,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from hybridge.dialects.codec import Target
from hybridge.dialects.foreign import LOST, own_turns
from hybridge.dialects.losses import Losses
from hybridge.dialects.makers import SIGNING, maker_of
from hybridge.dialects.openai.out_tools import call_id
from hybridge.dialects.openai.reasoning import message_fields


class Writer:
    """Writes the messages of one request.

    Cache marks, signed reasoning and signatures of calls go only to a row that names `cache_control`,
    `reasoning_details`, `reasoning_content` or `extra_content` among its own fields: others refuse them.
    """

    def __init__(self, losses: Losses, target: Target) -> None:
        self._losses = losses
        self._target = target
        self._own = frozenset(target.quirks.own_fields)
        self._maker = maker_of(target.model, target.name)

    def write(self, chat: Chat) -> list[dict[str, Any]]:
        """All messages, the system text first."""
        messages: list[dict[str, Any]] = []
        if system := self._texts(chat.system, "\n\n"):
            messages.append({"role": "system", "content": system})
        turns = chat.turns
        if self._maker or self._target.without_reasoning or "reasoning_details" not in self._own:
            turns = own_turns(turns, self._maker, self._losses, none=self._target.without_reasoning)
        for turn in turns:
            messages += self._turn(turn)
        if chat.turns and chat.turns[-1].role == "assistant":
            self._losses.refuse(Ask.PREFILL)
        return messages

    def _turn(self, turn: Turn) -> Iterator[dict[str, Any]]:
        if turn.role == "assistant":
            yield from self._assistant(turn.parts)
        elif turn.role == "system":
            if text := self._texts([part for part in turn.parts if isinstance(part, Text)], "\n\n"):
                yield {"role": "system", "content": text}
        else:
            yield from self._user(turn.parts)

    def _user(self, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
        shown: list[Part] = []
        for part in parts:
            if isinstance(part, ToolResult):
                yield self._result(part)
                if images := [image for image in part.parts if isinstance(image, Image)]:
                    # A tool message holds text only, so its pictures follow in the user's words.
                    shown += [Text(f"Images in the result of {call_id(part.call_id)}:"), *images]
            else:
                shown.append(part)
        content = self._contents(shown)
        if content or len(shown) == len(parts):
            yield {"role": "user", "content": content or ""}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        if result.is_error:
            self._losses.drop("tool_result.is_error")
        content = self._texts([part for part in result.parts if isinstance(part, Text)], "\n\n")
        return {"role": "tool", "tool_call_id": call_id(result.call_id), "content": content}

    def _assistant(self, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
        message: dict[str, Any] = {"role": "assistant"}
        content = self._texts([part for part in parts if isinstance(part, Text)], "")
        calls = [self._call(part) for part in parts if isinstance(part, ToolCall)]
        refusal = "".join(part.text for part in parts if isinstance(part, Refusal))
        if any(isinstance(part, (Image, Audio, File)) for part in parts):
            self._losses.refuse("assistant.media")
        reasoning = self._reasoning([part for part in parts if isinstance(part, Reasoning)])
        if not (content or calls or refusal or reasoning):
            return
        message["content"] = content or None if calls or refusal else content
        message |= reasoning
        if refusal:
            message["refusal"] = refusal
        if calls:
            message["tool_calls"] = calls
        yield message

    def _reasoning(self, blocks: Sequence[Reasoning]) -> dict[str, Any]:
        if not blocks:
            return {}
        if "reasoning_details" in self._own:
            # Who signs takes no words without a proof.
            taken = [block for block in blocks if block.origin or self._maker not in SIGNING]
        else:
            taken = [Reasoning(block.text) for block in blocks if block.text and "reasoning_content" in self._own]
        if taken != [*blocks]:
            self._losses.drop(LOST)
        if "reasoning_details" in self._own:
            return message_fields(taken)
        return {"reasoning_content": "".join([block.text for block in taken])} if taken else {}

    def _call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        written: dict[str, Any] = {"id": call_id(call.id), "type": "function", "function": function}
        if call.signature:
            if "extra_content" in self._own and call.origin == "gemini":
                written["extra_content"] = {"google": {"thought_signature": call.signature}}
            else:
                self._losses.drop(LOST)
        return written

    def _texts(self, texts: Sequence[Text | Image], glue: str) -> str | list[dict[str, Any]]:
        """Plain text joined, which every provider takes; a list only to carry cache marks."""
        if not texts:
            return ""
        said = [part for part in texts if isinstance(part, Text) and part.text]
        if [part for part in said if part.cache]:
            if "cache_control" in self._own:
                return [self._text(part) for part in said]
            self._losses.drop("cache_control")
        return glue.join([part.text for part in said])

    def _text(self, part: Text) -> dict[str, Any]:
        written: dict[str, Any] = {"type": "text", "text": part.text}
        if part.cache:
            if "cache_control" in self._own:
                written["cache_control"] = {"type": "ephemeral", "ttl": part.cache}
            else:
                self._losses.drop("cache_control")
        return written

    def _contents(self, parts: Iterable[Part]) -> str | list[dict[str, Any]]:
        parts = [_read_text_file(part) for part in parts]
        texts = [part for part in parts if isinstance(part, Text)]
        if len(texts) == len(parts):
            return self._texts(texts, "\n\n")
        return [written for part in parts if (written := self._part(part)) is not None]

    def _part(self, part: Part) -> dict[str, Any] | None:
        match part:
            case Text():
                return self._text(part) if part.text else None
            case Image():
                return _image(part)
            case Audio():
                return {"type": "input_audio", "input_audio": {"data": part.data, "format": part.format}}
            case File():
                return self._file(part)
        self._losses.refuse(f"user.{type(part).__name__.lower()}")
        return None

    def _file(self, file: File) -> dict[str, Any] | None:
        media_type, encoded = file.media_type, file.data
        if file.url:
            if file.url not in self._target.images:
                self._losses.refuse("file.url")
                return None
            media_type, encoded = self._target.images[file.url]
        filename = file.filename or f"document.{media_type.rpartition('/')[2] or 'pdf'}"
        contents = {"filename": filename, "file_data": f"data:{media_type};base64,{encoded}"}
        return {"type": "file", "file": contents}


def _image(image: Image) -> dict[str, Any]:
    url = image.url or f"data:{image.media_type};base64,{image.data}"
    return {"type": "image_url", "image_url": {"url": url, "detail": image.detail} if image.detail else {"url": url}}


def _read_text_file(part: Part) -> Part:
    """A plain-text document as text: as a file, only PDF is taken."""
    if not isinstance(part, File) or not part.data or not part.media_type.startswith("text/"):
        return part
    try:
        text = base64.b64decode(part.data).decode()
    except (binascii.Error, ValueError):
        return part
    return Text(f"{part.filename}:\n{text}" if part.filename else text)

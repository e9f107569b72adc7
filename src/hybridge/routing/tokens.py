"""Counting tokens offline.

Vocabularies are public for few models only; o200k_base stands for all of them. What a provider bills settles a request,
never this count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Literal

from hybridge.chat import Audio, Chat, File, Image, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from hybridge.types import TokenCounter

#: Text beyond this many bytes is not tokenized but estimated by the ratio of what came before: the tokenizer holds the
#: interpreter's lock all the while, some 17 ms for this much.
CAP = 100_000

#: What wraps a message and primes the answer.
#: Source: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
MESSAGE_TOKENS = 3
PRIMING_TOKENS = 3
#: What wraps a tool, same source.
TOOL_TOKENS = 10

#: The most that a picture costs after it is scaled down, https://platform.claude.com/docs/en/build-with-claude/vision;
#: OpenAI bills up to 1,105 for most models, Gemini 258 a tile.
IMAGE_TOKENS = 1_600
#: With `detail: low`, https://platform.openai.com/docs/guides/images-vision
LOW_IMAGE_TOKENS = 85

#: Characters of base64 per token: a page of a PDF is about 100 kB and 2,250 tokens
#: (https://platform.claude.com/docs/en/build-with-claude/pdf-support); a second of mp3 20 kB and 32 tokens
#: (https://ai.google.dev/gemini-api/docs/audio).
_FILE_CHARACTERS = 44
_AUDIO_CHARACTERS = 640


class Bytes:
    """A counter without a vocabulary: four bytes are a token. Off by a factor of two for digits and for code."""

    def count(self, text: str) -> int:
        """Tokens in `text`, rounded up."""
        return -(-len(text.encode("utf-8", "replace")) // 4)


class Splintr:
    """Counts with o200k_base, loaded at the first count (some 100 ms, 44 MB). Special tokens in a text are text.

    `elsewhere` runs the loading where nobody waits for it, in a thread for instance; until it is done, counts are
    those of `Bytes`.
    """

    def __init__(self, elsewhere: Callable[[Callable[[], object]], object] | None = None) -> None:
        self._elsewhere = elsewhere
        self._begun = False
        self._tokenizer: Any = None

    @property
    def loaded(self) -> bool:
        """Whether counts are exact by now."""
        return self._tokenizer is not None

    def load(self) -> Any:
        """Load the vocabulary now."""
        self._tokenizer = _o200k()
        return self._tokenizer

    def count(self, text: str) -> int:
        """Tokens in `text`; beyond `CAP` bytes by ratio."""
        tokenizer = self._tokenizer or self._begin()
        if tokenizer is None:
            return _ROUGH.count(text)
        octets = text.encode("utf-8", "replace")
        head = octets[:CAP].decode("utf-8", "ignore")
        counted = len(tokenizer.encode_ordinary(head))
        if len(octets) <= CAP:
            return counted
        return counted * len(octets) // CAP

    def _begin(self) -> Any:
        if self._elsewhere is None:
            return self.load()
        if not self._begun:
            self._begun = True
            self._elsewhere(self.load)
        return self._tokenizer


_ROUGH = Bytes()


@cache
def _o200k() -> Any:
    from splintr import Tokenizer

    return Tokenizer.from_pretrained("o200k_base")


def count_chat(chat: Chat, counter: TokenCounter, factor: float = 1.0) -> int:
    """Tokens that `chat` sends: all texts, what wraps messages and tools, schemas, and constants for media.

    `factor` corrects the count of text for a model with another vocabulary. At most `CAP` bytes are tokenized in all.
    """
    words = count_texts(_texts(chat), counter)
    rest = PRIMING_TOKENS + (len(chat.turns) + bool(chat.system)) * MESSAGE_TOKENS
    rest += len(chat.tools) * TOOL_TOKENS
    rest += sum(_media(part) for turn in chat.turns for part in turn.parts)
    return round(words * factor) + rest


def count_texts(texts: Iterable[str], counter: TokenCounter) -> int:
    """Tokens in several texts, of which no more than `CAP` bytes are tokenized in all."""
    tokens = tokenized = beyond = 0
    for text in texts:
        size = len(text.encode("utf-8", "replace"))
        if tokenized < CAP:
            tokens += counter.count(text)
            tokenized += size
        else:
            beyond += size
    return tokens + (beyond * tokens // tokenized if beyond else 0)


def cache_mark(chat: Chat) -> Literal["", "5m", "1h"]:
    """The longest cache mark in a chat: what is written to a cache may cost more than input."""
    marks = {part.cache for part in chat.system}
    marks.update(part.cache for turn in chat.turns for part in turn.parts if isinstance(part, Text))
    return "1h" if "1h" in marks else "5m" if "5m" in marks else ""


def _texts(chat: Chat) -> Iterator[str]:
    for text in chat.system:
        yield text.text
    for turn in chat.turns:
        for part in turn.parts:
            yield from _words(part)
    for tool in chat.tools:
        yield f"{tool.name}\n{tool.description}"
        if tool.schema is not None:
            yield bytes(tool.schema).decode("utf-8", "replace")
    if chat.format is not None and chat.format.schema is not None:
        yield bytes(chat.format.schema).decode("utf-8", "replace")


def _words(part: Part) -> Iterator[str]:
    match part:
        case Text(text=text) | Reasoning(text=text) | Refusal(text=text):
            yield text
        case ToolCall(name=name, arguments=arguments):
            yield name
            yield arguments
        case ToolResult(parts=parts):
            yield from (inner.text for inner in parts if isinstance(inner, Text))


def _media(part: Part) -> int:
    match part:
        case Image(detail=detail):
            return LOW_IMAGE_TOKENS if detail == "low" else IMAGE_TOKENS
        case File(data=data):
            return len(data) // _FILE_CHARACTERS
        case Audio(data=data):
            return len(data) // _AUDIO_CHARACTERS
        case ToolResult(parts=parts):
            return sum(_media(inner) for inner in parts)
    return 0

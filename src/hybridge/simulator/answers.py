"""What a simulated model says. It depends on the seed, on the number of the request and on the request alone."""

from __future__ import annotations

import random
import re
from typing import Any, Literal

import msgspec
from msgspec import Struct

from hybridge.simulator.schemas import example

#: Tokens that a picture counts as.
IMAGE_TOKENS = 85

_VIETNAMESE = re.compile(r"[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
_PIECE = re.compile(r"\s*\S{1,12}|\s+")
_MOST_CALLS = 4

_SENTENCES = {
    "en": (
        "Here is the short of it.",
        "There are two sides to this, and both of them matter.",
        "The simplest way is usually the one that lasts.",
        "First look at what is measured, then at what is claimed.",
        "A small example says more than a long explanation.",
        "If one road is closed, another one is taken.",
        "Ask me for more if you want the details.",
    ),
    "vi": (
        "Đây là câu trả lời ngắn gọn.",
        "Vấn đề này có hai mặt, và mặt nào cũng quan trọng.",
        "Cách đơn giản nhất thường là cách bền lâu nhất.",
        "Trước hết hãy xem số liệu, rồi mới nghe lời hứa.",
        "Một ví dụ nhỏ nói được nhiều hơn một lời giải thích dài.",
        "Nếu một con đường bị chặn, ta đi đường khác.",
        "Bạn cứ hỏi thêm nếu muốn biết chi tiết.",
    ),
}
_PHRASES = {
    "en": {
        "said": "You said: “{}”.",
        "saw": "I see {} image(s).",
        "found": "The tool says: {}.",
        "mull": "The user asks",
    },
    "vi": {
        "said": "Bạn nói: “{}”.",
        "saw": "Tôi thấy {} hình ảnh.",
        "found": "Công cụ cho biết: {}.",
        "mull": "Câu hỏi",
    },
}


class Tool(Struct, frozen=True):
    """A tool that may be called."""

    name: str
    description: str = ""
    schema: Any = None


class Turn(Struct, frozen=True):
    """What one side said; an `assistant`'s or a user's."""

    assistant: bool
    text: str


class Question(Struct, frozen=True, kw_only=True):
    """What a request asks, whatever its dialect.

    `choice` is `auto`, `none`, `any` or `tool:NAME`. `result` is what a tool gave back last, if that is what the
    model is to answer. `sent` is the number of input tokens; `turns` is what user and assistant said in text.
    """

    model: str
    text: str = ""
    images: int = 0
    result: str | None = None
    tools: tuple[Tool, ...] = ()
    choice: str = "auto"
    parallel: bool = True
    schema: Any = None
    json: bool = False
    reasoning: bool = False
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    sent: int = 0
    turns: tuple[Turn, ...] = ()


class Call(Struct, frozen=True):
    """A call of a tool; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


class Answer(Struct, frozen=True, kw_only=True):
    """What the model says. `id` is 24 letters and digits; `created` in Unix seconds; counts are tokens."""

    id: str
    created: int
    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    stop: Literal["stop", "length", "tools", "sequence"] = "stop"
    stop_sequence: str | None = None
    sent: int = 0
    said: int = 0
    thought: int = 0


def tokens(text: str) -> int:
    """Tokens in a text: a quarter of its bytes, rounded up."""
    return -(-len(text.encode("utf-8", "replace")) // 4)


def pieces(text: str) -> list[str]:
    """A text as it is streamed: word by word; together they are the text."""
    return _PIECE.findall(text)


def answer(question: Question, chance: random.Random, recited: str | None = None) -> Answer:
    """The answer to a question; `recited` is its text where that was settled before."""
    language = "vi" if _VIETNAMESE.search(question.text) else "en"
    identity = "".join(chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=24))
    created = 1_760_000_000 + chance.randrange(10_000_000)
    reasoning = _reasoning(question, language, chance) if question.reasoning else ""
    left = None if question.max_tokens is None else question.max_tokens
    reasoning, cut = _cut(reasoning, left)
    thought = tokens(reasoning)
    if left is not None:
        left -= thought
    calls = () if cut else _calls(question, chance)
    words = "" if calls or cut else recited if recited is not None else _words(question, language, chance)
    words, stop_sequence = _stopped(words, question.stop)
    words, short = _cut(words, left)
    said = tokens(words) + sum(tokens(call.name + call.arguments) for call in calls)
    if left is not None and calls and said > left:
        calls, said, short = (), left, True
    stop: Literal["stop", "length", "tools", "sequence"] = "stop"
    if cut or short:
        stop, stop_sequence = "length", None
    elif calls:
        stop = "tools"
    elif stop_sequence is not None:
        stop = "sequence"
    return Answer(
        id=identity,
        created=created,
        text=words,
        reasoning=reasoning,
        calls=calls,
        stop=stop,
        stop_sequence=stop_sequence,
        sent=question.sent,
        said=said,
        thought=thought,
    )


def _reasoning(question: Question, language: str, chance: random.Random) -> str:
    about = " ".join(question.text.split()[:8])
    return f"{_PHRASES[language]['mull']}: {about}. " + " ".join(chance.sample(_SENTENCES[language], 2))


def _words(question: Question, language: str, chance: random.Random) -> str:
    if question.schema is not None:
        return msgspec.json.encode(example(question.schema, chance, question.text, whole=True)).decode()
    phrases = _PHRASES[language]
    parts = []
    if question.images:
        parts.append(phrases["saw"].format(question.images))
    if question.result is not None:
        parts.append(phrases["found"].format(question.result[:200]))
    elif question.text:
        parts.append(phrases["said"].format(question.text[:200]))
    parts += chance.sample(_SENTENCES[language], chance.randint(2, 5))
    words = " ".join(parts)
    return msgspec.json.encode({"answer": words}).decode() if question.json else words


def _calls(question: Question, chance: random.Random) -> tuple[Call, ...]:
    wanted = _wanted(question)
    if not question.parallel:
        wanted = wanted[:1]
    return tuple(
        Call(
            "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=24)),
            tool.name,
            msgspec.json.encode(example(tool.schema or {}, chance, question.text)).decode(),
        )
        for tool in wanted[:_MOST_CALLS]
    )


def _wanted(question: Question) -> list[Tool]:
    """The tools to call: the one that is forced, else those whose name has a word that the user said."""
    if question.choice == "none" or not question.tools:
        return []
    if question.choice.startswith("tool:"):
        return [tool for tool in question.tools if tool.name == question.choice[5:]]
    if question.result is not None and question.choice != "any":
        return []
    said = set(re.findall(r"\w+", question.text.casefold()))
    named = [tool for tool in question.tools if said & _words_of(tool.name)]
    if not named and question.choice == "any":
        return [question.tools[0]]
    return named


def _words_of(name: str) -> set[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return {word.casefold() for word in re.split(r"[^A-Za-z0-9]+", apart) if len(word) > 2} - {"get", "set", "the"}


def _stopped(text: str, sequences: tuple[str, ...]) -> tuple[str, str | None]:
    found = [(text.find(sequence), sequence) for sequence in sequences if sequence and sequence in text]
    if not found:
        return text, None
    at, sequence = min(found)
    return text[:at], sequence


def _cut(text: str, most: int | None) -> tuple[str, bool]:
    """The first `most` tokens, and whether that is less than all."""
    octets = text.encode("utf-8", "replace")
    if most is None or len(octets) <= most * 4:
        return text, False
    return octets[: max(most, 0) * 4].decode("utf-8", "ignore"), True

"""Counting tokens, against another tokenizer with the same vocabulary."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hybridge.chat import Audio, Chat, File, Format, Image, Reasoning, Refusal, Text, Tool, ToolCall, ToolResult, Turn
from hybridge.routing.tokens import CAP, IMAGE_TOKENS, Bytes, Splintr, cache_mark, count_chat, count_texts

COUNTER = Splintr()
VIETNAMESE = "Hôm nay trời đẹp quá, chúng ta cùng đi dạo quanh hồ Gươm rồi uống một ly cà phê sữa đá nhé!"


@cache
def _encoding() -> Any:
    with warnings.catch_warnings():
        # It reads its vocabulary in a way that Python 3.11 warns about.
        warnings.simplefilter("ignore", DeprecationWarning)
        import bpe_openai
    return bpe_openai.get_encoding("o200k_base")


def oracle(text: str) -> int:
    return len(_encoding().encode_ordinary(text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hello, world",
        VIETNAMESE,
        "def f(x):\n    return x ** 2\n" * 20,
        "👩‍👩‍👧‍👦 你好 مرحبا",
        "0123456789" * 30,
        " \n\t\r\n",
    ],
)
def test_counts_as_the_oracle_does(text: str) -> None:
    assert COUNTER.count(text) == oracle(text)


@given(st.text(max_size=300))
def test_counts_any_text_as_the_oracle_does(text: str) -> None:
    assert COUNTER.count(text) == oracle(text)


def test_special_tokens_are_ordinary_text() -> None:
    assert COUNTER.count("<|endoftext|>") == oracle("<|endoftext|>") == 7


def test_text_beyond_the_cap_is_estimated_by_ratio() -> None:
    text = VIETNAMESE * 5_000
    assert len(text.encode()) > 5 * CAP
    assert COUNTER.count(text) == pytest.approx(oracle(text), rel=0.01)
    assert COUNTER.count("a" * (CAP + 1)) >= COUNTER.count("a" * CAP)


def test_no_more_than_the_cap_is_tokenized_of_many_texts() -> None:
    asked: list[int] = []

    class Watched:
        def count(self, text: str) -> int:
            asked.append(len(text))
            return len(text) // 4

    assert count_texts(["word" * 10_000] * 10, Watched()) == 100_000
    assert sum(asked) <= CAP + 40_000


def test_bytes_are_a_fallback_of_the_right_size() -> None:
    for text in (VIETNAMESE, "The quick brown fox jumps over the lazy dog. " * 3):
        assert 0.5 < Bytes().count(text) / oracle(text) < 2
    assert (Bytes().count(""), Bytes().count("a"), Bytes().count("\ud800")) == (0, 1, 1)


def test_lone_surrogates_do_no_harm() -> None:
    assert COUNTER.count("a\ud800b") > 0


def chat(*parts: Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal, **more: object) -> Chat:
    return Chat((Turn("user", parts),), **more)  # type: ignore[arg-type]


def test_a_chat_counts_its_words_and_what_wraps_them() -> None:
    assert count_chat(chat(Text("Hello")), COUNTER) == 1 + 3 + 3
    assert count_chat(chat(Text("Hello"), system=(Text("Hello"),)), COUNTER) == 2 + 6 + 3


def test_everything_that_is_sent_is_counted() -> None:
    empty = count_chat(chat(), COUNTER)
    schema = Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')
    for part in (
        ToolCall("1", "weather", '{"city":"Hanoi"}'),
        ToolResult("1", (Text("sunny"),)),
        Reasoning("let me see"),
        Refusal("no"),
        Audio("A" * 6400, "mp3"),
        File("A" * 4400, "application/pdf"),
    ):
        assert count_chat(chat(part), COUNTER) > empty
    with_tool = count_chat(chat(tools=(Tool("weather", "the weather", schema),)), COUNTER)
    assert with_tool > count_chat(chat(tools=(Tool("weather", "the weather"),)), COUNTER) > empty
    assert count_chat(chat(format=Format("json_schema", schema=schema)), COUNTER) > empty
    assert count_chat(chat(format=Format("json_object")), COUNTER) == empty


def test_images_cost_a_constant() -> None:
    empty = count_chat(chat(), COUNTER)
    assert count_chat(chat(Image(url="http://x")), COUNTER) - empty == IMAGE_TOKENS
    assert count_chat(chat(Image(url="http://x", detail="low")), COUNTER) - empty == 85
    assert count_chat(chat(ToolResult("1", (Image(data="A"),))), COUNTER) - empty == IMAGE_TOKENS


def test_a_factor_stretches_the_words_only() -> None:
    words = chat(Text(VIETNAMESE))
    assert count_chat(words, COUNTER, 2.0) - count_chat(words, COUNTER) == COUNTER.count(VIETNAMESE)


def test_the_longest_cache_mark_counts() -> None:
    assert cache_mark(chat(Text("a"))) == ""
    assert cache_mark(chat(Text("a", "5m"), Image(url="http://x"))) == "5m"
    assert cache_mark(chat(Text("a", "5m"), system=(Text("s", "1h"),))) == "1h"


def test_nobody_waits_for_the_vocabulary_where_it_is_loaded_elsewhere() -> None:
    text = "The tide comes in, and the tide goes out again. " * 20
    loading: list[Callable[[], object]] = []
    counter = Splintr(loading.append)
    assert [counter.count(text), counter.count(text)] == [Bytes().count(text)] * 2
    assert (len(loading), counter.loaded) == (1, False)
    loading[0]()
    assert counter.loaded
    assert counter.count(text) == Splintr().count(text) != Bytes().count(text)

"""Where a second answer goes on with a text: found however the text is cut, never made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.dialects.seam import Seam

STORY = (
    "The quick brown fox jumps over the lazy dog, and then it rests by the river. Every evening the fox returns, "
    "tells its story again, and nobody believes a word of it. 狐狸回到河边。 So it goes, said Mai, in that forest."
)
PREFACES = (
    "",
    "I apologize for the interruption. ",
    "Sorry about that! Here is the rest of my answer:\n\n",
    "I'm sorry, the connection was cut off. Continuing where I left off: ",
    "Certainly, I'll continue from there.\n",
    "Xin lỗi vì sự gián đoạn. ",
)


def joined(said: str, answer: str, size: int = 3) -> tuple[str, bool]:
    """What the reader has in the end, and whether there was no seam."""
    seam = Seam(said)
    new = "".join(seam.feed(answer[at : at + size]) for at in range(0, len(answer), size))
    return said + new + seam.end(), seam.diverged


@given(
    cut=st.integers(1, len(STORY) - 1),
    again=st.integers(0, len(STORY)),
    preface=st.sampled_from(PREFACES),
    size=st.integers(1, 300),
)
def test_a_text_is_whole_however_it_goes_on(cut: int, again: int, preface: str, size: int) -> None:
    said = STORY[:cut]
    # Whole words are said again, and not fewer than a few.
    begin = said.rfind(" ", 0, max(0, cut - again)) + 1 if again else cut
    if cut - begin < 12 and again:
        begin = 0
    assert joined(said, preface + STORY[begin:], size) == (STORY, False)


@given(said=st.text(min_size=1), answer=st.text(), size=st.integers(1, 9))
def test_nothing_is_invented_and_nothing_breaks(said: str, answer: str, size: int) -> None:
    text, _ = joined(said, answer, size)
    assert answer.endswith(text.removeprefix(said))


@given(cut=st.integers(30, len(STORY)), kept=st.integers(10, 25))
def test_an_answer_that_begins_alike_and_goes_another_way_is_not_joined(cut: int, kept: int) -> None:
    said = STORY[:cut]
    assert joined(said, STORY[:kept] + "§ and something else altogether.") == (said, True)


@pytest.mark.parametrize(
    ("said", "answer", "whole"),
    [
        ("The list is:\n\n", "Here is the first point: one.", "The list is:\n\nHere is the first point: one."),
        ("He said: ", "Sure, why not? And left.", "He said: Sure, why not? And left."),
        ("one two ", " three", "one two three"),
        ("def f(x):\n    ", "    return x", "def f(x):\n    return x"),
        ("Hel", "lo", "Hello"),
        ("Hel", "Hello", "Hello"),
        ("ends here.", "", "ends here."),
        ("we saw the ", "the old bridge", "we saw the old bridge"),
    ],
)
def test_what_looks_like_words_to_the_reader_but_is_text_stays(said: str, answer: str, whole: str) -> None:
    assert joined(said, answer)[0] == whole


def test_it_speaks_as_soon_as_it_is_certain() -> None:
    seam = Seam("Once upon a time there was a fox")
    assert seam.feed(" and nobody knew where it had come from") == " and nobody knew where it had come from"
    assert seam.feed(".") == "."
    assert seam.end() == ""

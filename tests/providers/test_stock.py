"""Entries by their spellings."""

from __future__ import annotations

import datetime as dt

import pytest

from hybridge.providers.facts import Facts
from hybridge.providers.row import load_rows
from hybridge.providers.snapshot import Listed
from hybridge.providers.stock import Entry, Stock

DAY = dt.date(2026, 11, 22)


def stock(*models: Listed) -> Stock:
    made = Stock()
    made.add([Entry(model, "shop", DAY) for model in models])
    return made


def test_the_most_exact_spelling_wins_whatever_the_order() -> None:
    dotted, dashed, alias = Listed("M-1.5", "m-1.5"), Listed("m-1-5", "m-1-5"), Listed("x", "x", aliases=("M-1-5",))
    for models in ((dotted, dashed, alias), (alias, dashed, dotted)):
        made = stock(*models)
        for model in models:
            found = made.find(model.id)
            assert found is not None
            assert (found.entry.listed, found.model) == (model, model.id)
        by_alias = made.find("M-1-5")
        assert by_alias is not None
        assert (by_alias.entry.listed, by_alias.model) == (alias, "M-1-5")


@pytest.mark.parametrize("name", ["author/Model-2.5", "author/model-2.5", "model-2-5", "MODEL-2.5", "nickname"])
def test_every_spelling_finds_the_provider_s_own_name(name: str) -> None:
    found = stock(Listed("author/Model-2.5", "nickname")).find(name)
    assert found is not None
    assert found.model == "author/Model-2.5"


def test_an_alias_that_the_provider_knows_is_sent_as_it_is() -> None:
    found = stock(Listed("m", "m", aliases=("m-20260101",))).find("m-20260101")
    assert found is not None
    assert (found.entry.listed.id, found.model) == ("m", "m-20260101")


@pytest.mark.parametrize(
    ("ids", "stands"),
    [
        (("m-20250101", "m", "m-20260101"), "m"),
        (("m-20250101", "m-20260101"), "m-20260101"),
        (("m-20260101", "m-20250101"), "m-20260101"),
    ],
)
def test_the_undated_version_stands_for_the_model_else_the_newest(ids: tuple[str, ...], stands: str) -> None:
    found = stock(*(Listed(name, "m") for name in ids)).serving("m")
    assert found is not None
    assert found.model == stands
    assert stock().serving("m") is None
    assert stock().find("m") is None


def test_what_a_reseller_lists_itself_is_its_own() -> None:
    rows = load_rows()
    made = Facts(rows).stock(rows["aihubmix"])
    own, resold = made.find("gpt-5.1"), made.find("gpt-4o-mini")
    assert own is not None and resold is not None
    assert (own.entry.file, resold.entry.file) == ("aihubmix", "openai")
    assert [entry.file for entry in made.entries if entry.listed.name == "gpt-5.1"] == ["aihubmix"]
    assert repr(made) == f"<Stock of {len(made.entries)}>"

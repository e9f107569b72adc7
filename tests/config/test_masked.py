"""A configuration as it may be shown: all of it, but no secret."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from hybridge.config import Config, load
from hybridge.config.masked import HIDDEN, differences, masked

EVERYTHING = """
server: {host: 127.0.0.1, port: 9080, admin_port: off, max_body: 8MB, cors: ['https://a.example'], drain: 5s}
admin: {token: canary-written}
currency: {default: VND, rates: {VND: {per_usd: 26300.5, as_of: 2026-11-22}}}
providers:
  openai: {keys: [env:A, canary-written], fee: 5.5%, headers: {x-team: canary-written, x-plain: env:B}}
  mine: {kind: gateway, dialect: openai, base_url: 'http://canary-user:canary-pass@127.0.0.1:1/v1?key=canary-query',
         keys: [none], timeouts: {connect: 2s}, quirks: {drop: [seed], clamp: {temperature: {max: 1}}}}
models:
  m: {deployments: [openai/gpt-4o-mini, mine/m], price: {mine/m: {input: 0.15, output: 0.60}}}
routing: {cheap_below: 500 VND, unknown_models: 'pass:mine'}
access: {mode: keys, keys: [{name: app, key: canary-written, models: [m]}]}
"""


def everything(text: str = EVERYTHING) -> Config:
    return load(text, {"A": "canary-a", "B": "canary-b"})


def test_everything_is_there_but_no_secret() -> None:
    shown = masked(everything())
    assert "canary" not in json.dumps(shown)
    assert shown["server"]["admin_port"] == "off"
    assert (shown["server"]["max_body"], shown["server"]["drain"]) == ("8MB", "5s")
    assert shown["admin"] == {"host": "127.0.0.1", "token": HIDDEN}
    assert shown["providers"]["openai"]["keys"] == ["env:A", HIDDEN]
    assert shown["providers"]["openai"]["headers"] == {"x-team": HIDDEN, "x-plain": "env:B"}
    assert shown["providers"]["openai"]["fee"] == "5.5%"
    assert shown["providers"]["mine"]["base_url"] == "http://***@127.0.0.1:1/v1?***"
    assert shown["providers"]["mine"]["keys"] == ["none"]
    assert shown["providers"]["mine"]["timeouts"]["connect"] == "2s"
    assert shown["currency"]["rates"]["VND"] == {"per_usd": "26300.5", "as_of": "2026-11-22"}
    assert shown["models"]["m"]["price"]["mine/m"]["output"] == "0.6"
    assert shown["routing"]["cheap_below"] == "500 VND"
    assert shown["access"]["keys"][0]["key"] == HIDDEN
    assert shown.keys() == {*Config.__struct_fields__}


def test_what_differs_is_told_by_its_place() -> None:
    before, after = masked(everything()), masked(everything(EVERYTHING.replace("5.5%", "6%").replace(", mine/m]", "]")))
    assert differences(before, before) == ({}, {})
    assert differences(before, after) == (
        {"providers.openai.fee": "5.5%", "models.m.deployments": ["openai/gpt-4o-mini", "mine/m"]},
        {"providers.openai.fee": "6%", "models.m.deployments": ["openai/gpt-4o-mini"]},
    )
    fewer = {**after, "models": {}}
    old, new = differences(after, fewer)
    assert old["models.m.fallbacks"] == []
    assert new == {"models": {}}


TREES = st.recursive(st.integers(0, 2), lambda inner: st.dictionaries(st.sampled_from("abc"), inner), max_leaves=6)


@given(before=st.dictionaries(st.sampled_from("xyz"), TREES), after=st.dictionaries(st.sampled_from("xyz"), TREES))
def test_no_difference_means_the_same(before: dict[str, object], after: dict[str, object]) -> None:
    old, new = differences(before, after)
    assert (old == new == {}) == (before == after)
    assert all(old.get(path) != new.get(path) for path in {**old, **new})

"""Virtual keys."""

from __future__ import annotations

import pytest

from hybridge.access.keys import OPEN, Keys, VirtualKey
from hybridge.errors import InvalidApiKey

APP = VirtualKey("app", frozenset(["m"]))


def test_keys_are_needed_where_access_is_by_keys() -> None:
    keys = Keys("keys", [("vk-app", APP)])
    assert keys.admit("vk-app") is APP
    for secret in ("vk-ap", "vk-app ", "VK-APP", "vk-đ"):
        with pytest.raises(InvalidApiKey, match="not known"):
            keys.admit(secret)
    for nothing in (None, ""):
        with pytest.raises(InvalidApiKey, match="no key"):
            keys.admit(nothing)


def test_open_access_takes_anybody_and_knows_its_keys() -> None:
    assert Keys("open").admit(None) is OPEN
    assert Keys("open").admit("anything") is OPEN
    keys = Keys("open", [("vk-app", APP)])
    assert keys.admit("vk-app") is APP
    assert keys.admit("anything") is OPEN


def test_no_secret_is_shown() -> None:
    assert "vk-app" not in repr(Keys("keys", [("vk-app", APP)]))
    assert "vk-app" not in str(vars(Keys("keys", [("vk-app", APP)])))

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
    keys = Keys("keys", [("vk-app", APP)])
    assert "vk-app" not in str(vars(keys))
    keys.admit("vk-app")
    assert "vk-app" not in str(vars(keys))
    assert "vk-app" not in repr(keys)


def test_a_key_that_was_shown_is_known_again_and_no_other() -> None:
    other = VirtualKey("other")
    keys = Keys("keys", [("vk-app", APP), ("vk-other", other)])
    for _ in range(3):
        assert keys.admit("vk-app") is APP
        assert keys.admit("vk-other") is other
        for secret in ("vk-ap", "vk-app ", "vk", "vk-appvk-other"):
            with pytest.raises(InvalidApiKey, match="not known"):
                keys.admit(secret)


def test_secrets_that_are_not_known_are_not_kept() -> None:
    keys = Keys("open", [("vk-app", APP)])
    before = str(vars(keys))
    for number in range(100):
        assert keys.admit(f"made up {number}") is OPEN
    assert str(vars(keys)) == before

"""Ways to show a key."""

from __future__ import annotations

import pytest

from hybridge.errors import ConfigError
from hybridge.providers.auth import AUTH, auth


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("bearer", (("authorization", "Bearer secret"),)),
        ("x_api_key", (("x-api-key", "secret"),)),
        ("api_key", (("api-key", "secret"),)),
        ("x_goog_api_key", (("x-goog-api-key", "secret"),)),
        ("none", ()),
    ],
)
def test_each_way(name: str, headers: tuple[tuple[str, str], ...]) -> None:
    assert auth(name)("secret") == headers


def test_names_are_those_of_the_functions() -> None:
    assert [function.__name__ for function in AUTH.values()] == sorted(AUTH)


def test_an_unknown_way_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no 'x_api_keys'; did you mean x_api_key\?"):
        auth("x_api_keys")

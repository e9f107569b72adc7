"""What running a page needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.docs.running import simulated
from tests.sdk.house import House


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, dict[str, Any]]]:
    house = House()
    with simulated(house) as providers:
        yield providers
    house.close()

"""One house with a gateway for all tests of this folder; those that break something build one of their own."""

from __future__ import annotations

from collections.abc import Iterator

import anthropic
import openai
import pytest
from google import genai

from hybridge.simulator.scenario import DialectName
from tests.sdk.clients import Clients, clients
from tests.sdk.house import DIALECTS, Behind, House


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    house = House()
    yield house
    house.close()


@pytest.fixture(scope="session")
def behind(house: House) -> Iterator[dict[DialectName, Behind]]:
    with house.providers() as behind:
        yield behind


@pytest.fixture(scope="session")
def sdks(house: House, behind: dict[DialectName, Behind]) -> Iterator[Clients]:
    # No breaker of this one opens, so that tests which break something do not disturb the others.
    with house.gateway(behind, breaker={"failures": 10_000}) as running, clients(running.url) as made:
        yield made


@pytest.fixture(params=DIALECTS)
def theirs(request: pytest.FixtureRequest, behind: dict[DialectName, Behind]) -> Behind:
    """The provider behind the gateway, in each dialect."""
    dialect: DialectName = request.param
    return behind[dialect]


@pytest.fixture
def openai_client(sdks: Clients) -> openai.OpenAI:
    return sdks.openai


@pytest.fixture
def anthropic_client(sdks: Clients) -> anthropic.Anthropic:
    return sdks.anthropic


@pytest.fixture
def gemini_client(sdks: Clients) -> genai.Client:
    return sdks.gemini

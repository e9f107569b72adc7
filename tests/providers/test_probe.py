"""Probes over real connections: what an answer means, and what is read from it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from hybridge.providers.probe import Probed, Prober, names_in
from hybridge.providers.provider import Provider, configure
from hybridge.providers.row import Balance, Row, load_rows
from hybridge.providers.settings import ProviderSetting
from hybridge.providers.transport import HttpTransport
from hybridge.types import Kind
from tests.gateway.harness import Link, Received, Script, Upstream, answering

NOW = 1_790_000_000_000_000
LISTED = {"object": "list", "data": [{"id": "gpt-4o-mini"}, {"id": "gpt-4o-2024-08-06"}]}
INVALID = {"error": {"message": "Incorrect API key", "type": "invalid_request_error", "code": "invalid_api_key"}}
SCOPED = {"error": {"message": "Missing scopes", "type": "invalid_request_error", "code": "missing_scope"}}
LEFT = {"data": {"limit_remaining": 74.5}}


def by_path(answers: Mapping[str, tuple[int, Any]]) -> Script:
    """Answers by the end of the path."""

    async def script(received: Received, link: Link) -> None:
        status, body = next(found for end, found in answers.items() if received.path.endswith(end))
        await link.reply(status, body)

    return script


def provider(url: str, dialect: str = "openai", balance: Balance | None = None, models: str = "/models") -> Provider:
    row = Row(
        id="mine",
        name="Mine",
        kind=Kind.DIRECT,
        base_url="https://api.example.com/v1",
        dialect=dialect,
        auth={"gemini": "x_goog_api_key", "anthropic": "x_api_key"}.get(dialect, "bearer"),
        source="https://example.com",
        verified_on=dt.date(2026, 11, 22),
        key_required=False,
        models_path=models,
        balance=balance,
    )
    return configure(ProviderSetting(id="mine", base_url=f"{url}/v1", keys=("k-1",)), row)


@asynccontextmanager
async def prober(patience: float = 5.0) -> AsyncIterator[Prober]:
    transport = HttpTransport(environ={})
    loop_time = asyncio.get_running_loop().time
    yield Prober(transport, now_us=lambda: NOW, loop_time=loop_time, agent="hybridge/test", patience=patience)
    await transport.aclose()


async def test_a_list_is_read_and_the_key_is_shown() -> None:
    async with Upstream(answering(200, LISTED)) as upstream, prober() as made:
        probed = await made.ask(provider(upstream.url), "f1", "k-1")
    assert probed is not None
    assert (probed.provider, probed.key, probed.at_us, probed.verdict) == ("mine", "f1", NOW, "ok")
    assert probed.models == ("gpt-4o-mini", "gpt-4o-2024-08-06")
    assert 0 < probed.ms < 5000
    assert not probed.spoils_key
    (received,) = upstream.received
    assert (received.method, received.path) == ("GET", "/v1/models")
    assert (received.headers["authorization"], received.headers["user-agent"]) == ("Bearer k-1", "hybridge/test")


@pytest.mark.parametrize(
    ("dialect", "path", "header"),
    [("anthropic", "/v1/models?limit=1000", "x-api-key"), ("gemini", "/v1/models?pageSize=1000", "x-goog-api-key")],
)
async def test_the_whole_list_is_asked_for_as_its_dialect_does(dialect: str, path: str, header: str) -> None:
    async with Upstream(answering(200, {"models": [{"name": "models/m"}]})) as upstream, prober() as made:
        probed = await made.ask(provider(upstream.url, dialect), "f1", "k-1")
    assert probed is not None
    assert probed.models == ("m",)
    assert upstream.received[0].path == path
    assert upstream.received[0].headers[header] == "k-1"


@pytest.mark.parametrize(
    ("status", "body", "verdict", "spoils", "said"),
    [
        (401, INVALID, "refused", True, "it refuses the key (HTTP 401)"),
        (402, {"error": {"message": "pay"}}, "refused", True, "it refuses the key (HTTP 402)"),
        (403, {"error": {"message": "no"}}, "refused", False, "it refuses the key (HTTP 403)"),
        (401, SCOPED, "ok", False, "the key may not ask for lists (HTTP 401)"),
        (404, {"detail": "Not Found"}, "ok", False, "it answers, but has nothing there (HTTP 404)"),
        (429, {"error": {"message": "slow"}}, "ok", False, "limits the rate"),
        (503, b"<html>down</html>", "failing", False, "HTTP 503"),
    ],
)
async def test_what_an_answer_means(status: int, body: Any, verdict: str, spoils: bool, said: str) -> None:
    async with Upstream(answering(status, body)) as upstream, prober() as made:
        probed = await made.look(provider(upstream.url), "f1", "k-1")
    assert probed is not None
    assert (probed.verdict, probed.status, probed.spoils_key, probed.models) == (verdict, status, spoils, None)
    assert said in probed.said


async def test_nobody_there_and_nobody_who_answers() -> None:
    async def silent(received: Received, link: Link) -> None:
        await link.until_closed()

    async with prober(0.2) as made:
        gone = await made.look(provider("http://127.0.0.1:9"), "f1", "k-1")
        async with Upstream(silent) as upstream:
            late = await made.look(provider(upstream.url), "f1", "k-1")
    for probed in (gone, late):
        assert probed is not None
        assert (probed.verdict, probed.status, probed.spoils_key) == ("unreachable", 0, False)
        assert "k-1" not in probed.said


async def test_a_key_that_cannot_be_sent_is_told_and_not_shown() -> None:
    async with Upstream(answering(200, LISTED)) as upstream, prober() as made:
        probed = await made.look(provider(upstream.url), "f1", "k\n1")
    assert probed is not None
    assert probed.verdict == "unreachable"
    assert "k\n1" not in probed.said


async def test_without_a_list_there_is_nothing_to_ask() -> None:
    async with prober() as made:
        assert await made.look(provider("http://127.0.0.1:9", models=""), "f1", "k-1") is None
        assert await made.ask(provider("http://127.0.0.1:9", models=""), "f1", "k-1") is None


@pytest.mark.parametrize(
    ("place", "told", "balance"),
    [
        (Balance("https://api.example.com/v1/key", "data.limit_remaining", "USD"), LEFT, (Decimal("74.5"), "USD")),
        (
            Balance("https://api.example.com/key", "infos.0.total", "infos.0.currency"),
            {"infos": [{"currency": "CNY", "total": "110.00"}]},
            (Decimal("110.00"), "CNY"),
        ),
        # No limit, nothing that can be read, and what is no amount.
        (Balance("https://api.example.com/v1/key", "data.left", "USD"), {"data": {"left": None}}, (None, "")),
        (Balance("https://api.example.com/v1/key", "data.left", "USD"), {"data": []}, (None, "")),
        (Balance("https://api.example.com/v1/key", "data.0", "USD"), {"data": []}, (None, "")),
        (Balance("https://api.example.com/v1/key", "left", "USD"), {"left": "NaN"}, (None, "")),
        (Balance("https://api.example.com/v1/key", "left", "USD"), b"{", (None, "")),
    ],
)
async def test_what_is_left_of_a_key(place: Balance, told: Any, balance: tuple[Decimal | None, str]) -> None:
    script = by_path({"/models": (200, LISTED), "/key": (200, told)})
    async with Upstream(script) as upstream, prober() as made:
        mine = provider(upstream.url, balance=place)
        asked = await made.ask(mine, "f1", "k-1")
        looked = await made.look(mine, "f1", "k-1")
    assert asked is not None and looked is not None
    assert (asked.balance, asked.currency) == (looked.balance, looked.currency) == balance
    assert asked.models == ("gpt-4o-mini", "gpt-4o-2024-08-06")
    prefix = "/v1" if "/v1/" in place.url else ""
    # The least that shows how things are is the balance alone.
    assert [each.path for each in upstream.received] == ["/v1/models", f"{prefix}/key", f"{prefix}/key"]


async def test_a_list_for_anybody_proves_no_key_but_a_balance_does() -> None:
    place = Balance("https://api.example.com/v1/key", "data.limit_remaining", "USD")
    async with (
        Upstream(by_path({"/models": (200, LISTED), "/key": (401, INVALID)})) as upstream,
        Upstream(answering(401, INVALID)) as private,
        prober() as made,
    ):
        probed = await made.ask(provider(upstream.url, balance=place), "f1", "k-1")
        assert await made.is_public(provider(upstream.url))
        assert not await made.is_public(provider(private.url))
    assert probed is not None
    assert probed.verdict == "refused"
    assert "authorization" not in upstream.received[-1].headers


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"data": [{"id": "a"}, {"id": "b", "name": "B"}]}', ("a", "b")),
        (b'{"models": [{"name": "models/g"}]}', ("g",)),
        (b'[{"id": "a"}, "b", 3, {}]', ("a", "b")),
        (b'{"data": [], "has_more": false}', ()),
        (b'{"data": [{"id": "a"}], "has_more": true}', None),
        (b'{"models": [{"name": "models/g"}], "nextPageToken": "x"}', None),
        (b'{"object": "list"}', None),
        (b"<html>", None),
        (b"\xff\xfe", None),
    ],
)
def test_lists_of_every_shape(body: bytes, names: tuple[str, ...] | None) -> None:
    assert names_in(body) == names


def test_whether_a_model_is_listed() -> None:
    probed = Probed("p", "k", 0, "ok", "", models=("gpt-4o-mini", "claude-3-haiku-20240307", "a/b"))
    wanted = ("gpt-4o-mini", "claude-3-haiku", "a/b:free", "a/b", "gpt-9")
    assert [probed.lists(model) for model in wanted] == [True, True, True, True, False]
    assert Probed("p", "k", 0, "ok", "").lists("gpt-9") is None


def test_rows_that_tell_a_balance_do_so_at_their_own_address() -> None:
    telling = {row.id: row.balance for row in load_rows().values() if row.balance}
    assert set(telling) >= {"openrouter", "deepseek"}
    for name, place in telling.items():
        host = load_rows()[name].base_url.split("/")[2]
        assert place.url.startswith(f"https://{host}/")

"""Who gets in, and who does not: decided before anything else."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridge.admin.door import PREFIX, Token
from hybridge.ledger import schema
from hybridge.server.guard import Guard
from tests.admin.desks import TOKEN, VALUES, Office


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


NO_TOKENS = (None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x")
PATHS = ("/workers", "/openapi.json", "/nowhere", "", "/../", "//admin/workers")


async def test_without_the_token_nothing_is_told(office: Office) -> None:
    async with office.client("") as client:
        for path, authorization in product(PATHS, NO_TOKENS):
            answer = await client.get(path, headers={} if authorization is None else {"authorization": authorization})
            assert answer.status_code == 401, (path, authorization)
            assert answer.headers["www-authenticate"] == "Bearer"
            error = answer.json()["error"]
            assert (error["code"], answer.headers["x-hybridge-error"]) == ("invalid_admin_token",) * 2
            assert "Authorization: Bearer" in error["message"]
            assert "admin.token" in error["message"]


async def test_the_token_opens(office: Office) -> None:
    async with office.client("") as client:
        for scheme in ("Bearer", "bearer", "BEARER "):
            assert (await client.get("/workers", headers={"authorization": f"{scheme} {TOKEN}"})).status_code == 200


CALLS: list[tuple[dict[str, str], int]] = [
    ({"host": "localhost:8081"}, 200),
    ({"host": "[::1]:8081"}, 200),
    ({"host": "evil.example:8081"}, 403),
    ({"host": "127.0.0.1.evil.example"}, 403),
    ({"origin": "https://evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://localhost:9"}, 403),
    ({"origin": "http://127.0.0.1:8081"}, 200),
    ({"origin": "https://desk.example"}, 200),
    # A page whose name was turned to this machine calls its own origin.
    ({"host": "evil.example", "origin": "http://evil.example"}, 403),
]


async def test_names_and_pages_that_may_call(tmp_path: Path) -> None:
    office = Office(tmp_path, {**VALUES, "server": {"cors": ["https://desk.example"]}})
    async with office.client() as client:
        for headers, status in CALLS:
            answer = await client.get("/workers", headers=headers)
            assert answer.status_code == status, headers
            if status == 403:
                assert answer.json()["error"]["code"] == "origin_not_allowed"
            told = answer.headers.get("access-control-allow-origin")
            assert told == ("https://desk.example" if headers.get("origin") == "https://desk.example" else None)


async def test_a_page_that_may_call_may_ask_first(tmp_path: Path) -> None:
    office = Office(tmp_path, {**VALUES, "server": {"cors": ["https://desk.example"]}})
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    async with office.client("") as client:
        answer = await client.request("OPTIONS", "/reload", headers={"origin": "https://desk.example", **asked})
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-headers"] == "authorization"
        foreign = await client.request("OPTIONS", "/reload", headers={"origin": "https://evil.example", **asked})
        assert foreign.status_code == 403


async def test_beyond_loopback_any_name_will_do_but_not_any_token(office: Office) -> None:
    office.door.guard = Guard(bound_to="0.0.0.0", cors=())
    async with office.client() as client:
        assert (await client.get("/workers", headers={"host": "gateway.example"})).status_code == 200
        client.headers["authorization"] = "Bearer other"
        assert (await client.get("/workers", headers={"host": "gateway.example"})).status_code == 401


async def test_a_websocket_is_refused_before_it_is_one(office: Office) -> None:
    said: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        said.append(message)

    token = (b"authorization", b"Bearer t0ken")
    for headers in (
        [(b"host", b"127.0.0.1")],
        [(b"host", b"127.0.0.1"), (b"origin", b"https://evil.example"), token],
        [(b"host", b"evil.example"), token],
    ):
        await office.door({"type": "websocket", "path": "/", "headers": headers}, receive, send)
    assert said == [{"type": "websocket.close", "code": 1008}] * 3


def test_a_made_token_is_told_once_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    schema.prepare(path)
    told: list[str] = []
    first = Token.kept(path, told.append)
    (token,) = told
    assert token.startswith(PREFIX)
    assert len(token) >= len(PREFIX) + 43
    again = Token.kept(path, told.append)
    assert told == [token]
    assert first.admits(token)
    assert again.admits(token)
    assert not again.admits(token[:-1])
    assert token.encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir())
    schema.prepare(tmp_path / "other.db")
    assert not Token.kept(tmp_path / "other.db", lambda _: None).admits(token)


@given(token=st.text(min_size=1), other=st.text())
def test_a_token_admits_itself_alone(token: str, other: str) -> None:
    assert Token.given(token).admits(token)
    assert Token.given(token).admits(other) == (token == other)

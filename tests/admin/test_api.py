"""What operators ask and change, over HTTP, in front of a data plane that is played."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from hybridge import app
from hybridge.admin.desk import InForce
from hybridge.ledger.store import SqliteLedger
from hybridge.money import Usage
from hybridge.observers.health import Window
from hybridge.observers.sketch import bucket
from hybridge.observers.standing import Standing
from hybridge.providers.probe import Probed
from hybridge.resilience.breakers import BreakerState
from hybridge.resilience.keys import KeyState, fingerprint
from tests.admin.desks import NOW, VALUES, Office, config
from tests.ledger.records import attempt, entry, full_entry

MINI = "house/mini"
CLOSED = BreakerState(MINI, "closed", "", 0, 0.0, 0.0, False, None)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def told(office: Office, path: str, expected: int = 200, /, **query: str | int) -> Any:
    async with office.client() as client:
        answer = await client.get(path, params=query)
    assert answer.status_code == expected, answer.text
    return answer.json()


async def done(office: Office, path: str, body: object = None, status: int = 200) -> Any:
    async with office.client() as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["x-hybridge-error"] == answer.json()["error"]["code"]
    return answer.json()


async def test_a_request_is_told_with_all_there_is(office: Office) -> None:
    office.keep(full_entry())
    found = await told(office, f"/requests/{full_entry().id}")
    assert (found["deployment"], found["cost_nano_usd"], found["cost"]) == ("shop/mini", 77, "0.0020251 VND")
    assert [one["deployment"] for one in found["attempts"]] == [MINI, "shop/mini"]
    assert [(one["deployment"], one["reason"], one["scores"]) for one in found["considered"]] == [
        (MINI, "", {"cost": 1.5}),
        ("house/old", "lacks vision", {}),
    ]
    missing = await told(office, "/requests/req_nobody", 404)
    assert missing["error"]["code"] == "request_not_found"


async def test_a_request_that_was_over_a_moment_ago_is_waited_for(office: Office) -> None:
    young = f"req_{int(NOW * 1000):012x}{'0' * 32}"
    asking = asyncio.create_task(told(office, f"/requests/{young}"))
    ledger = await asyncio.to_thread(SqliteLedger, office.path)
    ledger.append(replace(entry(), id=young))
    assert (await asking)["id"] == young
    ledger.close()


async def test_requests_are_listed_by_page_and_by_what_is_wanted(office: Office) -> None:
    office.keep(
        *(entry(number, started_us=number) for number in range(1, 5)),
        entry(5, attempt("shop/mini", None), started_us=5, status=502, key="vk"),
    )
    page = await told(office, "/requests", limit=3)
    assert [one["started_us"] for one in page["requests"]] == [5, 4, 3]
    assert [one["cost"] for one in page["requests"]] == ["unpriced", "0.48129 VND", "0.48129 VND"]
    assert "considered" not in page["requests"][0]
    page = await told(office, "/requests", limit=3, before=page["next"])
    assert ([one["started_us"] for one in page["requests"]], page["next"]) == ([2, 1], None)
    for query in ({"status": 502}, {"key": "vk"}, {"deployment": "shop/mini"}, {"provider": "shop"}):
        assert [one["started_us"] for one in (await told(office, "/requests", **query))["requests"]] == [5]
    assert (await told(office, "/requests", model="other"))["requests"] == []
    for wrong in ({"limit": 0}, {"limit": 501}, {"limit": "x"}, {"status": "ok"}, {"before": "req_nobody"}):
        error = (await told(office, "/requests", 400, **wrong))["error"]
        assert (error["code"], error["param"]) == ("invalid_request", next(iter(wrong)))


async def test_providers_are_told_with_keys_by_fingerprint(office: Office) -> None:
    one, two = fingerprint("sk-canary-one"), fingerprint("sk-canary-two")
    office.plane.workers = [
        Standing(1, breakers=(CLOSED,), keys={"house": (KeyState(one, 600.0), KeyState(two))}),
        Standing(
            2,
            keys={"house": (KeyState(one), KeyState(two, None, {"mini": 5.0}))},
            probes=(
                Probed("house", two, 2_000_000, "ok", "answers", 12.5, 200, balance=Decimal("1.50"), currency="USD"),
            ),
        ),
        Standing(3, probes=(Probed("house", two, 1_000_000, "unreachable", "refused"),)),
    ]
    found = await told(office, "/providers")
    assert "canary" not in json.dumps(found)
    house, shop = found["providers"]
    assert [(key["id"], key["state"], key["source"]) for key in house["keys"]] == [
        (one, "refused", "***"),
        (two, "resting", "***"),
    ]
    assert house["keys"][0]["probe"] is None
    assert house["keys"][1]["probe"] == {
        "at": "1970-01-01T00:00:02.000+00:00",
        "verdict": "ok",
        "said": "answers",
        "ms": 12.5,
        "status": 200,
        "balance": "1.5",
        "currency": "USD",
    }
    assert house["keys"][1]["resting_at"] == [{"model": "mini", "retry_in_s": 5.0}]
    assert [one["deployment"] for one in house["deployments"]] == [MINI]
    assert house["deployments"][0]["breaker"]["state"] == "closed"
    assert house["deployments"][0]["health"] is None
    assert (house["kind"], house["dialects"], house["tier"]) == ("direct", ["openai"], "own")
    assert (shop["kind"], shop["fee"], shop["deployments"]) == ("gateway", "5%", [])
    assert [key["source"] for key in shop["keys"]] == ["none"]


async def test_models_are_told_with_where_they_are_served(office: Office) -> None:
    office.plane.workers = [Standing(1, breakers=(replace(CLOSED, state="open"),))]
    (model,) = (await told(office, "/models"))["models"]
    assert (model["name"], model["configured"], model["fallbacks"]) == ("m", True, ["n"])
    first, second = model["deployments"]
    assert (first["deployment"], first["state"], first["price_usd_per_million"]["output"]) == (MINI, "open", "2")
    assert (second["deployment"], second["state"], second["price_usd_per_million"]) == (
        "shop/vendor/mini",
        "closed",
        None,
    )


async def test_what_a_deployment_did_lately_is_told_over_all_workers(office: Office) -> None:
    sketch = {bucket(1_000_000): 1}
    office.plane.workers = [
        Standing(1, windows=(Window(MINI, {"broken": 1}, total=sketch),)),
        Standing(2, windows=(Window(MINI, {"broken": 1, "silent": 1}, total={bucket(1_000_000): 4}),)),
    ]
    (model,) = (await told(office, "/models"))["models"]
    health = model["deployments"][0]["health"]
    assert (health["calls"], health["failed"], health["failures"]) == (8, 3, {"broken": 2, "silent": 1})
    assert health["success_ratio"] == 0.625
    assert health["total_s"]["p99"] == pytest.approx(1, rel=0.05)
    assert (health["first_token_s"], health["tokens_per_second"]) == (None, None)
    assert model["deployments"][1]["health"] is None
    house, _ = (await told(office, "/providers"))["providers"]
    assert house["deployments"] == [{"deployment": MINI, "breaker": None, "health": health}]


async def test_breakers_are_told_of_each_worker_and_as_one(office: Office) -> None:
    opened = replace(CLOSED, state="open", why="3 failures in a row", failures=3, retry_in_s=None)
    office.plane.workers = [Standing(1, breakers=(CLOSED,)), Standing(2, 3, False, 1, (opened,))]
    (found,) = (await told(office, "/breakers"))["breakers"]
    assert (found["state"], found["why"], found["retry_in_s"], found["scope"]) == (
        "open",
        "3 failures in a row",
        None,
        "deployment",
    )
    assert [(worker["pid"], worker["state"]) for worker in found["workers"]] == [(1, "closed"), (2, "open")]
    workers = await told(office, "/workers")
    assert (workers["in_flight"], workers["wanted"], workers["restarted"], len(workers["workers"])) == (3, 2, 1, 2)


@pytest.mark.parametrize(
    ("until", "told_as"),
    [
        (None, None),
        (60, "2026-09-21T14:14:20.000+00:00"),
        (0.5, "2026-09-21T14:13:20.500+00:00"),
        ("10m", "2026-09-21T14:23:20.000+00:00"),
        ("2026-09-22", "2026-09-22T00:00:00.000+00:00"),
        ("2026-09-21T21:30:00+07:00", "2026-09-21T14:30:00.000+00:00"),
        ("2026-09-21T14:30:00Z", "2026-09-21T14:30:00.000+00:00"),
    ],
)
async def test_a_breaker_is_held_until_a_time(office: Office, until: object, told_as: str | None) -> None:
    found = await done(office, f"/breakers/{MINI}", {"state": "open", "until": until, "reason": "because"})
    assert (found["forced"], found["until"], found["reason"]) == ("open", told_as, "because")
    (change,) = (await told(office, "/audit"))["changes"]
    assert (change["before"], change["after"]) == (
        {"state": "auto"},
        {"state": "open", "until": told_as, "reason": "because"},
    )
    assert change["at"] == "2026-09-21T14:13:20.000+00:00"
    freed = await done(office, f"/breakers/{MINI}", {"state": "auto"})
    assert freed["forced"] is None
    newest, _ = (await told(office, "/audit"))["changes"]
    assert (newest["before"]["state"], newest["after"]) == ("open", {"state": "auto"})


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"state": "opne"},
        {"state": "open", "untill": 5},
        {"state": "open", "until": 0},
        {"state": "open", "until": -5},
        {"state": "open", "until": 1e300},
        {"state": "open", "until": "yesterday"},
        {"state": "open", "until": "2020-01-01"},
        {"state": "open", "until": "0s"},
        {"state": "auto", "until": 5},
        {"state": "open", "reason": "x" * 201},
    ],
)
async def test_what_cannot_be_understood_changes_nothing(office: Office, body: object) -> None:
    error = (await done(office, f"/breakers/{MINI}", body, 400))["error"]
    assert error["code"] == "invalid_request"
    assert error["param"]
    assert office.plane.holds.all() == ()
    assert (await told(office, "/audit"))["changes"] == []


async def test_names_that_nobody_has_are_not_held_and_others_are_found(office: Office) -> None:
    for name in ("nobody", "nobody/m", "house/"):
        error = (await done(office, f"/breakers/{name}", {"state": "open"}, 404))["error"]
        assert error["code"] == "deployment_not_found"
        assert "house, shop" in error["message"]
    # A provider, a model nobody has listed, a name with slashes in it, also escaped.
    for name in ("house", "house/some-model", "shop/vendor/mini", "shop%2Fvendor%2Fmaxi"):
        await done(office, f"/breakers/{name}", {"state": "open"})
    held = {one.id for one in office.plane.holds.all()}
    assert held == {"house", "house/some-model", "shop/vendor/mini", "shop/vendor/maxi"}


async def test_what_a_data_plane_refuses_is_told_with_its_problems(office: Office) -> None:
    office.plane.problems = ("process 7 did not answer in 5 s",)
    error = (await done(office, f"/breakers/{MINI}", {"state": "open"}, 409))["error"]
    assert (error["code"], error["problems"]) == ("not_held", ["process 7 did not answer in 5 s"])
    error = (await done(office, "/reload", status=409))["error"]
    assert (error["code"], error["problems"]) == ("configuration_refused", ["process 7 did not answer in 5 s"])


async def test_drains(office: Office) -> None:
    for wrong, status in (
        ({"deployment": "house"}, 400),
        ({"provider": "house/mini"}, 400),
        ({"provider": "house", "deployment": MINI}, 400),
        ({"provider": "nobody"}, 404),
        ({"deployment": "nobody/m"}, 404),
        ({"until": "10m"}, 400),
        ({"everything": True}, 400),
    ):
        await done(office, "/drain", wrong, status)
    assert office.plane.drains == 0
    found = await done(office, "/drain", {"provider": "house", "until": "1h"}, 202)
    assert (found["draining"], found["breaker"]["reason"], found["breaker"]["state"]) == ("house", "drained", "open")
    assert office.plane.drains == 0
    assert (await done(office, "/drain", {}, 202)) == {"draining": "gateway", "breaker": None}
    assert office.plane.drains == 1
    whole, part = (await told(office, "/audit"))["changes"]
    assert (whole["what"], whole["subject"]) == ("drain", "gateway")
    assert (part["what"], part["subject"]) == ("drain", "house")


async def test_nothing_is_changed_that_the_audit_cannot_tell(office: Office) -> None:
    office.path.unlink()
    for path, body in ((f"/breakers/{MINI}", {"state": "open"}), ("/drain", None)):
        assert (await done(office, path, body, 503))["error"]["code"] == "ledger_unavailable"
    assert office.plane.holds.all() == ()
    assert office.plane.drains == 0
    assert (await told(office, "/requests", 503))["error"]["code"] == "ledger_unavailable"


async def test_a_data_plane_that_does_not_answer(office: Office) -> None:
    office.plane.gone = True
    for path in ("/breakers", "/providers", "/models", "/workers"):
        assert (await told(office, path, 503))["error"]["code"] == "data_plane_unreachable"
    # What the ledger knows needs nobody else.
    office.keep(entry())
    assert len((await told(office, "/requests"))["requests"]) == 1


async def test_what_was_spent(office: Office) -> None:
    office.keep(entry(1, attempt(MINI, 100, Usage(3, output=5))), entry(2, attempt("shop/mini", None)))
    found = await told(office, "/ledger", by="provider", since="7d")
    assert (found["currency"], found["zone"], found["since"]) == (
        "VND",
        "Asia/Ho_Chi_Minh",
        "2026-09-14T14:13:20.000+00:00",
    )
    assert [(row["group"], row["amount"], row["unpriced"]) for row in found["rows"]] == [
        ("house", "0.00263", 0),
        ("shop", "0", 1),
    ]
    usd = await told(office, "/ledger", by="deployment", since="2026-09-01", currency="usd")
    assert (usd["rows"][0]["group"], usd["rows"][0]["amount"]) == (MINI, "0.0000001")
    assert (await told(office, "/ledger", since="2026-10-01"))["rows"] == []
    for wrong in ({"by": "colour"}, {"since": "once"}, {"currency": "XYZ"}):
        assert (await told(office, "/ledger", 400, **wrong))["error"]["param"] == next(iter(wrong))


async def test_the_configuration_in_force_and_what_a_new_one_changes(office: Office, tmp_path: Path) -> None:
    found = await told(office, "/config")
    assert "canary" not in json.dumps(found)
    assert (found["file"], found["demo"]) == ("hybridge.yaml", False)
    assert found["config"]["providers"]["shop"]["fee"] == "5%"
    other = app.assemble(config(tmp_path, {**VALUES, "breaker": {"failures": 7}}))
    await office.desk.take_up(InForce(other, NOW, "hybridge.yaml"))
    # The same again, because only its file's date is new, is no change.
    await office.desk.take_up(InForce(other, NOW, "hybridge.yaml"))
    (change,) = (await told(office, "/audit"))["changes"]
    assert (change["who"], change["before"], change["after"]) == (
        "file hybridge.yaml",
        {"breaker.failures": 3},
        {"breaker.failures": 7},
    )
    assert (await told(office, "/config"))["config"]["breaker"]["failures"] == 7


async def test_the_audit_is_told_by_page(office: Office) -> None:
    for number in range(5):
        office.now = NOW + number
        await done(office, f"/breakers/{MINI}", {"state": "closed", "reason": str(number)})
    page = await told(office, "/audit", limit=2)
    assert [change["after"]["reason"] for change in page["changes"]] == ["4", "3"]
    page = await told(office, "/audit", limit=3, before=page["next"])
    assert ([change["after"]["reason"] for change in page["changes"]], page["next"]) == (["2", "1", "0"], None)


async def test_the_document_names_every_path_and_how_to_come_in(office: Office) -> None:
    found = await told(office, "/openapi.json")
    assert set(found["paths"]) == {
        f"/admin/{name}"
        for name in (
            "audit breakers breakers/{breaker_id} config drain ledger models providers reload requests "
            "requests/{request_id} workers"
        ).split()
    }
    for path in found["paths"].values():
        for operation in path.values():
            assert operation["security"] == [{"HTTPBearer": []}]
            assert operation["responses"]["401"]["content"]["application/json"]["schema"]["$ref"].endswith("Refusal")


async def test_what_is_not_there_is_told_in_the_same_shape(office: Office) -> None:
    assert (await told(office, "/nowhere", 404))["error"]["code"] == "endpoint_not_found"
    assert (await told(office, "/reload", 405))["error"]["code"] == "method_not_allowed"
    async with office.client() as client:
        bad = await client.post("/drain", content=b"{", headers={"content-type": "application/json"})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_request")

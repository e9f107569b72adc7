"""What operators ask and change: the one place behind the API, and behind whatever else shows the same."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from hybridge.admin import records, shapes
from hybridge.admin.holds import Held
from hybridge.admin.plane import DataPlane, Survey
from hybridge.app import Assembled
from hybridge.config.masked import differences, masked
from hybridge.config.units import since, until
from hybridge.errors import GatewayError, InvalidRequest
from hybridge.ledger import audit, search
from hybridge.ledger.audit import Change
from hybridge.ledger.reports import GROUPINGS, By, spend, zone_of

log = logging.getLogger("hybridge.admin")

#: An entry is in the database a moment after its request: an id that is younger (seconds) is looked for again.
_YOUNG_S = 5.0
_LOOKS_S = (0.1, 0.2, 0.3)

#: Nothing is held for longer, unless it is for good.
_LONGEST_S = 10 * 366 * 86400.0

#: Why a breaker is held that was drained.
DRAINED = "drained"


class NotFound(GatewayError):
    """Nothing has this name here; `code` says what was looked for."""

    status = 404
    code = "request_not_found"


class Conflict(GatewayError):
    """What was asked for cannot be done as things are; `details["problems"]` are the reasons."""

    status = 409
    code = "configuration_refused"


class InForce(Struct, frozen=True):
    """The configuration in force, since a time (UTC, seconds), and what it makes."""

    assembled: Assembled
    since: float
    file: str | None = None
    demo: bool = False


class Desk:
    """Answers operators. `now` is UTC in seconds; whoever changes something is named by `who`.

    `in_force` is set anew when the configuration changes. Methods raise `GatewayError`, `Unreachable` where the data
    plane does not answer, `ConfigError` and `sqlite3.Error` where the ledger does not.
    """

    def __init__(self, plane: DataPlane, in_force: InForce, now: Callable[[], float]) -> None:
        self.in_force = in_force
        self._plane = plane
        self._now = now
        self._ledger = Path(in_force.assembled.config.ledger_path)
        #: Who asked for the configuration to be read again, while that is under way.
        self._reloading = ""

    async def take_up(self, in_force: InForce) -> None:
        """Another configuration is in force: whoever asked for it, or its file has changed."""
        before, self.in_force = self.in_force, in_force
        who = self._reloading or (f"file {in_force.file}" if in_force.file else "hybridge")
        old, new = differences(masked(before.assembled.config), masked(in_force.assembled.config))
        if not (old or new or self._reloading):
            return
        try:
            await self._note(who, "reload", in_force.file or "", old, new)
        except sqlite3.Error:
            log.exception("a new configuration is in force, and the audit cannot be written")

    async def requests(self, limit: int, wanted: search.Filter, before: str | None) -> shapes.RequestPage:
        """The newest requests that are wanted."""
        try:
            page = await asyncio.to_thread(search.latest, self._ledger, limit, wanted, before)
        except ValueError as error:
            raise InvalidRequest(str(error), param="before") from error
        return shapes.RequestPage(requests=[records.summary(entry) for entry in page.entries], next=page.next)

    async def request(self, request_id: str) -> shapes.RequestRecord:
        """Candidates, reasons, scores, attempts and cost of one request. Raises `NotFound`."""
        for wait in (*_LOOKS_S, None):
            entry = await asyncio.to_thread(search.one, self._ledger, request_id)
            if entry is not None:
                return records.request(entry)
            if wait is None or not self._is_young(request_id):
                break
            await asyncio.sleep(wait)
        raise NotFound(f"the ledger has no request {request_id[:64]!r}; a request is in it once it is over")

    def _is_young(self, request_id: str) -> bool:
        """The id of a request begins with its time, in milliseconds."""
        try:
            return abs(self._now() - int(request_id[4:16], 16) / 1000) < _YOUNG_S
        except ValueError:
            return False

    async def providers(self) -> shapes.Providers:
        """The configured providers, as they stand."""
        survey = await self._plane.survey()
        found = records.breakers(survey.workers, survey.held)
        return shapes.Providers(providers=records.providers(self.in_force.assembled, survey.workers, found))

    async def models(self) -> shapes.Models:
        """Every model that can be asked for."""
        survey = await self._plane.survey()
        return shapes.Models(models=records.models(self.in_force.assembled, survey.workers))

    async def breakers(self) -> shapes.Breakers:
        """Every breaker that is held, or that some process has met."""
        survey = await self._plane.survey()
        return shapes.Breakers(breakers=records.breakers(survey.workers, survey.held))

    async def workers(self) -> shapes.Workers:
        """The processes, and what is under way in them."""
        survey = await self._plane.survey()
        return shapes.Workers(
            wanted=survey.wanted,
            restarted=survey.restarted,
            in_flight=sum(one.in_flight for one in survey.workers),
            workers=[
                shapes.WorkerRecord(
                    pid=one.pid, in_flight=one.in_flight, draining=one.draining, pending_rows=one.pending_rows
                )
                for one in survey.workers
            ],
        )

    async def ledger(self, by: str, since_text: str, currency: str | None) -> shapes.Spending:
        """What was spent, by the groups of `hybridge ledger`."""
        rates = self.in_force.assembled.rates
        unit = (currency or rates.default).upper()
        begin = _understood("since", since, since_text, self._now())
        grouping = _understood("by", _grouping, by)
        _understood("currency", rates.rate, unit)
        zone = zone_of(unit)
        rows = await asyncio.to_thread(
            spend, self._ledger, grouping, rates, since_us=int(begin * 1_000_000), currency=unit, zone=zone
        )
        told = [shapes.SpendRecord(group=row.group, **_figures(row.record(grouping), grouping)) for row in rows]
        return shapes.Spending(by=by, since=records.iso(begin), currency=unit, zone=zone, rows=told)

    def config(self) -> shapes.Configuration:
        """The configuration in force, masked."""
        held = self.in_force
        return shapes.Configuration(
            file=held.file, demo=held.demo, since=records.iso(held.since), config=masked(held.assembled.config)
        )

    async def audit(self, limit: int, before: int | None) -> shapes.Audit:
        """What was changed."""
        found = await asyncio.to_thread(audit.changes, self._ledger, limit, before)
        rest = found[-1].number if len(found) == limit and found[-1].number > 1 else None
        return shapes.Audit(changes=[records.change(one) for one in found], next=rest)

    async def force(self, who: str, name: str, force: shapes.Force) -> shapes.BreakerRecord:
        """Hold the breaker of a deployment or a provider, or let go of it, in every process.

        Raises `NotFound`, `InvalidRequest`.
        """
        breaker_id = self._known(name)
        end = _understood("until", _until, force.until, self._now())
        if force.state == "auto":
            if end is not None:
                raise InvalidRequest("until: a breaker that is left to itself has no end", param="until")
            return await self._change(who, "breaker", breaker_id, None)
        return await self._change(who, "breaker", breaker_id, Held(breaker_id, force.state, end, force.reason))

    async def drain(self, who: str, wish: shapes.Drain) -> shapes.Draining:
        """Let no new request go to a deployment or a provider; or have the whole gateway end and leave."""
        if wish.deployment and wish.provider:
            raise InvalidRequest("drain a deployment or a provider, not both at once", param="provider")
        if (wish.provider and "/" in wish.provider) or (wish.deployment and "/" not in wish.deployment):
            raise InvalidRequest("a deployment is `provider/model`, a provider has no slash", param="deployment")
        end = _understood("until", _until, wish.until, self._now())
        if name := wish.deployment or wish.provider:
            breaker_id = self._known(name)
            held = await self._change(who, "drain", breaker_id, Held(breaker_id, "open", end, DRAINED))
            return shapes.Draining(draining=breaker_id, breaker=held)
        if end is not None:
            raise InvalidRequest("until: a gateway that is drained leaves for good", param="until")
        await self._note(who, "drain", "gateway", "serving", "draining")
        await self._plane.drain()
        return shapes.Draining(draining="gateway")

    async def reload(self, who: str) -> shapes.Reloaded:
        """Read the configuration again. Raises `Conflict` with the problems, if that is not to be."""
        before, self._reloading = masked(self.in_force.assembled.config), who
        try:
            problems = await self._plane.reload()
        finally:
            self._reloading = ""
        if problems:
            raise Conflict(
                "the configuration is not changed: mend what `problems` names and reload again",
                details={"problems": list(problems)},
            )
        old, new = differences(before, masked(self.in_force.assembled.config))
        return shapes.Reloaded(before=old, after=new)

    async def _change(self, who: str, what: str, breaker_id: str, wanted: Held | None) -> shapes.BreakerRecord:
        before = _held_now(await self._plane.survey(), breaker_id)
        # First, so that nothing is changed that nobody could tell of afterwards.
        await self._note(who, what, breaker_id, _said(before), _said(wanted))
        problems = await (self._plane.let_go(breaker_id) if wanted is None else self._plane.hold(wanted))
        if problems:
            raise Conflict(
                f"the breaker of {breaker_id} is not held everywhere", code="not_held", details={"problems": problems}
            )
        survey = await self._plane.survey()
        found = records.breakers(survey.workers, survey.held)
        return next((one for one in found if one.id == breaker_id), records.unmet(breaker_id))

    def _known(self, name: str) -> str:
        """The id of a breaker. Raises `NotFound`."""
        catalog = self.in_force.assembled.catalog
        if name in catalog.providers:
            return name
        deployment = catalog.deployment(name)
        if deployment is None:
            known = ", ".join(sorted(catalog.providers))
            raise NotFound(
                f"there is no deployment or provider {name[:200]!r}; a deployment is `provider/model`, and the "
                f"configured providers are {known}",
                code="deployment_not_found",
            )
        return deployment.id

    async def _note(self, who: str, what: str, subject: str, before: Any, after: Any) -> None:
        change = Change(int(self._now() * 1_000_000), who, what, subject, before, after)
        await asyncio.to_thread(audit.record, self._ledger, change)


def _held_now(survey: Survey, breaker_id: str) -> Held | None:
    return next((one for one in survey.held if one.id == breaker_id), None)


def _said(held: Held | None) -> dict[str, Any]:
    if held is None:
        return {"state": "auto"}
    until = None if held.until is None else records.iso(held.until)
    return {"state": held.state, "until": until, "reason": held.reason}


def _figures(record: dict[str, Any], by: By) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != by}


def _grouping(text: str) -> By:
    for known in GROUPINGS:
        if text == known:
            return known
    raise ValueError(f"expected {', '.join(GROUPINGS)}, got {text!r}")


def _until(given: float | str | None, now: float) -> float | None:
    """UTC in seconds; `None` for no end. Raises `ValueError`."""
    if given is None:
        return None
    end = until(given, now) if isinstance(given, str) else now + given
    # Also refuses what is no number.
    if not now < end < now + _LONGEST_S:
        raise ValueError("expected a time to come, within ten years")
    return end


def _understood(param: str, read: Callable[..., Any], *given: Any) -> Any:
    """What was given, read. Raises `InvalidRequest` that names the parameter."""
    try:
        return read(*given)
    except ValueError as error:
        raise InvalidRequest(f"{param}: {error}", param=param) from error

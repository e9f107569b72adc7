"""The control plane over HTTP: REST with OpenAPI. Every line leads to the desk."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.security import HTTPBearer

from hybridge import __version__
from hybridge.admin import shapes
from hybridge.admin.desk import Desk
from hybridge.admin.refusals import HANDLERS
from hybridge.ledger.search import Filter

Limit = Annotated[int, Query(ge=1, le=500)]

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": shapes.Refusal, "description": what}
    for status, what in {
        400: "The request cannot be understood; `param` names the place.",
        401: "No token, or another one.",
        403: "Not from this page, or not under this name.",
        503: "The data plane or the ledger does not answer.",
    }.items()
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"model": shapes.Refusal, "description": "There is none."}}
_CONFLICT: dict[int | str, dict[str, Any]] = {
    409: {"model": shapes.Refusal, "description": "It cannot be done; `problems` are the reasons."}
}


def api(desk: Desk) -> FastAPI:
    """The application. Who may come in is the matter of the door before it."""
    made = FastAPI(
        title="Hybridge control plane",
        version=__version__,
        openapi_url="/admin/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_ERRORS,
        exception_handlers=HANDLERS,
    )
    for routes in (_past(desk), _present(desk), _changes(desk)):
        made.include_router(routes)
    return made


def _router(tag: str) -> APIRouter:
    # The door has looked at the token already; this makes the document say so.
    return APIRouter(prefix="/admin", tags=[tag], dependencies=[Depends(HTTPBearer(auto_error=False))])


def _past(desk: Desk) -> APIRouter:
    """What the ledger knows."""
    routes = _router("past")

    @routes.get("/requests")
    async def requests(  # noqa: PLR0913 - each is a parameter of the query
        limit: Limit = 50,
        before: str | None = None,
        deployment: str = "",
        provider: str = "",
        model: str = "",
        key: str = "",
        status: Annotated[int | None, Query(ge=0, le=999)] = None,
        error_code: str = "",
    ) -> shapes.RequestPage:
        """Requests that are over, the newest first. `deployment` and `provider` are those that were tried."""
        return await desk.requests(limit, Filter(deployment, provider, model, key, status, error_code), before)

    @routes.get("/requests/{request_id}", responses=_NOT_FOUND)
    async def one_request(request_id: str) -> shapes.RequestRecord:
        """Candidates, reasons, scores, attempts and cost of one request."""
        return await desk.request(request_id)

    @routes.get("/ledger")
    async def ledger(by: str = "provider", since: str = "7d", currency: str | None = None) -> shapes.Spending:
        """What was spent, by provider, model, key, day, deployment or user, since an age or a date."""
        return await desk.ledger(by, since, currency)

    @routes.get("/audit")
    async def audit(limit: Limit = 50, before: Annotated[int | None, Query(ge=1)] = None) -> shapes.Audit:
        """What operators changed, the newest first."""
        return await desk.audit(limit, before)

    return routes


def _present(desk: Desk) -> APIRouter:
    """How things stand."""
    routes = _router("present")

    @routes.get("/providers")
    async def providers() -> shapes.Providers:
        """The configured providers: keys by fingerprint and how they stand, deployments in use, breakers."""
        return await desk.providers()

    @routes.get("/models")
    async def models() -> shapes.Models:
        """Every model that can be asked for, where it is served, what it can do and costs."""
        return await desk.models()

    @routes.get("/breakers")
    async def breakers() -> shapes.Breakers:
        """Circuit breakers of deployments and providers, merged over the workers and of each."""
        return await desk.breakers()

    @routes.get("/workers")
    async def workers() -> shapes.Workers:
        """The processes of the data plane and what is under way in them."""
        return await desk.workers()

    @routes.get("/config")
    async def config() -> shapes.Configuration:
        """The configuration in force, every secret masked."""
        return desk.config()

    return routes


def _changes(desk: Desk) -> APIRouter:
    """What changes something."""
    routes = _router("changes")

    @routes.post("/breakers/{breaker_id:path}", responses=_NOT_FOUND | _CONFLICT)
    async def force(request: Request, breaker_id: str, body: shapes.Force) -> shapes.BreakerRecord:
        """Hold the breaker of a deployment (`provider/model`) or of a provider open or closed, or let go of it.

        It holds in every worker, also in those that start later, and over a reload.
        """
        return await desk.force(_who(request), breaker_id, body)

    @routes.post("/reload", responses=_CONFLICT)
    async def reload(request: Request) -> shapes.Reloaded:
        """Read the configuration again, and change over to it without dropping a request."""
        return await desk.reload(_who(request))

    @routes.post("/drain", status_code=202)
    async def drain(request: Request, body: shapes.Drain | None = None) -> shapes.Draining:
        """Let what is under way end and leave; or, with a deployment or a provider, send no new request there."""
        return await desk.drain(_who(request), body or shapes.Drain())

    return routes


def _who(request: Request) -> str:
    return f"admin token {request.state.who}"

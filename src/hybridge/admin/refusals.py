"""Whatever goes wrong in the control plane, told in one shape: a code, and what to do next."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import singledispatch
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request

from hybridge.admin.door import refusal
from hybridge.admin.plane import Unreachable
from hybridge.errors import (
    ConfigError,
    EndpointNotFound,
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    Unavailable,
)


@singledispatch
def _meant(error: Exception, request: Request) -> GatewayError:
    return InternalError("a defect of the control plane; its log has more")


@_meant.register
def _(error: GatewayError, request: Request) -> GatewayError:
    return error


@_meant.register
def _(error: RequestValidationError, request: Request) -> GatewayError:
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return InvalidRequest(f"{place}: {first['msg']}", param=place)


@_meant.register
def _(error: HTTPException, request: Request) -> GatewayError:
    path = request.url.path[:200]
    if error.status_code == 404:
        return EndpointNotFound(f"there is no {path} here; GET /admin/openapi.json lists what there is")
    if error.status_code == 405:
        return MethodNotAllowed(f"{path} does not answer to {request.method}")
    return InvalidRequest(str(error.detail))


@_meant.register
def _(error: Unreachable, request: Request) -> GatewayError:
    return Unavailable(str(error), code="data_plane_unreachable", retry_after=1)


@_meant.register(ConfigError)
@_meant.register(sqlite3.Error)
def _(error: Exception, request: Request) -> GatewayError:
    return Unavailable(f"the ledger cannot be used: {error}", code="ledger_unavailable", retry_after=1)


async def _tell(request: Request, error: Exception) -> JSONResponse:
    meant = _meant(error, request)
    headers = {"x-hybridge-error": meant.code}
    if meant.retry_after is not None:
        headers["retry-after"] = str(round(meant.retry_after))
    return JSONResponse(refusal(meant), meant.status, headers)


#: For FastAPI: who tells which error.
HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Any]] = dict.fromkeys(
    (GatewayError, RequestValidationError, HTTPException, Unreachable, ConfigError, sqlite3.Error, Exception), _tell
)

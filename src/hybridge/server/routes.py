"""Which path leads to which endpoint, in which dialect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec import Struct

from hybridge.dialects import dialect
from hybridge.dialects.codec import Dialect
from hybridge.errors import EndpointNotFound, MethodNotAllowed
from hybridge.server.call import Call
from hybridge.server.endpoints import chat, count, explain, gemini, health, metrics, models, requests
from hybridge.server.front import Front

Endpoint = Callable[[Front, Call, Dialect], Awaitable[None]]


class Route(Struct, frozen=True):
    """One line of the table. `always`: answered also under overload."""

    method: str
    endpoint: Endpoint
    dialect: Dialect
    always: bool = False


OPENAI = dialect("openai")
ANTHROPIC = dialect("anthropic")
GEMINI = dialect("gemini")

#: Paths that are whole names. WebSockets (`GET /v1/chat/completions`, `/v1/responses`, `/v1/realtime`) join here.
PATHS: dict[str, tuple[Route, ...]] = {
    "/v1/chat/completions": (Route("POST", chat.chat, OPENAI),),
    "/v1/messages": (Route("POST", chat.chat, ANTHROPIC),),
    "/v1/messages/count_tokens": (Route("POST", count.count_tokens, ANTHROPIC),),
    "/v1/models": (Route("GET", models.list_models, OPENAI),),
    "/v1beta/models": (Route("GET", models.list_models, GEMINI),),
    "/v1/route/explain": (Route("POST", explain.explain, OPENAI),),
    "/healthz": (Route("GET", health.alive, OPENAI, always=True),),
    "/metrics": (Route("GET", metrics.metrics, OPENAI, always=True),),
    "/readyz": (Route("GET", health.ready, OPENAI, always=True),),
}

#: What Gemini's paths end in, after the last `:`.
VERBS: dict[str, Route] = {
    "generateContent": Route("POST", chat.chat, GEMINI),
    "streamGenerateContent": Route("POST", gemini.stream, GEMINI),
    "countTokens": Route("POST", count.count_tokens, GEMINI),
}

#: Gemini is asked under all three.
_GEMINI_PREFIXES = ("/v1beta/models/", "/v1/models/", "/models/")

_ONE_MODEL = {
    "/v1/models/": Route("GET", models.one_model, OPENAI),
    "/v1beta/models/": Route("GET", models.one_model, GEMINI),
}
_ONE_REQUEST = Route("GET", requests.one_request, OPENAI)


def find(call: Call) -> Route:
    """The route of a call; its path's parts go into `call.params`.

    Raises `EndpointNotFound`, or `MethodNotAllowed` where the path exists for another method.
    """
    routes = PATHS.get(call.path)
    if routes is None:
        routes = _by_prefix(call)
    for route in routes:
        if route.method == call.method:
            return route
    if not routes:
        raise EndpointNotFound(f"there is no {call.path[:200]} here")
    allowed = ", ".join(route.method for route in routes)
    call.extra.append(b"allow: %b\r\n" % allowed.encode())
    raise MethodNotAllowed(f"{call.path[:200]} answers to {allowed}, not to {call.method}")


def dialect_of(call: Call) -> Dialect:
    """The dialect in which an error of this call is told."""
    path = call.path
    if path.startswith("/v1/messages"):
        return ANTHROPIC
    if path.startswith("/v1beta/") or (path.startswith(_GEMINI_PREFIXES) and path.rpartition(":")[2] in VERBS):
        return GEMINI
    if path.startswith("/v1/models"):
        return dialect(models.shape_of(call, OPENAI))
    return OPENAI


def _by_prefix(call: Call) -> tuple[Route, ...]:
    path = call.path
    for prefix in _GEMINI_PREFIXES:
        if path.startswith(prefix):
            model, colon, verb = path[len(prefix) :].rpartition(":")
            if colon and model and verb in VERBS:
                call.params = {"model": model, "verb": verb}
                return (VERBS[verb],)
    for prefix, route in _ONE_MODEL.items():
        if path.startswith(prefix) and len(path) > len(prefix):
            if call.method == "POST" and ":" in path:
                # Not a model with a colon in its name, but an operation that is not offered.
                return ()
            call.params = {"model": path[len(prefix) :]}
            return (route,)
    if path.startswith("/v1/requests/") and len(path) > 13:
        call.params = {"request_id": path[13:]}
        return (_ONE_REQUEST,)
    return ()

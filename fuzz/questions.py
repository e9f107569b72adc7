"""What a client asks: a request with something wrong in its body, in its options, or in HTTP itself."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from msgspec import Struct

from fuzz.mutation import broken, pieces, wrong
from fuzz.seeds import DIALECTS, Seeds

_ROUTES: tuple[Any, ...] = (
    *(
        {"budget": "1000000 VND"},
        {"budget": "0.001 VND"},
        {"budget": {"amount": 5, "currency": "USD"}},
        {"budget": "1 ZZZ"},
    ),
    *(
        {"stream_recovery": "restart"},
        {"stream_recovery": "continue"},
        {"stream_recovery": "error"},
        {"drop_unsupported": True},
    ),
    *({"policy": "cheapest"}, {"policy": "priority"}, {"policy": "nobody"}, {"complexity": "low"}, {"complexity": "x"}),
    *(
        {"user": "\ud800", "session": "s", "tags": ["a", "é"]},
        {"budget": "1e999999999 VND"},
        {"budget": "NaN USD"},
        "fallback",
        {},
    ),
    *(
        {"stream_recovery": "continue", "drop_unsupported": True, "budget": "10000 VND"},
        {"resumable": True},
        {"nothing": 1},
    ),
)
_PREFERENCES: tuple[Any, ...] = (
    *(
        {"order": ["openai0"]},
        {"only": ["nobody"]},
        {"ignore": ["openai0", "gemini0"]},
        {"allow_fallbacks": False},
        {"sort": "price"},
    ),
    *(
        {"max_price": {"prompt": 5}},
        {"max_price": {"prompt": "x"}},
        {"require_parameters": True},
        {"data_collection": "deny"},
        5,
        None,
    ),
)
_HEADERS = (
    *(
        b"x-hybridge-budget: 1000 VND",
        b"x-hybridge-budget: \xff",
        b"x-hybridge-policy: cheapest",
        b"x-hybridge-user: \xc3\xa9",
    ),
    *(
        b"x-hybridge-complexity: x",
        b"x-hybridge-session: s",
        b"authorization: Bearer \xff",
        b"x-api-key: k",
        b"anthropic-beta: a,b",
    ),
    *(
        b"cookie: a=b",
        b"x-goog-api-key: k",
        b"accept: x",
        b"content-type: text/plain",
        b"content-encoding: gzip",
        b"openai-beta: \xfe",
    ),
    *(
        b"expect: 100-continue",
        b"origin: http://evil.example",
        b"host: evil.example",
        b"a: " + b"b" * 9000,
        b"anthropic-version: x",
    ),
)
_NONSENSE = (
    *(
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"\x00" * 50,
    ),
    *(
        b"POST /v1/messages HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"POST  HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(
        b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET http://localhost:x/v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    *(
        b"GET /v1/models/%ff%00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"DELETE /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    *(
        b"POST /v1beta/models/:generateContent HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
    ),
    *(
        b"GET /v1/requests/req_" + b"0" * 44 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    *(
        b"HEAD /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 20_000,
    ),
)


class Question(Struct):
    """The bytes of a request. `whole`: it is HTTP, so that an answer is due; else the connection may just end."""

    dialect: str
    pieces: list[bytes]
    whole: bool = True
    stream: bool = False


def question(seeds: dict[str, Seeds], chance: Random, lane: int) -> Question:
    """A request on a lane, whose models have a number of their own."""
    name = chance.choice(DIALECTS)
    if chance.random() < 0.004:
        return Question(name, [chance.choice(_NONSENSE)], whole=False)
    kind = chance.random()
    seed = chance.choice(seeds[name].requests[: 2 if kind < 0.35 else None])
    stream = chance.random() < 0.5
    model = f"{chance.choice(('openai', 'anthropic', 'gemini', 'chain', 'chain', 'hedge'))}-{lane}"
    value = json.loads(seed)
    value.pop("stream", None)
    if name != "gemini":
        value["model"] = model
        if stream:
            value["stream"] = True
    if chance.random() < 0.25:
        value["route"] = chance.choice(_ROUTES)
    if chance.random() < 0.08:
        value["provider"] = chance.choice(_PREFERENCES)
    if chance.random() < 0.05:
        value["models"] = [f"openai-{lane}", f"gemini-{lane}", "nobody"][: chance.randrange(4)]
    if kind < 0.45:
        body = json.dumps(value).encode()
    else:
        body = wrong(value, chance)
        body = broken(body, chance) if kind > 0.95 else body
    asked = _http(name, _path(name, model, chance, stream=stream), body, chance)
    asked.stream = stream
    return asked


def _path(name: str, model: str, chance: Random, *, stream: bool) -> bytes:
    if name == "openai":
        path = "/v1/route/explain" if chance.random() < 0.03 else "/v1/chat/completions"
    elif name == "anthropic":
        path = "/v1/messages/count_tokens" if chance.random() < 0.03 else "/v1/messages"
    else:
        verb = "countTokens" if chance.random() < 0.03 else "generateContent"
        if stream:
            verb = "streamGenerateContent?alt=sse" if chance.random() < 0.8 else "streamGenerateContent"
        path = f"/v1beta/models/{model}:{verb}"
    return path.encode()


def _http(name: str, path: bytes, body: bytes, chance: Random) -> Question:
    lines = [b"POST " + path + b" HTTP/1.1", b"host: localhost", b"content-type: application/json"]
    if chance.random() < 0.06:
        lines.append(chance.choice(_HEADERS))
    if chance.random() < 0.9:
        head = b"\r\n".join((*lines, b"content-length: %d" % len(body), b"", b""))
        cut = [head + body] if chance.random() < 0.9 else pieces(head + body, chance)
    else:
        head = b"\r\n".join((*lines, b"transfer-encoding: chunked", b"", b""))
        cut = [head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(body, chance)), b"0\r\n\r\n"]
    if chance.random() < 0.01:
        return Question(name, [broken(b"".join(cut), chance)], whole=False)
    return Question(name, cut if len(cut) < 60 else [b"".join(cut)])

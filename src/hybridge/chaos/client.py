"""A client that trusts nothing: it knows the text that it must get, and tells what it got instead."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hybridge.chaos import wire
from hybridge.simulator.recital import recital
from hybridge.simulator.scenario import DialectName

#: `whole`: the right text and the end; `error`: an error that names itself, `silent`: neither, `wrong`: another text.
Outcome = Literal["whole", "error", "silent", "wrong"]

_PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}


class Question(Struct, frozen=True):
    """A request, and how long the text is that answers it. `spoilt` makes it one that no provider takes."""

    dialect: DialectName
    model: str
    stream: bool
    text: str
    words: int
    recovery: str = ""
    spoilt: bool = False

    @property
    def expected(self) -> str:
        """The text that must come."""
        return recital(self.text, self.words)

    @property
    def path(self) -> str:
        """Where it goes."""
        if self.dialect == "gemini":
            verb = "streamGenerateContent?alt=sse" if self.stream else "generateContent"
            return f"/v1beta/models/{self.model}:{verb}"
        return _PATHS[self.dialect]

    @property
    def body(self) -> bytes:
        """What it says."""
        said: dict[str, Any] = {"route": {"stream_recovery": self.recovery}} if self.recovery else {}
        if self.dialect == "gemini":
            role = "nobody" if self.spoilt else "user"
            said["contents"] = [{"role": role, "parts": [{"text": self.text}]}]
        else:
            said |= {"model": self.model, "max_tokens": 8192, "stream": self.stream}
            said["messages"] = [{"role": "nobody" if self.spoilt else "user", "content": self.text}]
        return msgspec.json.encode(said)


class Told(Struct):
    """What came. Seconds are counted from the request; `first_s` is when the first content was there.

    `resumed` are the gateway's marked events in order, `restart` or `continue`; `kept` counts its keep-alives.
    `strange`: something came that is no chunk or answer of the dialect, on which its SDK would fail.
    """

    outcome: Outcome = "silent"
    status: int = 0
    code: str = ""
    request_id: str = ""
    deployment: str = ""
    calls: int = 0
    first_s: float | None = None
    ended_s: float = 0.0
    text: str = ""
    ended: bool = False
    resumed: list[str] = []
    kept: int = 0
    strange: bool = False
    began_at: float = 0.0


async def ask(address: str, question: Question) -> Told:
    """One request on a connection of its own. Never raises for what the gateway does."""
    told = Told(began_at=time.monotonic())
    place = urlsplit(address)
    body = question.body
    headers = [
        ("host", place.netloc),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
        ("connection", "close"),
    ]
    try:
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=wire.HEAD_LIMIT)
    except OSError:
        return told
    try:
        writer.write(wire.encode(f"POST {question.path} HTTP/1.1", headers) + body)
        await _read(reader, question, told)
    except (OSError, asyncio.IncompleteReadError, wire.Malformed):
        # What was read so far decides.
        pass
    except (AttributeError, IndexError, KeyError, TypeError):
        told.strange = True
    finally:
        writer.transport.abort()
    told.ended_s = time.monotonic() - told.began_at
    told.outcome = _judge(told, question)
    return told


async def get(address: str) -> str:
    """The body behind an address of the gateway's."""
    place = urlsplit(address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=wire.HEAD_LIMIT)
    try:
        writer.write(wire.encode(f"GET {place.path} HTTP/1.1", [("host", place.netloc), ("connection", "close")]))
        head = await wire.read_answer(reader)
        return b"".join([piece async for piece in wire.body(reader, head)]).decode()
    finally:
        writer.transport.abort()


def _judge(told: Told, question: Question) -> Outcome:
    expected = question.expected
    if told.strange:
        return "wrong"
    if told.code:
        return "error" if expected.startswith(told.text) else "wrong"
    if not expected.startswith(told.text):
        return "wrong"
    if not told.ended:
        return "silent"
    return "whole" if told.text == expected else "wrong"


async def _read(reader: asyncio.StreamReader, question: Question, told: Told) -> None:
    head = await wire.read_answer(reader)
    told.status = head.status
    told.request_id = head.get("x-hybridge-request-id")
    told.deployment = head.get("x-hybridge-deployment")
    told.calls = head.get("x-hybridge-attempts").count("=")
    if "text/event-stream" in head.get("content-type"):
        await _read_stream(reader, head, question, told)
        return
    body = b"".join([piece async for piece in wire.body(reader, head)])
    said = _decoded(body)
    if head.status != 200:
        told.code = head.get("x-hybridge-error") if "error" in said else ""
        return
    told.text = _whole_text(question.dialect, said)
    told.first_s = time.monotonic() - told.began_at
    told.ended = True


async def _read_stream(reader: asyncio.StreamReader, head: wire.Head, question: Question, told: Told) -> None:
    held = b""
    async for piece in wire.body(reader, head):
        held += piece.replace(b"\r\n", b"\n")
        *events, held = held.split(b"\n\n")
        for event in events:
            _hear(event, question.dialect, told)


def _hear(event: bytes, dialect: DialectName, told: Told) -> None:
    data = b"\n".join(line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:"))
    if not data:
        told.kept += bool(event.strip())
        told.strange = told.strange or (told.kept > 0 and dialect == "gemini")
        return
    if data == b"[DONE]":
        told.ended = True
        return
    said = _decoded(data)
    if "error" in said:
        told.code = _code_of(said["error"])
        return
    if dialect == "anthropic" and said["type"] == "ping":
        told.kept += 1
    marked = said.get("hybridge")
    if isinstance(marked, dict):
        told.resumed.append(str(marked.get("event")))
        if marked.get("event") == "restart":
            told.text = ""
        return
    text, ended = _delta(dialect, said)
    if text and told.first_s is None:
        told.first_s = time.monotonic() - told.began_at
    told.text += text
    told.ended = told.ended or ended


def _code_of(error: Any) -> str:
    """The name that an error gives itself, in any dialect."""
    if not isinstance(error, dict):
        return ""
    return str(error.get("code") or error.get("type") or error.get("status") or "")


def _delta(dialect: DialectName, said: dict[str, Any]) -> tuple[str, bool]:
    """The text that an event brings, and whether it ends the stream."""
    if dialect == "openai":
        return "".join(str((choice.get("delta") or {}).get("content") or "") for choice in said["choices"]), False
    if dialect == "anthropic":
        text = str(said["delta"].get("text", "")) if said.get("type") == "content_block_delta" else ""
        return text, said.get("type") == "message_stop"
    return _parts(said), any(candidate.get("finishReason") for candidate in said["candidates"])


def _whole_text(dialect: DialectName, said: dict[str, Any]) -> str:
    if dialect == "openai":
        return str(said["choices"][0]["message"]["content"])
    if dialect == "anthropic":
        return "".join(str(block.get("text", "")) for block in said["content"])
    return _parts(said)


def _parts(said: dict[str, Any]) -> str:
    return "".join(
        str(p.get("text", "")) for one in said["candidates"] for p in (one.get("content") or {}).get("parts") or ()
    )


def _decoded(octets: bytes) -> dict[str, Any]:
    """The object in these bytes; an empty one where there is none."""
    try:
        said = msgspec.json.decode(octets)
    except msgspec.DecodeError:
        return {}
    return said if isinstance(said, dict) else {}

"""Recorded chat exchanges of the shared corpus, and a provider that replays them."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from tests.gateway.harness import Link, Received

#: Folder of the corpus → our provider, its dialect, what a chat's file name begins with.
CHATS = {
    "openai": ("openai", "openai", "chat_"),
    "anthropic": ("anthropic", "anthropic", "messages_"),
    "gemini": ("google", "gemini", "generate_"),
    "openrouter": ("openrouter", "openai", "chat_"),
    "mistral": ("mistral", "openai", "chat_"),
    "groq": ("groq", "openai", "chat_"),
    "deepseek": ("deepseek", "openai", "chat_"),
    "xai": ("xai", "openai", "chat_"),
    "together": ("together", "openai", "chat_"),
    "ollama": ("ollama", "openai", "chat_"),
}

_ANSWERS = (".json", ".sse", ".txt")


class Recording(Struct, frozen=True):
    """One exchange as it was recorded."""

    stem: str
    url: str
    status: int
    model: str
    request: bytes
    response: bytes
    stream: bool
    content_type: str

    @property
    def asked(self) -> dict[str, Any]:
        """The request's body."""
        found = json.loads(self.request)
        assert isinstance(found, dict)
        return found

    @property
    def path(self) -> str:
        """The path that a client of ours asks, in the recording's own dialect."""
        if ":generateContent" in self.url or ":streamGenerateContent" in self.url:
            return "/v1beta/" + self.url.partition("/v1beta/")[2]
        return "/v1/messages" if "/messages" in self.url else "/v1/chat/completions"

    def pieces(self) -> list[bytes]:
        """The answer, cut at places that look random and are the same every time."""
        chance = random.Random(zlib.crc32(self.stem.encode()))
        left, cut = self.response, []
        while left:
            size = chance.choice((1, 2, 7, 40, 200, 1000))
            cut.append(left[:size])
            left = left[size:]
        return cut

    async def replay(self, received: Received, link: Link) -> None:
        """A script for an upstream."""
        if self.stream:
            await link.stream(self.pieces(), content_type=self.content_type)
        else:
            await link.reply(self.status, self.response, content_type=self.content_type)


def recordings(shared: Path, folder: str) -> Iterator[Recording]:
    """Every recorded chat of a provider."""
    _, _, start = CHATS[folder]
    for meta_file in sorted((shared / "wire" / "fixtures" / folder).glob(f"{start}*.meta.json")):
        stem = meta_file.name.removesuffix(".meta.json")
        meta = json.loads(meta_file.read_text())
        request = meta_file.with_name(f"{stem}.request.json")
        answers = [
            file for file in meta_file.parent.glob(f"{stem}.response.*") if file.suffix in (".json", ".sse", ".txt")
        ]
        if not request.exists() or not answers or meta.get("method") != "POST" or "/api/chat" in meta.get("url", ""):
            continue
        answer = answers[0].read_bytes()
        array = ":streamGenerateContent" in meta["url"] and "alt=sse" not in meta["url"] and meta["status"] == 200
        stream = array or answers[0].suffix == ".sse"
        usual = "text/event-stream" if stream else "application/json"
        headers = meta.get("response_headers", {})
        yield Recording(
            stem=f"{folder}/{stem}",
            url=meta["url"],
            status=meta["status"],
            model=meta.get("model") or "",
            request=request.read_bytes(),
            response=_as_events(answer) if array else answer,
            stream=stream,
            content_type=usual if array else headers.get("content-type", usual),
        )


def _as_events(array: bytes) -> bytes:
    """A stream that was recorded as a JSON array, as the server-sent events that Hybridge asks for."""
    return b"".join(b"data: " + json.dumps(item).encode() + b"\r\n\r\n" for item in json.loads(array))

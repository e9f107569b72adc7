"""Clients of the three dialects that lead a conversation with tools, as their SDKs keep it."""

from __future__ import annotations

from typing import Any

import httpx2

from tests.gateway.harness import Gateway

_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


class Talk:
    """A conversation. `forgets`: the client returns no reasoning."""

    dialect = "openai"

    def __init__(self, running: Gateway, *, forgets: bool = False) -> None:
        self._running = running
        self._forgets = forgets
        self.history: list[dict[str, Any]] = []

    async def ask(self, model: str) -> httpx2.Response:
        """Send all that was said, and keep the answer with the results of its calls."""
        path, body = self.request(model)
        answer = await self._running.post(path, body)
        if answer.status_code == 200:
            self.keep(answer.json())
        return answer

    def say(self, text: str) -> None:
        """The user speaks."""
        self.history.append({"role": "user", "content": text})

    def request(self, model: str) -> tuple[str, dict[str, object]]:
        """Path and body."""
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": _SCHEMA}}
        body: dict[str, object] = {"model": model, "messages": self.history, "tools": [tool], "reasoning_effort": "low"}
        return "/v1/chat/completions", body

    def keep(self, answer: Any) -> None:
        """What the model said, and what its calls gave."""
        message = answer["choices"][0]["message"]
        calls = message.get("tool_calls") or ()
        if self._forgets:
            message = {name: value for name, value in message.items() if not name.startswith("reasoning")}
            for call in calls:
                call.pop("extra_content", None)
        self.history.append(message)
        self.history += [{"role": "tool", "tool_call_id": call["id"], "content": "sunny"} for call in calls]


class AnthropicTalk(Talk):
    """In Anthropic's dialect."""

    dialect = "anthropic"

    def request(self, model: str) -> tuple[str, dict[str, object]]:
        """Path and body."""
        thinking = {"type": "enabled", "budget_tokens": 1024}
        tool = {"name": "get_weather", "input_schema": _SCHEMA}
        body = {"model": model, "max_tokens": 4000, "messages": self.history, "tools": [tool], "thinking": thinking}
        return "/v1/messages", body

    def keep(self, answer: Any) -> None:
        """What the model said, and what its calls gave."""
        blocks = answer["content"]
        if self._forgets:
            blocks = [block for block in blocks if "thinking" not in block["type"]]
        self.history.append({"role": "assistant", "content": blocks})
        calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": each, "content": "sunny"} for each in calls]
        if results:
            self.history.append({"role": "user", "content": results})


class GeminiTalk(Talk):
    """In Gemini's dialect."""

    dialect = "gemini"

    def say(self, text: str) -> None:
        """The user speaks."""
        self.history.append({"role": "user", "parts": [{"text": text}]})

    def request(self, model: str) -> tuple[str, dict[str, object]]:
        """Path and body."""
        thinking = {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 1024}}
        tools = [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": _SCHEMA}]}]
        body: dict[str, object] = {"contents": self.history, "tools": tools, "generationConfig": thinking}
        return f"/v1beta/models/{model}:generateContent", body

    def keep(self, answer: Any) -> None:
        """What the model said, and what its calls gave."""
        content = answer["candidates"][0]["content"]
        parts = content["parts"]
        if self._forgets:
            parts = [part for part in parts if not part.get("thought")]
            for part in parts:
                part.pop("thoughtSignature", None)
        self.history.append({"role": "model", "parts": parts})
        results = [_result(part["functionCall"]) for part in parts if "functionCall" in part]
        if results:
            self.history.append({"role": "user", "parts": results})


def _result(call: dict[str, Any]) -> dict[str, object]:
    named = {"id": call["id"]} if "id" in call else {}
    return {"functionResponse": {"name": call["name"], "response": {"result": "sunny"}, **named}}


TALKS = (Talk, AnthropicTalk, GeminiTalk)

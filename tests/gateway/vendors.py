"""Vendors that refuse what the real ones refuse: a proof that is not theirs, a call whose thought is gone."""

from __future__ import annotations

import base64
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from tests.gateway.harness import Link, Received, anthropic_reply, gemini_reply, openai_reply

DUMMY = "skip_thought_signature_validator"
NAME, ARGUMENTS = "get_weather", {"city": "Hanoi"}


class Vendor(ABC):
    """A provider that remembers what it signed. It calls a tool while `calls`, else it says a word.

    `issued` are the proofs (or thoughts, where words are all) that it gave, `due` those that should have come back with
    the last request, `returned` those that did; `secrets` are the bytes that nobody else may see.
    """

    dialect = "openai"
    model = ""
    quirks: dict[str, object] = {}

    def __init__(self) -> None:
        self.calls = True
        self.issued: dict[str, str] = {}
        self.due: set[str] = set()
        self.returned: set[str] = set()
        self.secrets: list[bytes] = []
        self.bodies: list[bytes] = []
        self.refusals: list[str] = []

    async def __call__(self, received: Received, link: Link) -> None:
        self.bodies.append(received.body)
        if problem := next(self.problems(received.json), ""):
            self.refusals.append(problem)
            await link.reply(400, self.error(problem))
        else:
            self.due = set(self.issued)
            await link.reply(200, self.answer(received.json))

    @property
    def number(self) -> int:
        """Counts answers."""
        return len(self.bodies)

    @abstractmethod
    def problems(self, body: Any) -> Iterator[str]:
        """What is wrong with a request, in the vendor's words."""

    @abstractmethod
    def answer(self, body: Any) -> dict[str, object]:
        """An answer to a request that is right."""

    def error(self, problem: str) -> dict[str, object]:
        """The body of a refusal."""
        return {"error": {"message": problem, "type": "invalid_request_error", "code": "invalid_request_error"}}

    def issue(self, thought: str, proof: str) -> str:
        """Remember a proof, which is a secret."""
        self.issued[proof] = thought
        self.secrets.append(proof.encode())
        return proof


class Claude(Vendor):
    """Anthropic: https://platform.claude.com/docs/en/build-with-claude/extended-thinking."""

    dialect, model = "anthropic", "claude-sonnet-4-5"

    def problems(self, body: Any) -> Iterator[str]:
        """Signatures count in every turn, a thought before the calls of the round that is not over."""
        start: list[str] = []
        for at, message in enumerate(body["messages"]):
            blocks = message["content"] if isinstance(message["content"], list) else [{"type": "text"}]
            for number, block in enumerate(blocks):
                if block["type"] == "thinking":
                    if self.issued.get(block["signature"]) != block["thinking"]:
                        yield f"messages.{at}.content.{number}: Invalid `signature` in `thinking` block"
                    self.returned.add(block["signature"])
            kinds = [block["type"] for block in blocks]
            if message["role"] == "assistant":
                start = start or kinds
            elif "tool_result" not in kinds:
                start = []
        if self.thinks(body) and start and start[0] != "thinking":
            yield f"messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{start[0]}`."

    def thinks(self, body: Any) -> bool:
        """Whether it was asked to."""
        return bool(body.get("thinking", {}).get("type") == "enabled")

    def error(self, problem: str) -> dict[str, object]:
        """Anthropic's form."""
        return {"type": "error", "error": {"type": "invalid_request_error", "message": problem}}

    def sign(self, thought: str) -> str:
        """A signature as Claude's look."""
        digest = hashlib.sha512(thought.encode()).digest()
        return base64.b64encode(b"\x12\xb0\x01\x0a\x46\x08\x0b\x18\x02\x2a\x40" + digest * 2).decode()

    def answer(self, body: Any) -> dict[str, object]:
        """A thought if asked for, then a call or a word."""
        content: list[dict[str, object]] = []
        if self.thinks(body):
            thought = f"{self.model} thinks {self.number}"
            signature = self.issue(thought, self.sign(thought))
            content.append({"type": "thinking", "thinking": thought, "signature": signature})
        if self.calls:
            call_id = f"toolu_{self.model}_{self.number}"
            content.append({"type": "tool_use", "id": call_id, "name": NAME, "input": ARGUMENTS})
        else:
            content.append({"type": "text", "text": "Sunny."})
        stop = "tool_use" if self.calls else "end_turn"
        return anthropic_reply(content=content, model=self.model, stop_reason=stop)


class Kimi(Claude):
    """Another's model in Anthropic's dialect: it signs with a digest and wants each call's thought back."""

    model = "kimi-k2.5"

    def problems(self, body: Any) -> Iterator[str]:
        """Foreign signatures are refused, words without any are taken."""
        for message in body["messages"]:
            blocks = message["content"] if isinstance(message["content"], list) else []
            thoughts = [block for block in blocks if block["type"] == "thinking"]
            for block in thoughts:
                if block["signature"] and self.issued.get(block["signature"]) != block["thinking"]:
                    yield "Invalid `signature` in `thinking` block"
                self.returned.add(block["signature"])
            if self.thinks(body) and not thoughts and any(block["type"] == "tool_use" for block in blocks):
                yield "thinking is enabled but reasoning_content is missing in assistant tool call message at index 1"

    def thinks(self, body: Any) -> bool:
        """Unless it is told not to."""
        return bool(body.get("thinking", {}).get("type") != "disabled")

    def sign(self, thought: str) -> str:
        """A digest."""
        return hashlib.sha256(thought.encode()).hexdigest()


class Gemini(Vendor):
    """Google: https://ai.google.dev/gemini-api/docs/thought-signatures."""

    dialect, model = "gemini", "gemini-3-pro-preview"

    def problems(self, body: Any) -> Iterator[str]:
        """The first call of each step must be signed."""
        for at, content in enumerate(body["contents"]):
            calls = 0
            for part in content["parts"]:
                signature = part.get("thoughtSignature")
                if signature and signature != DUMMY:
                    if signature not in self.issued:
                        yield "Corrupted thought signature."
                    self.returned.add(signature)
                if "functionCall" in part:
                    calls += 1
                    if calls == 1 and not signature:
                        yield f"Function call is missing a thought_signature in functionCall parts. position {at}."

    def error(self, problem: str) -> dict[str, object]:
        """Google's form."""
        return {"error": {"code": 400, "message": problem, "status": "INVALID_ARGUMENT"}}

    def answer(self, body: Any) -> dict[str, object]:
        """A thought, then a call, which is signed, or a word."""
        thought = f"gemini thinks {self.number}"
        parts: list[dict[str, object]] = [{"text": thought, "thought": True}]
        if self.calls:
            signature = base64.b64encode(b"\x0a\x90\x01" + hashlib.sha512(thought.encode()).digest()).decode()
            call = {"name": NAME, "args": ARGUMENTS}
            parts.append({"functionCall": call, "thoughtSignature": self.issue(thought, signature)})
        else:
            parts.append({"text": "Sunny."})
        return gemini_reply(
            candidates=[{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
            modelVersion=self.model,
        )


class DeepSeek(Vendor):
    """DeepSeek: https://api-docs.deepseek.com/guides/thinking_mode."""

    model, quirks = "deepseek-v4-pro", {"own_fields": ["reasoning_content"]}
    members = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "reasoning_content"})

    def problems(self, body: Any) -> Iterator[str]:
        """Each call wants its thought, and no member that it does not know."""
        for at, message in enumerate(body["messages"]):
            for odd in [*(message.keys() - self.members), *_odd(message)]:
                yield f"messages[{at}].{odd}: extra inputs are not permitted"
            thought = message.get("reasoning_content")
            if self.thinks(body) and message.get("tool_calls") and thought is None:
                yield "The `reasoning_content` in the thinking mode must be passed back to the API."
            self.returned.add(thought)

    def thinks(self, body: Any) -> bool:
        """Unless it is told not to."""
        return bool(body.get("thinking", {}).get("type") != "disabled")

    def answer(self, body: Any) -> dict[str, object]:
        """A thought, then a call or a word."""
        thoughts: dict[str, object] = {}
        if self.thinks(body):
            thought = f"deepseek thinks {self.number}"
            self.issued[thought] = thought
            thoughts = {"reasoning_content": thought}
        return _openai_answer(self, thoughts)


class Router(Vendor):
    """OpenRouter in front of OpenAI: https://openrouter.ai/docs/use-cases/reasoning-tokens."""

    model, quirks = "openai/gpt-5", {"own_fields": ["reasoning", "reasoning_details"]}

    def problems(self, body: Any) -> Iterator[str]:
        """What is hidden is read with its id only."""
        for message in body["messages"]:
            for detail in message.get("reasoning_details", ()):
                if detail["format"] != "openai-responses-v1":
                    yield f"Provider returned error: unknown format {detail['format']}"
                if detail["type"] == "reasoning.encrypted":
                    if self.issued.get(detail["data"]) != detail["id"]:
                        yield "The encrypted content gAAA could not be verified."
                    self.returned.add(detail["data"])
                elif not detail["summary"]:
                    yield "a summary without words"
            for odd in _odd(message):
                yield f"{odd}: extra inputs are not permitted"

    def answer(self, body: Any) -> dict[str, object]:
        """A summary and a hidden thought, then a call or a word."""
        told_id = f"rs_{self.number}"
        data = self.issue(told_id, "gAAAAA" + hashlib.sha256(told_id.encode()).hexdigest())
        form = {"format": "openai-responses-v1", "index": 0}
        details = [
            {"type": "reasoning.summary", "summary": f"gpt thinks {self.number}", **form},
            {"type": "reasoning.encrypted", "data": data, "id": told_id, **form},
        ]
        return _openai_answer(self, {"reasoning": f"gpt thinks {self.number}", "reasoning_details": details})


def _odd(message: dict[str, Any]) -> list[str]:
    return [name for call in message.get("tool_calls") or () for name in call.keys() - {"id", "type", "function"}]


def _openai_answer(vendor: Vendor, thoughts: dict[str, object]) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": None if vendor.calls else "Sunny.", **thoughts}
    if vendor.calls:
        function = {"name": NAME, "arguments": '{"city": "Hanoi"}'}
        message["tool_calls"] = [{"id": f"call_{vendor.number}", "type": "function", "function": function}]
    finish = "tool_calls" if vendor.calls else "stop"
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    return openai_reply(choices=choices, model=vendor.model)


VENDORS: dict[str, type[Vendor]] = {
    "claude": Claude,
    "kimi": Kimi,
    "gemini": Gemini,
    "deepseek": DeepSeek,
    "router": Router,
}

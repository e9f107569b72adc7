"""Google's own SDK reads what we write, over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from hybridge.chat import (
    Event,
    Finish,
    ReasoningDelta,
    Reply,
    Start,
    StopReason,
    Text,
    TextDelta,
    ToolCall,
    ToolDelta,
    ToolStart,
    UsageEvent,
)
from hybridge.errors import AllDeploymentsFailed, BudgetExceeded
from hybridge.money import Usage
from tests.dialects.gemini.corpus import CLIENT


class Server:
    """Answers every request with the same bytes and keeps what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.content_type = CLIENT.content_type
        self.answer = b""
        self.asked: list[tuple[str, bytes]] = []


@pytest.fixture
def server() -> Iterator[tuple[Server, genai.Client]]:
    script = Server()

    class Responder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            script.asked.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(script.status)
            self.send_header("content-type", script.content_type.decode())
            self.send_header("content-length", str(len(script.answer)))
            self.end_headers()
            self.wfile.write(script.answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    listening = HTTPServer(("127.0.0.1", 0), Responder)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    client = genai.Client(api_key="k", http_options={"base_url": f"http://127.0.0.1:{listening.server_port}"})
    yield script, client
    client.close()
    listening.shutdown()
    listening.server_close()
    thread.join()


def stream(*events: Event) -> bytes:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="req_1", created=1)
    return encoder.encode(events) + encoder.finish()


def test_an_answer(server: tuple[Server, genai.Client]) -> None:
    script, client = server
    parts = (
        Text("Xin chào"),
        ToolCall("c1", "f", '{"a": 1}', "YQ==", "gemini"),
        ToolCall("c2", "g", "", "s", "openai"),
    )
    reply = Reply("r1", "m-1", parts, StopReason.TOOL_CALLS, Usage(input=3, cache_read=2, output=1, reasoning=4))
    script.answer = CLIENT.encode_reply(reply, request_id="req_1", created=1)
    config = types.GenerateContentConfig(system_instruction="s", max_output_tokens=9)
    answer = client.models.generate_content(model="m", contents="hello", config=config)
    assert answer.candidates is not None
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.function_calls is not None
    assert [(call.id, call.name, call.args) for call in answer.function_calls] == [
        ("c1", "f", {"a": 1}),
        ("c2", "g", {}),
    ]
    assert answer.usage_metadata is not None
    assert answer.usage_metadata.total_token_count == 10
    _, sent = script.asked[0]
    facts = CLIENT.read_facts(sent, "m", stream=False)
    chat = CLIENT.decode_request(facts.fields)
    assert (chat.system, chat.max_tokens, chat.turns[0].parts) == ((Text("s"),), 9, (Text("hello"),))


def test_a_stream_and_what_comes_back(server: tuple[Server, genai.Client]) -> None:
    script, client = server
    script.content_type = CLIENT.stream_content_type
    script.answer = stream(
        Start("r1", "m-1"),
        ReasoningDelta("hm"),
        ReasoningDelta(signature="secret", origin="anthropic"),
        TextDelta("Xin "),
        TextDelta("chào\u2028"),
        ToolStart(0, "c1", "f"),
        ToolDelta(0, "{}"),
        Finish(StopReason.TOOL_CALLS),
        UsageEvent(Usage(input=3, output=2)),
    )
    talk = client.chats.create(model="m")
    chunks = list(talk.send_message_stream("hello"))
    assert "".join(chunk.text or "" for chunk in chunks) == "Xin chào\u2028"
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.total_token_count == 5
    list(talk.send_message_stream(types.Part.from_function_response(name="f", response={"result": "ok"})))
    chat = CLIENT.decode_request(CLIENT.read_facts(script.asked[1][1], "m").fields)
    assert [turn.role for turn in chat.turns] == ["user", "assistant", "user"]
    thought, text, call = chat.turns[1].parts
    assert (getattr(thought, "signature", ""), getattr(thought, "origin", "")) == ("secret", "anthropic")
    assert text == Text("Xin chào\u2028")
    assert call == ToolCall("c1", "f", "{}")


def test_errors(server: tuple[Server, genai.Client]) -> None:
    script, client = server
    script.status = 402
    script.answer = CLIENT.encode_error(BudgetExceeded("too dear", details={"quote": "1 VND"}), request_id="req_1")
    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="m", contents="hello")
    assert (caught.value.code, caught.value.message) == (402, "too dear")
    assert caught.value.details["error"]["details"][0]["reason"] == "budget_exceeded"


def test_an_error_in_a_stream(server: tuple[Server, genai.Client]) -> None:
    script, client = server
    script.content_type = CLIENT.stream_content_type
    begun = stream(TextDelta("Hel")).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    script.answer = begun + CLIENT.encode_stream_error(AllDeploymentsFailed("all failed"), request_id="req_1")
    seen = []
    with pytest.raises(errors.ServerError) as caught:
        for chunk in client.models.generate_content_stream(model="m", contents="hello"):
            seen.append(chunk.text)
    assert seen == ["Hel"]
    assert caught.value.message == "all failed"


def test_counting(server: tuple[Server, genai.Client]) -> None:
    script, client = server
    script.answer = CLIENT.encode_count(42)
    assert client.models.count_tokens(model="m", contents="hello").total_tokens == 42
    assert CLIENT.decode_request(CLIENT.read_facts(script.asked[0][1], "m").fields).turns

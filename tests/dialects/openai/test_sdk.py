"""The official SDK reads what we write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import openai
import pytest

from hybridge.chat import (
    Event,
    Finish,
    Reasoning,
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
from hybridge.dialects import dialect
from hybridge.errors import AllDeploymentsFailed, BudgetExceeded
from hybridge.money import Usage

CLIENT = dialect("openai").client


@contextmanager
def answering(status: int, content_type: bytes, body: bytes) -> Iterator[openai.OpenAI]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-type", content_type.decode())
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}/v1"
        with openai.OpenAI(base_url=address, api_key="none", max_retries=0) as client:
            yield client
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


EVENTS: list[Event] = [
    Start("x", "m"),
    ReasoningDelta("hmm"),
    TextDelta("Xin "),
    TextDelta("chào"),
    ToolStart(0, "a", "f"),
    ToolDelta(0, '{"x":'),
    ToolDelta(0, "1}"),
    ToolStart(1, "b", "g"),
    ToolDelta(1, "{}"),
    Finish(StopReason.TOOL_CALLS),
    UsageEvent(Usage(input=1, cache_read=2, output=3, reasoning=4)),
]


def test_a_stream() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=True, request_id="r", created=1)
    body = CLIENT.keep_alive + encoder.encode(EVENTS) + encoder.finish()
    with (
        answering(200, CLIENT.stream_content_type, body) as client,
        client.chat.completions.stream(
            model="m", messages=[{"role": "user", "content": "hi"}], stream_options={"include_usage": True}
        ) as stream,
    ):
        completion = stream.get_final_completion()
    (choice,) = completion.choices
    assert choice.message.content == "Xin chào"
    assert choice.finish_reason == "tool_calls"
    assert [(call.id, call.function.name, call.function.arguments) for call in choice.message.tool_calls or ()] == [
        ("a", "f", '{"x":1}'),
        ("b", "g", "{}"),
    ]
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (3, 7)


def test_a_whole_answer() -> None:
    parts = (Reasoning("hmm", "s", "", "anthropic"), Text("hi"), ToolCall("a", "f", "{}"))
    body = CLIENT.encode_reply(Reply("x", "m", parts, StopReason.TOOL_CALLS, Usage(input=1)), request_id="r", created=1)
    with answering(200, CLIENT.content_type, body) as client:
        completion = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    message = completion.choices[0].message
    assert message.content == "hi"
    assert message.tool_calls is not None
    assert message.model_extra is not None
    assert message.model_extra["reasoning_content"] == "hmm"


def test_an_error() -> None:
    body = CLIENT.encode_error(BudgetExceeded("too dear", details={"quote": "5 VND"}), request_id="r")
    with answering(402, CLIENT.content_type, body) as client, pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "budget_exceeded"
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["quote"] == "5 VND"


def test_an_error_in_a_stream() -> None:
    encoder = CLIENT.stream_encoder(model="m", include_usage=False, request_id="r", created=1)
    error = CLIENT.encode_stream_error(AllDeploymentsFailed("all failed"), request_id="r")
    body = encoder.encode(EVENTS[:3]) + error
    with answering(200, CLIENT.stream_content_type, body) as client:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "all_deployments_failed"

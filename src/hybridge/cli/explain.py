"""`hybridge explain`"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from hybridge.cli import printing
from hybridge.cli.options import config_option, format_option, found
from hybridge.money import Money
from hybridge.types import Operation, Options, Request

_PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
_TOOL = {
    "type": "function",
    "function": {"name": "look_up", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}},
}
_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": {"type": "object", "properties": {"answer": {"type": "string"}}}},
}


@click.command()
@click.argument("model")
@config_option
@click.option("--vision", is_flag=True, help="The request holds an image.")
@click.option("--tools", is_flag=True, help="It offers tools.")
@click.option("--json-schema", is_flag=True, help="It asks for an answer in a JSON Schema.")
@click.option("--reasoning", is_flag=True, help="It asks for reasoning.")
@click.option("--stream", is_flag=True, help="It asks for a stream.")
@click.option("--budget", metavar="MONEY", help='What the request may cost, such as "500 VND".')
@click.option("--complexity", type=click.Choice(["low", "medium", "high"]), help="How hard it is.")
@click.option("--policy", metavar="NAME", help="The policy to plan with.")
@click.option("--prompt", default="Hello", show_default=True, help="What it says.")
@click.option("--input-tokens", type=click.IntRange(1), metavar="N", help="Length of the prompt, in place of --prompt.")
@click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="The most it wants in answer.")
@click.option("--currency", metavar="CODE", help="Currency of the estimates.")
@format_option
def explain(model: str, config_file: Path | None, currency: str | None, form: str, **asked: Any) -> None:
    """The plan for a request to MODEL, and why: candidates, what was filtered for which reason, scores.

    Nobody is called. Exits 1 where the request would be refused.
    """
    from hybridge import app
    from hybridge.routing.explain import explain as record

    holding = found(config_file)
    assembled = app.assemble(holding.config, demo=holding.demo)
    request = _request(model, asked)
    try:
        told = record(request, assembled.router.consider(request), assembled.rates, currency)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--currency") from error
    if form == "json":
        printing.json(told)
    else:
        _print(told)
    if told["error"] is not None:
        click.echo(f"Error: {told['error']['code']}: {told['error']['message']}", err=True)
        sys.exit(1)


def _request(model: str, asked: dict[str, Any]) -> Request:
    """The request, as a client of the OpenAI dialect would send it."""
    from hybridge.dialects import dialect

    codec = dialect("openai")
    body = msgspec.json.encode(_body(model, asked))
    facts = codec.client.read_facts(body, None, None)
    options = Options(budget=_money(asked["budget"]), complexity=asked["complexity"], policy=asked["policy"])
    return Request(
        id="explain",
        operation=Operation.CHAT,
        dialect=codec.name,
        model=model,
        stream=facts.stream,
        body=body,
        facts=facts,
        options=options,
    )


def _body(model: str, asked: dict[str, Any]) -> dict[str, Any]:
    prompt = " word" * asked["input_tokens"] if asked["input_tokens"] else asked["prompt"]
    content: list[dict[str, Any]] = [{"type": "text", "text": prompt}]
    if asked["vision"]:
        content.append({"type": "image_url", "image_url": {"url": _PIXEL}})
    said = {
        "stream": asked["stream"] or None,
        "max_tokens": asked["max_tokens"],
        "tools": [_TOOL] if asked["tools"] else None,
        "response_format": _SCHEMA if asked["json_schema"] else None,
        "reasoning_effort": "medium" if asked["reasoning"] else None,
    }
    body = {"model": model, "messages": [{"role": "user", "content": content}]}
    return body | {name: value for name, value in said.items() if value is not None}


def _money(text: str | None) -> Money | None:
    try:
        return None if text is None else Money.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--budget") from error


def _print(told: dict[str, Any]) -> None:
    estimate = told["estimate"]
    needs = ", ".join(told["needs"]) if isinstance(told["needs"], (list, tuple)) else told["needs"]
    click.echo(
        f"{told['model']}: policy {told['policy']}, needs {needs or 'nothing'}, budget {told['budget'] or 'none'}, "
        f"about {estimate['input_tokens']} tokens in and {estimate['output_tokens']} out"
    )
    rows = [_row(one, told["clamp"]) for one in told["candidates"]]
    if rows:
        printing.table(("", "deployment", "kind", "dialect", "estimate", "scores", "why"), rows, right=("", "estimate"))


def _row(one: dict[str, Any], clamp: dict[str, int]) -> tuple[str, ...]:
    clamped = clamp.get(one["deployment"])
    return (
        str(one["position"] or ""),
        one["deployment"],
        one["kind"],
        one["dialect"],
        one["estimate"]["text"] if one["estimate"] else "unpriced",
        " ".join(
            f"{name}={value:,.6g}" if value % 1 else f"{name}={value:,.0f}" for name, value in one["scores"].items()
        ),
        one["reason"] or (f"at most {clamped} tokens fit the budget" if clamped else ""),
    )

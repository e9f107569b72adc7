"""Foreign signatures at home with a client of this dialect.

Reasoning of another origin goes to the client with its origin written before the signature, so that it finds its way
back to where it means something and never to a provider of this dialect, which would refuse it.
"""

from __future__ import annotations

from hybridge.chat import Reasoning

ORIGIN = "anthropic"

#: Stands at the start of a signature, or of hidden data, that is not of this dialect.
FOREIGN = "hybridge:"
#: The same for the signature of the tool call that follows.
FOREIGN_CALL = "hybridge-call:"
#: What a search for either of them looks for.
SEARCHED = b'"hybridge'


def marked(origin: str, value: str, prefix: str = FOREIGN) -> str:
    """`value` as a client of this dialect keeps it."""
    return value if origin == ORIGIN else f"{prefix}{origin}:{value}"


def unmarked(value: str, prefix: str = FOREIGN) -> tuple[str, str]:
    """The origin and the value itself."""
    if not value.startswith(prefix):
        return ORIGIN, value
    origin, _, rest = value[len(prefix) :].partition(":")
    return origin, rest


def is_foreign(value: str) -> bool:
    """Whether a signature or hidden data bears either mark."""
    return value.startswith((FOREIGN, FOREIGN_CALL))


def thinking_block(part: Reasoning) -> dict[str, object]:
    """The block of a thought, its signature or hidden data marked if they are foreign."""
    if part.data:
        return {"type": "redacted_thinking", "data": marked(part.origin, part.data)}
    return {"type": "thinking", "thinking": part.text, "signature": marked(part.origin, part.signature)}


def call_block(origin: str, signature: str) -> dict[str, object]:
    """The block that carries the signature of the tool call after it."""
    return {"type": "redacted_thinking", "data": marked(origin, signature, FOREIGN_CALL)}

"""Foreign signatures at home with a client of this dialect.

Reasoning of another origin goes to the client with its origin written before the signature, so that it finds its way
back to where it means something and never to a provider of this dialect, which would refuse it.
"""

from __future__ import annotations

import base64
import re

from hybridge.chat import Reasoning

ORIGIN = "anthropic"

#: Stands at the start of a signature, or of hidden data, that is not of this dialect.
FOREIGN = "hybridge:"
#: The same for the signature of the tool call that follows.
FOREIGN_CALL = "hybridge-call:"
_ID = re.compile("(?:[0-9a-fA-F-]{32,64})?")
#: Stands at the start of every signature of Claude, and of its hidden thoughts: fields 3 and 5 (64 bytes) of a message.
#: Seen in every recorded one, from the API itself, Bedrock and OpenRouter.
_CLAUDES = b"\x18\x02*@"


def marked(origin: str, value: str, prefix: str = FOREIGN) -> str:
    """`value` as a client of this dialect keeps it."""
    return value if origin == ORIGIN else f"{prefix}{origin}:{value}"


def unmarked(value: str, prefix: str = FOREIGN, maker: str = ORIGIN) -> tuple[str, str]:
    """The origin, which without a mark is the `maker` of the model that spoke, and the value itself."""
    if not value.startswith(prefix):
        return maker, value
    origin, _, rest = value[len(prefix) :].partition(":")
    return origin, rest


def is_marked(value: str) -> bool:
    """Whether a signature or hidden data bears either mark."""
    return value.startswith((FOREIGN, FOREIGN_CALL))


def proves_nothing(signature: str) -> bool:
    """Whether it is what others write in the place of a signature: nothing, an id, a digest."""
    return _ID.fullmatch(signature) is not None


def is_claudes(value: str) -> bool:
    """Whether a signature or hidden data looks like Claude's, which is none if it has changed its form since."""
    # Vertex AI writes `claude#` before it.
    try:
        head = base64.b64decode(value.removeprefix("claude#")[:64])
    except ValueError:
        return False
    return _CLAUDES in head


def thinking_block(part: Reasoning) -> dict[str, object]:
    """The block of a thought, its signature or hidden data marked if they are foreign."""
    if part.data:
        return {"type": "redacted_thinking", "data": marked(part.origin, part.data)}
    return {"type": "thinking", "thinking": part.text, "signature": marked(part.origin, part.signature)}


def call_block(origin: str, signature: str) -> dict[str, object]:
    """The block that carries the signature of the tool call after it."""
    return {"type": "redacted_thinking", "data": marked(origin, signature, FOREIGN_CALL)}

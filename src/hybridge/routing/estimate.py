"""How large a request is and what it will cost at a deployment.

Two figures for two questions. The *estimate* (tokens in by size, tokens out as answers usually are) ranks routes. The
*bound* (tokens in as counted, tokens out as many as there can be) is what a budget must cover.
"""

from __future__ import annotations

from msgspec import Struct

from hybridge.dialects import dialect
from hybridge.errors import GatewayError
from hybridge.money import Usage
from hybridge.routing.tokens import IMAGE_TOKENS, cache_mark, count_chat
from hybridge.types import Facts, Request, TokenCounter

#: Answers of chats are mostly shorter than this; routes are ranked by it unless `max_tokens` says less.
EXPECTED_OUTPUT = 512

#: Bytes of a request per token. Prose has more (measured with o200k_base: English 4.9, Vietnamese 4.6), code, digits
#: and `\uXXXX` escapes fewer; the JSON around the text is in the bytes too.
BYTES_PER_TOKEN = 4

#: A request that by its bytes fills less than one in so many of a context is small enough without being counted.
NEAR = 2


class Size(Struct, frozen=True):
    """Tokens in, and expected out. `counted`: by a tokenizer, not by bytes; `cache` is the mark that the input has."""

    input: int
    output: int
    counted: bool = False
    cache: str = ""


def expected_output(max_tokens: int | None) -> int:
    """Tokens that an answer will probably have."""
    return EXPECTED_OUTPUT if max_tokens is None else min(max_tokens, EXPECTED_OUTPUT)


def rough_input(facts: Facts) -> int:
    """Tokens in, by bytes alone: what every request can afford."""
    return -(-facts.input_bytes // BYTES_PER_TOKEN) + facts.images * IMAGE_TOKENS


def rough_size(facts: Facts) -> Size:
    """The size by bytes alone."""
    return Size(rough_input(facts), expected_output(facts.max_tokens))


def exact_size(request: Request, counter: TokenCounter) -> Size:
    """The size as counted. Fills `request.chat`; falls back to the bytes where our codec cannot read the request."""
    if request.chat is None:
        try:
            request.chat = dialect(request.dialect).client.decode_request(request.facts.fields)
        except GatewayError:
            # A pass-through may hold what our codec does not know; whether it is right is the provider's to say.
            return rough_size(request.facts)
    tokens = count_chat(request.chat, counter)
    if request.chat.unknown:
        # What has no slot in the neutral types is not counted, but it is sent.
        tokens = max(tokens, rough_size(request.facts).input)
    return Size(tokens, expected_output(request.facts.max_tokens), counted=True, cache=cache_mark(request.chat))


def usage_of(size: Size) -> Usage:
    """What a request of that size will probably use."""
    return Usage(input=size.input, output=size.output)

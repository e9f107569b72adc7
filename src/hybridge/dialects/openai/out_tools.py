"""Names and ids that this dialect takes."""

from __future__ import annotations

import hashlib
import re

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID_LIMIT = 40


def call_name(name: str) -> str:
    """A name with only the characters that are allowed."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64]


def call_id(given: str) -> str:
    """An id short enough to be taken; the same one always becomes the same."""
    if 0 < len(given) <= _ID_LIMIT:
        return given
    return made_id(given)


def made_id(*seeds: object) -> str:
    """An id for a call that came without one; the same seeds give the same id."""
    seed = "\x00".join(map(str, seeds)).encode("utf-8", "surrogatepass")
    return f"call_{hashlib.blake2b(seed, digest_size=12).hexdigest()}"

"""Signatures of thoughts, which only the dialect that made them accepts back."""

from __future__ import annotations

import base64
from hashlib import blake2b


def sign(dialect: str, text: str) -> str:
    """A signature that proves that this dialect had this thought."""
    return base64.b64encode(blake2b(text.encode(), digest_size=48, key=dialect.encode()).digest()).decode()


def is_signed(dialect: str, text: str, signature: object) -> bool:
    """Whether a signature that came back is the one that was given, in either alphabet of base64."""
    plain = str(signature).replace("-", "+").replace("_", "/").rstrip("=")
    return plain == sign(dialect, text).rstrip("=")

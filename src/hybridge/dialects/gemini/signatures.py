"""Signatures of other origins, sealed into the one slot that the dialect has.

A client keeps `thoughtSignature` and sends it back, whoever made it. Ours says inside who did, so that it never reaches
a provider that cannot read it, and comes back whole to the one that can. The slot holds base64.
"""

from __future__ import annotations

import base64

import msgspec
from msgspec import Struct

from hybridge.chat import Reasoning
from hybridge.dialects.gemini.models import NO_SIGNATURE

ORIGIN = "gemini"

#: Eighteen bytes are twenty-four characters of base64, so that every seal begins alike.
_MARK = b"hybridge:sealed:1:"
_PREFIX = base64.b64encode(_MARK).decode()
#: What every sealed signature begins with.
SEALED = _PREFIX.encode()


class _Sealed(Struct, array_like=True):
    origin: str
    signature: str
    data: str


_SEALED = msgspec.json.Decoder(_Sealed)


def seal(signature: str, origin: str, data: str = "") -> str:
    """What stands as `thoughtSignature` for a client; Google's own stay as they are."""
    if origin == ORIGIN and not data:
        return signature
    if not signature and not data:
        return ""
    return base64.b64encode(_MARK + msgspec.json.encode(_Sealed(origin, signature, data))).decode()


def unseal(text: str) -> Reasoning:
    """The signature, hidden data and origin that a client sent back, as a `Reasoning` without text."""
    if not text or text == NO_SIGNATURE:
        return Reasoning()
    if not text.startswith(_PREFIX):
        return Reasoning(signature=text, origin=ORIGIN)
    try:
        found = _SEALED.decode(base64.b64decode(text)[len(_MARK) :])
    except (ValueError, msgspec.DecodeError):
        return Reasoning()
    return Reasoning(signature=found.signature, data=found.data, origin=found.origin)

"""How a stream goes on at another deployment after it broke off: anew, or with what it has said so far."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hybridge.dialects import dialect
from hybridge.dialects.continuing import INSTRUCTION, Transcript
from hybridge.providers.upstream import Call
from hybridge.types import Needs, Request

#: Characters of text per token, for what is left of `max_tokens`.
_CHARACTERS_PER_TOKEN = 4


class Recovery(Struct):
    """What a request wants where its stream breaks off, and how far that has come.

    `broke` is the deployment that broke off last; `said` what the client has read. `prefill`: a model may be made to go
    on by words put into its mouth.
    """

    wanted: Literal["restart", "continue"]
    broke: str = ""
    said: Transcript | None = None
    prefill: bool = True

    @property
    def may_go_on(self) -> bool:
        """Whether a stream that broke off may go on. Thoughts and calls of tools never do: nobody else has them."""
        return self.wanted == "restart" or (self.said is not None and self.said.plain)

    def prepare(self, call: Call) -> None:
        """Have a call taken down, or go on with what was said."""
        if self.wanted == "restart":
            return
        if not self.broke:
            call.transcript = Transcript()
            return
        assert self.said is not None
        call.transcript, call.goes_on = self.said, True
        text = self.said.text
        call.request = self._further(call, text)
        most = call.request.facts.max_tokens
        if most is not None:
            left = max(1, most - len(text) // _CHARACTERS_PER_TOKEN)
            call.max_tokens = left if call.max_tokens is None else min(left, call.max_tokens)

    def _further(self, call: Call, text: str) -> Request:
        request = call.request
        asked = "" if self.prefills(call) else INSTRUCTION
        client = dialect(request.dialect).client
        facts = replace(request.facts, fields=client.extended(request.facts.fields, text, asked))
        return replace(request, facts=facts, chat=None)

    def prefills(self, call: Call) -> bool:
        """Whether the model is given words to go on with; while it thinks, none takes them."""
        deployment = call.deployment
        theirs = dialect(deployment.surface.dialect)
        return (
            self.prefill
            and theirs.provider.prefills(deployment.model)
            and Needs.REASONING not in call.request.facts.needs
        )

"""Tool calls in pieces, as the wire sends them, to neutral events."""

from __future__ import annotations

from msgspec import Struct

from hybridge.chat import Event, ToolDelta, ToolStart
from hybridge.dialects.openai.messages import Extra
from hybridge.dialects.openai.out_tools import made_id
from hybridge.dialects.openai.reply import WireFunction, arguments_of, signature_of


class WireCall(Struct):
    """One piece of a tool call. Some providers leave out `index`, or repeat `id` as an empty string."""

    index: int | None = None
    id: str | None = None
    function: WireFunction | None = None
    extra_content: Extra | None = None


class _Call:
    """A call that is being told: `number` counts calls, `waiting` are arguments that came before the name."""

    __slots__ = ("id", "named", "number", "signature", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.id = ""
        self.named = False
        self.signature = ""
        self.waiting = ""


class Calls:
    """Joins pieces by their index; `seed` makes ids for calls that come without one."""

    def __init__(self) -> None:
        self.seed = ""
        self.count = 0
        self._by_index: dict[int, _Call] = {}
        self._last: _Call | None = None

    def feed(self, piece: WireCall) -> list[Event]:
        """The events of one piece."""
        function = piece.function or WireFunction()
        call = self._call(piece, bool(function.name))
        call.id = call.id or piece.id or ""
        call.signature = call.signature or signature_of(piece.extra_content)
        arguments = arguments_of(function.arguments)
        if call.named:
            return [ToolDelta(call.number, arguments)] if arguments else []
        if not function.name:
            call.waiting += arguments
            return []
        call.named = True
        call.id = call.id or made_id(self.seed, call.number, function.name)
        origin = "gemini" if call.signature else ""
        events: list[Event] = [ToolStart(call.number, call.id, function.name, call.signature, origin)]
        if arguments := call.waiting + arguments:
            events.append(ToolDelta(call.number, arguments))
        return events

    def _call(self, piece: WireCall, named: bool) -> _Call:
        known = self._last if piece.index is None else self._by_index.get(piece.index)
        # Without an index a name begins a call; with one, so does another id that brings a name.
        fresh = known is None or (
            named and known.named and (piece.index is None or bool(piece.id and piece.id != known.id))
        )
        if fresh or known is None:
            known = _Call(self.count)
            self.count += 1
            if piece.index is not None:
                self._by_index[piece.index] = known
        self._last = known
        return known

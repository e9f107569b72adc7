"""What goes wrong with JSON, with bytes and with streams. Everything is drawn from a `Random`, so a seed repeats it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from random import Random
from typing import Any

#: Values that stand where others belong.
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 1e308, 10**18, 10**30, -(10**30), 2**63, 2**64, 10**400),
    *(float("nan"), float("inf"), float("-inf")),
    *(
        "",
        " ",
        "x",
        "null",
        "0",
        "\ud800",
        "\udc00\ud800",
        "\x00",
        "\n\n",
        "data: x\n\n",
        "é",
        "漢字",
        "😀",
        "a" * 5000,
    ),
    *("user", "assistant", "tool", "system", "model", "text", "stop", "length", "tool_calls", "error", "thinking"),
    *("data:image/png;base64,AAAA", "data:;base64,!", "http://127.0.0.1:1/x.png", "file:///etc/passwd", "%", "{}", "["),
    *([], [None], [[]], [{}], {}, {"": ""}, {"x": None}, {"type": 5}, {"type": "text"}, {"error": {"message": "no"}}),
)
#: Raw JSON that no encoder writes; they take the place of a mark.
_RAW = (
    *(b"1e400", b"-1e400", b"0.1e-999", b"01", b"-", b"+1", b".5", b"tru", b"'x'", b'"\\ud800"', b'"\\u12"', b'"\\x"'),
    *(b'"\xff\xfe"', b'"\xed\xa0\x80"', b'"\xc3"', b'"\x01"', b"1" * 5000, b"[" * 400 + b"]" * 400, b"[" * 100_000),
    *(
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b'{"a":1,"a":2}',
        b"[1,]",
        b"{,}",
        b"",
        b"\xef\xbb\xbf1",
        b"\\",
        b'"',
        b"1 1",
    ),
    *(b"-0", b"1E5", b"1e5", b"9" * 400 + b".5", b'"' + b"\\u0000" * 20 + b'"', b"/**/1", b"NaN", b"0" * 30),
)
_MARK = "\x02mark\x02"
_MARKED = json.dumps(_MARK).encode()


class Twice(dict[str, Any]):
    """An object whose members are all written twice, which JSON allows and nobody means."""

    def items(self) -> Any:
        """The members, and once more."""
        return [*super().items(), *super().items()]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a JSON value: a container, and the key or index in it."""
    left = [value]
    while left:
        container = left.pop()
        keys = list(container) if isinstance(container, dict) else range(len(container))
        for key in keys:
            yield container, key
            if isinstance(container[key], (dict, list)) and container[key]:
                left.append(container[key])


def _odd(chance: Random) -> Any:
    """An odd value of its own: the next change may be inside of it."""
    return deepcopy(chance.choice(ODD))


def _replace(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    container[key] = _odd(chance)


def _raw(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    container[key] = _MARK


def _drop(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    del container[key]


def _swap(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    other, its = chance.choice(found)
    # A copy: nothing may come to hold itself.
    container[key] = deepcopy(other[its])


def _double(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    if isinstance(container, list):
        container.insert(key, deepcopy(container[key]))
    elif isinstance(container[key], dict):
        container[key] = Twice(container[key])
    elif isinstance(container[key], list):
        container[key] += deepcopy(container[key])
    else:
        container[key] = [container[key]] * chance.choice((2, 3, 50))


def _wrap(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    value = container[key]
    container[key] = [value] if chance.random() < 0.5 else {chance.choice(("type", "x", "text", "0")): value}


def _rename(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    if isinstance(container, dict):
        _, name = chance.choice(found)
        container[str(name) if chance.random() < 0.6 else chance.choice(("", "x", "type", "\ud800"))] = container.pop(
            key
        )
    else:
        container.reverse()


def _add(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    if isinstance(container, dict):
        _, name = chance.choice(found)
        container.setdefault(str(name), _odd(chance))
    else:
        container.append(_odd(chance))


def _number(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    numbers = [(holder, at) for holder, at in found if isinstance(holder[at], (int, float))]
    holder, at = chance.choice(numbers) if numbers else (container, key)
    holder[at] = chance.choice((0, -1, -5, 10**12, 10**30, 2**63 - 1, 2**63, 2**53 + 1, 0.5, 1e-300, 1e300, "7", None))


def _text(container: Any, key: Any, found: list[tuple[Any, Any]], chance: Random) -> None:
    texts = [(holder, at) for holder, at in found if isinstance(holder[at], str)]
    if texts:
        holder, at = chance.choice(texts)
        text = holder[at]
        cut = chance.randrange(len(text) + 1)
        holder[at] = (
            text[:cut] + chance.choice(("", "\ud83d", "\u2028", "\x00", "\r\n\r\n", '"', "\\", "é" * 99)) + text[cut:]
        )


_Change = Callable[[Any, Any, list[tuple[Any, Any]], Random], None]
_CHANGES: tuple[_Change, ...] = (
    *(_replace, _replace, _replace, _raw, _drop, _drop, _swap, _swap, _double, _wrap, _rename, _add, _number, _text),
)


def wrong(value: Any, chance: Random) -> bytes:
    """A JSON value as text with one or a few things wrong; the value itself is used up."""
    root = [value]
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3, 6))):
        found = [*places(root)]
        container, key = chance.choice(found) if len(found) > 1 and chance.random() < 0.98 else (root, 0)
        chance.choice(_CHANGES)(container, key, found, chance)
        if not root:
            return b""
    text = json.dumps(root[0] if len(root) == 1 else root, ensure_ascii=chance.random() < 0.9).encode(
        "utf-8", "surrogatepass"
    )
    while _MARKED in text:
        text = text.replace(_MARKED, chance.choice(_RAW), 1)
    return text


_BITS = (
    b"\x00",
    b"\xff",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"\r\r",
    b'"',
    b"{",
    b"}",
    b":",
    b"data:",
    b"\xef\xbb\xbf",
    b"\\",
)


def broken(octets: bytes, chance: Random) -> bytes:
    """Bytes with one or a few of them flipped, cut out, put in, repeated, or the end cut off."""
    for _ in range(chance.choice((1, 1, 2, 5))):
        at = chance.randrange(len(octets) + 1)
        kind = chance.randrange(5)
        to = min(len(octets), at + chance.choice((1, 1, 2, 10, 100)))
        if kind == 0:
            octets = octets[:at] + bytes(chance.randrange(256) for _ in range(to - at)) + octets[to:]
        elif kind == 1:
            octets = octets[:at] + octets[to:]
        elif kind == 2:
            octets = octets[:at] + chance.choice(_BITS) * chance.choice((1, 1, 3)) + octets[at:]
        elif kind == 3:
            octets = octets[:to] + octets[at:]
        else:
            octets = octets[:at]
    return octets


def pieces(octets: bytes, chance: Random) -> list[bytes]:
    """The same bytes, cut anywhere; mostly into few pieces."""
    size = chance.choice((1, 3, 40, 1000, 100_000, 100_000, 100_000))
    if size * 500 < len(octets):
        size = 1000
    found = []
    at = 0
    while at < len(octets):
        to = at + (size if size > 1000 else 1 + chance.randrange(size * 2))
        found.append(octets[at:to])
        at = to
    return found


def wrong_stream(events: list[bytes], chance: Random) -> bytes:
    """Server-sent events (each whole, with its blank line) with one thing wrong, or a few."""
    events = list(events)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if events:
            _one_wrong(events, chance)
    stream = b"".join(events)
    kind = chance.random()
    if kind < 0.1:
        return broken(stream, chance)
    if kind < 0.16:
        return stream[: chance.randrange(len(stream) + 1)]
    if kind < 0.22:
        return stream.replace(b"\r\n", b"\n").replace(b"\n", chance.choice((b"\r\n", b"\r")))
    return stream


_NOISE = (
    *(
        b": ping\n\n",
        b"\n\n",
        b"event: ping\ndata: {}\n\n",
        b"data:\n\n",
        b"data\n\n",
        b"id: 1\nretry: 5\n\n",
        b"event: x\n\n",
    ),
    *(
        b"data: [DONE]\n\n",
        b"data: {}\n\n",
        b"data: null\n\n",
        b"data: []\n\n",
        b"data: 5\n\n",
        b'data: "x"\n\n',
        b"data: {\n\n",
    ),
    *(b'data: {"error":{"message":"no","code":500}}\n\n', b'data: {"error":"no"}\n\n', b'data: {"error":null}\n\n'),
    *(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no"}}\n\n',
        b"event: error\n\n",
    ),
    *(
        b'data: {"a":1}\ndata: {"b":2}\n\n',
        b'data: {"choices":\ndata: []}\n\n',
        b"x" * 70_000,
        b"\xef\xbb\xbf",
        b"<html>\n\n",
    ),
    *(b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n', b'data: {"type":"message_stop"}\n\n', b"data: \xff\n\n"),
    *(
        b'data: {"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}]}\n\n',
        b"event: message_stop\n\n",
    ),
)


def _one_wrong(events: list[bytes], chance: Random) -> None:
    at = chance.randrange(len(events))
    kind = chance.randrange(10)
    if kind < 4:
        head, brace, rest = events[at].partition(b"{")
        try:
            value = json.loads(brace + rest)
        except (ValueError, RecursionError):
            return
        events[at] = head + wrong(value, chance) + b"\n\n"
    elif kind == 4:
        del events[at]
    elif kind == 5:
        events.insert(at, events[at])
    elif kind == 6:
        other = chance.randrange(len(events))
        events[at], events[other] = events[other], events[at]
    elif kind == 7:
        del events[at:]
    else:
        events.insert(at, chance.choice(_NOISE))

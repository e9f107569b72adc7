"""Writes `models/*.json` from the installed sources: `python -m hybridge.providers.refresh [YYYY-MM-DD]`.

Deterministic: the same packages and the same day give the same bytes.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
from genai_prices.types import ModelInfo
from msgspec.structs import replace

from hybridge.providers.names import bare, date_of, spelling, stem, undated
from hybridge.providers.row import Row, load_rows
from hybridge.providers.snapshot import Listed, ListPrice, Snapshot
from hybridge.providers.sources import (
    FACTS,
    PRICES,
    Model,
    completed,
    equals,
    listed_cost,
    models,
    priced,
    prices_on,
)
from hybridge.types import Kind

MODELS = Path(__file__).parent / "models"

#: No chat: embeddings, speech, pictures, moderation, plain completion, tuned models of a single account.
NOT_CHAT = (
    "*-asr-*",
    "*-tts*",
    "*.ft-*",
    "*dall-e*",
    "*embed*",
    "*imagen*",
    "*instruct-0914",
    "*livetranslate*",
    "*moderation*",
    "*realtime*",
    "*rerank*",
    "*sora*",
    "*transcribe*",
    "*veo-*",
    "*voice*",
    "*whisper*",
    "ada",
    "babbage*",
    "chatgpt-image*",
    "curie",
    "davinci*",
    "ft:*",
    "gpt-3.5-turbo-instruct*",
    "gpt-image*",
    "mistral-ocr*",
    "text-*",
    "tts-*",
)


def snapshots(as_of: dt.date, rows: Mapping[str, Row]) -> dict[str, Snapshot]:
    """What the sources know on a day of the models of each row; rows of which they know nothing are left out."""
    found = {row.id: tuple(_listed(row, as_of)) for row in rows.values()}
    makers_first = sorted(rows.values(), key=lambda row: (not row.maker, row.id))
    names = _names({row.id: found[row.id] for row in makers_first})
    sources = (PRICES, FACTS)
    return {
        provider: Snapshot(provider, as_of, sources, tuple(_own_aliases(listed, names)))
        for provider, listed in found.items()
        if listed
    }


def text(snapshot: Snapshot) -> str:
    """A file: a header, then a model on each line."""
    head = msgspec.to_builtins(snapshot)
    lines = ",\n".join(msgspec.json.encode(model).decode() for model in head.pop("models"))
    return msgspec.json.encode(head).decode().removesuffix("}") + ',"models":[\n' + lines + "\n]}\n"


def _listed(row: Row, as_of: dt.date) -> Iterator[Listed]:
    infos = priced(row.genai_prices)
    known = models(row.models_dev)
    taken = {model.id.lower() for model in known}
    found = {}
    used = set()
    for model in known:
        info = next((info for info in infos if info.is_match(model.id)), None)
        if info is not None:
            used.add(info.id)
        if "text" in model.modalities.output:
            found[model.id] = _merged(model, info, as_of, taken)
    for info in infos:
        if info.id not in used and not info.deprecated and info.is_match(info.id):
            found[info.id] = _only_priced(info, as_of, taken)
    for name, listed in sorted(found.items()):
        if not _is_left_out(name, row):
            # A gateway's dated names are those of its answers; nobody says that it takes them.
            yield replace(listed, aliases=()) if row.kind is Kind.GATEWAY else listed


def _is_left_out(model: str, row: Row) -> bool:
    """Whether a model is no chat, or not the provider's. The row's patterns see the whole name, ours the bare one."""
    whole, name = model.lower(), bare(model)
    if row.slugs and "/" not in whole:
        return True
    return any(fnmatchcase(whole, pattern) for pattern in row.unlisted) or any(
        fnmatchcase(name, pattern) for pattern in NOT_CHAT
    )


def _merged(model: Model, info: ModelInfo | None, as_of: dt.date, taken: set[str]) -> Listed:
    prices = prices_on(info, as_of) if info else ()
    other = listed_cost(model.cost)
    if prices:
        prices = tuple(completed(price, other) for price in prices)
    elif other is not None:
        prices = (other,)
    return Listed(
        id=model.id,
        name="",
        aliases=_aliases(model.id, info, taken),
        can=model.can,
        context=model.limit.context or (info.context_window if info else None),
        output=model.limit.output or None,
        prices=_believed(model.id, prices),
    )


def _only_priced(info: ModelInfo, as_of: dt.date, taken: set[str]) -> Listed:
    return Listed(
        id=info.id,
        name="",
        aliases=_aliases(info.id, info, taken),
        context=info.context_window,
        prices=_believed(info.id, prices_on(info, as_of)),
    )


def _believed(model: str, prices: Iterable[ListPrice]) -> tuple[ListPrice, ...]:
    """Prices without those of zero, which mean "not known" or "by subscription" unless the name says free."""
    if "free" in model:
        return tuple(prices)
    return tuple(price for price in prices if any(float(usd) for usd in price.usd.values()))


def _aliases(model: str, info: ModelInfo | None, taken: set[str]) -> tuple[str, ...]:
    """The provider's other names of the very same model."""
    if info is None:
        return ()
    same = {name for name in equals(info) if stem(name) == stem(model) and name.lower() not in taken}
    return tuple(sorted(same - {model}))


def _own_aliases(listed: tuple[Listed, ...], names: Mapping[str, str]) -> Iterator[Listed]:
    """The models with their names, and with those aliases that are theirs alone and bear a date.

    An alias without one is the catalogue's name already, and the source's idea more often than the provider's.
    """
    claims = Counter(alias for model in listed for alias in model.aliases)
    for model in listed:
        own = (alias for alias in model.aliases if claims[alias] == 1 and stem(alias) != alias)
        yield replace(model, name=names[model.id], aliases=tuple(own))


def _names(listed: Mapping[str, tuple[Listed, ...]]) -> dict[str, str]:
    """The catalogue's name by the provider's. Makers come first in `listed`; what they say holds for all."""
    apart: set[str] = set()
    shown: dict[str, str] = {}
    names: dict[str, str] = {}
    for models_of_one in listed.values():
        apart |= _apart(models_of_one)
    for models_of_one in listed.values():
        called = {model.id: _called(model, apart) for model in models_of_one}
        for name in sorted(called.values(), key=len):
            shown.setdefault(spelling(name), name)
        names |= {model: shown[spelling(name)] for model, name in called.items()}
    return names


def _called(model: Listed, apart: set[str]) -> str:
    own = bare(model.id)
    if spelling(own) in apart:
        return own
    plainest = stem(own)
    return plainest if plainest in {undated(bare(alias)) for alias in model.aliases} else undated(own)


def _apart(listed: Iterable[Listed]) -> set[str]:
    """The dated versions that are models of their own beside the one that bears the plain name."""
    by_name: dict[str, list[Listed]] = {}
    for model in listed:
        by_name.setdefault(spelling(undated(bare(model.id))), []).append(model)
    apart = set()
    for versions in by_name.values():
        plainest, *others = sorted(versions, key=lambda model: (not date_of(model.id), date_of(model.id)), reverse=True)
        newest = max(date_of(model.id) for model in versions)
        for model in others:
            same = not date_of(plainest.id) and date_of(model.id) == newest and model.prices == plainest.prices
            if date_of(model.id) and not same:
                apart.add(spelling(bare(model.id)))
    return apart


def main(arguments: list[str]) -> None:
    """Write every file anew and remove those of rows that are gone."""
    as_of = dt.date.fromisoformat(arguments[0]) if arguments else dt.datetime.now(dt.UTC).date()
    made = snapshots(as_of, load_rows())
    MODELS.mkdir(exist_ok=True)
    for file in MODELS.glob("*.json"):
        if file.stem not in made:
            file.unlink()
    for provider, snapshot in made.items():
        (MODELS / f"{provider}.json").write_text(text(snapshot), "utf-8")
    total = sum(len(snapshot.models) for snapshot in made.values())
    print(f"{total} models of {len(made)} providers as of {as_of}")


if __name__ == "__main__":
    main(sys.argv[1:])

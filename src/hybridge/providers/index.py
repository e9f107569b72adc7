"""From what a client writes to the model that is meant, and to the providers that serve it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hybridge.providers.names import spelling, undated
from hybridge.providers.provider import Provider
from hybridge.providers.stock import spellings

#: Means something to the router, so it is no model's name.
RESERVED = frozenset({"auto"})


class Index:
    """Names of the models that are served, in the order of the providers."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._serving: dict[str, list[Provider]] = {}
        self._shown: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        ways: list[tuple[int, str, str]] = []
        for provider in providers:
            for entry in provider.stock.entries:
                key = spelling(entry.listed.name)
                if key in RESERVED:
                    continue
                self._shown.setdefault(key, entry.listed.name)
                serving = self._serving.setdefault(key, [])
                if provider not in serving:
                    serving.append(provider)
                ways += [(rank, text, key) for rank, text, _ in spellings(entry.listed) if not _is_slug(provider, text)]
        for key, name in self._shown.items():
            self._keys[key] = self._keys[name] = key
        for _, text, key in sorted(ways, key=lambda way: way[0]):
            self._keys.setdefault(text, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shown.values())

    def __len__(self) -> int:
        return len(self._shown)

    def __contains__(self, key: str) -> bool:
        return key in self._serving

    def name(self, key: str) -> str | None:
        """The catalogue's name of a model by its spelling."""
        return self._shown.get(key)

    def key(self, name: str) -> str | None:
        """The spelling under which a name or alias is kept; one with a date that nobody lists means the undated."""
        keys = self._keys
        found = keys.get(name) or keys.get(name.lower())
        if found is None and "/" not in name:
            found = keys.get(spelling(name)) or keys.get(spelling(undated(name)))
        return found

    def serving(self, key: str) -> list[Provider]:
        """The providers that serve a model, in their order."""
        return self._serving.get(key, [])


def _is_slug(provider: Provider, text: str) -> bool:
    return provider.row.slugs and "/" in text

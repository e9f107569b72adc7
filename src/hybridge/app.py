"""The composition root: the only file that knows every room."""

from __future__ import annotations

import asyncio
import gc
import logging
import random
import secrets
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict, replace

from hybridge.access.keys import Keys, VirtualKey
from hybridge.access.request_ids import RequestIds
from hybridge.config import Config, load
from hybridge.exchange import Exchange
from hybridge.ledger.books import Books
from hybridge.ledger.store import Ledger, SqliteLedger
from hybridge.money import Rates
from hybridge.providers.catalog import Catalog
from hybridge.providers.fetch import ImageFetcher
from hybridge.providers.settings import ModelSetting, ProviderSetting
from hybridge.providers.transport import HttpTransport
from hybridge.providers.upstream import Upstream
from hybridge.resilience.breaker import Breakers
from hybridge.resilience.keys import KeyPool
from hybridge.resilience.retry import Retries, Walk
from hybridge.routing.router import Router, Rules
from hybridge.routing.tokens import Splintr
from hybridge.server.asgi import Application
from hybridge.server.front import Front
from hybridge.server.guard import Guard
from hybridge.server.listen import Listener, Place
from hybridge.types import Plan, Timeouts

if TYPE_CHECKING:
    from hybridge.simulator.demo import Scene

log = logging.getLogger("hybridge")


class Assembled(Struct):
    """What a configuration makes: catalogue and router, which call nobody."""

    config: Config
    catalog: Catalog
    router: Router
    rates: Rates
    counter: Splintr


class Running(Struct):
    """The rooms that call, keep and hold: made within an event loop, closed with it."""

    assembled: Assembled
    exchange: Exchange
    ids: RequestIds
    ledger: Ledger
    breakers: Breakers
    transport: HttpTransport
    fetcher: ImageFetcher

    async def aclose(self) -> None:
        """Close connections, write the rest of the ledger."""
        await self.transport.aclose()
        await self.fetcher.aclose()
        await asyncio.to_thread(self.ledger.close)


def now_us() -> int:
    """UTC in integer microseconds."""
    return time.time_ns() // 1000


def assemble(config: Config, *, demo: bool = False) -> Assembled:
    """The catalogue and the router of a configuration; in a demo, those of the simulated scene.

    Raises `ConfigError` with every problem.
    """
    if demo and not config.providers:
        from hybridge.simulator.demo import scene

        config = _played(scene(), config)
    rates = config.currency.in_force()
    catalog = Catalog(
        [_provider(name, config) for name in config.providers],
        [_model(name, config) for name in config.models],
        unknown_models=config.routing.unknown_models,
        timeouts=Timeouts(**{name: getattr(config.timeouts, name) for name in Timeouts.__struct_fields__}),
    )
    counter = Splintr()
    rules = Rules(config.routing.policy, config.routing.cheap_below, config.routing.unpriced)
    router = Router(catalog, rates=rates, rules=rules, counter=counter)
    return Assembled(config, catalog, router, rates, counter)


def start(assembled: Assembled, ledger: Ledger) -> Running:
    """Make the rooms that work within the running event loop."""
    config, catalog = assembled.config, assembled.catalog
    breakers = Breakers(
        config.breaker.failures, config.breaker.reset_after, clock=time.monotonic, chance=random.Random()
    )
    pools = {
        name: KeyPool([key.reveal() for key in provider.keys] or [""], time.monotonic)
        for name, provider in config.providers.items()
    }
    retries = {name: _retries(config, name) for name in config.models}
    usual = Retries(config.retries.attempts, config.retries.per_request, config.retries.deadline)

    def walk(plan: Plan) -> Walk:
        wanted = retries.get(plan.deployments[0].name, usual) if retries else usual
        return Walk(plan.deployments, breakers, pools, wanted, config.routing.content_filter)

    transport, fetcher = HttpTransport(), ImageFetcher()
    upstream = Upstream(transport, fetcher.fetch, now_s=time.time, loop_time=asyncio.get_running_loop().time)
    books = Books(ledger, assembled.rates, now_us)
    ids = RequestIds(bytes.fromhex(ledger.setting("request_id_secret", partial(secrets.token_hex, 32))), now_us=now_us)
    exchange = Exchange(assembled.router, walk, upstream, books)
    assert catalog.providers.keys() == pools.keys()
    return Running(assembled, exchange, ids, ledger, breakers, transport, fetcher)


def front(running: Running, *, demo: bool = False) -> Front:
    """What the endpoints may use."""
    assembled = running.assembled
    config = assembled.config
    return Front(
        exchange=running.exchange,
        router=assembled.router,
        catalog=assembled.catalog,
        keys=Keys(
            config.access.mode, [(key.key.reveal(), _virtual(key.name, key.models)) for key in config.access.keys]
        ),
        ids=running.ids,
        guard=Guard(bound_to=config.server.host, cors=config.server.cors),
        rates=assembled.rates,
        counter=assembled.counter,
        find_request=running.ledger.find,
        now_us=now_us,
        max_body=config.server.max_body,
        concurrency=config.server.concurrency,
        reveal=config.access.reveal == "full",
        demo=demo,
    )


def place(config: Config) -> Place:
    """Where this configuration wants to listen."""
    server, tls = config.server, config.server.tls
    return Place(server.host, server.port, server.drain, tls.cert if tls else None, tls.key if tls else None)


def serve(config: Config, *, demo: bool = False) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigError`."""
    import uvloop

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    uvloop.run(_serve(config, demo=demo))


async def _serve(config: Config, *, demo: bool) -> None:
    if demo:
        from hybridge.simulator.demo import scene

        async with scene() as simulated:
            await _listen(_played(simulated, config), demo=True)
    else:
        await _listen(config, demo=False)


async def _listen(config: Config, *, demo: bool) -> None:
    assembled = assemble(config)
    running = start(assembled, SqliteLedger(config.ledger_path))
    count = len(config.providers)

    def ready(address: str) -> None:
        print(f"Hybridge is ready on {address} ({count} {'provider' if count == 1 else 'providers'})", flush=True)
        # What lives now lives for ever: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    try:
        await Listener(Application(front(running, demo=demo)), place(config), ready).serve()
    finally:
        await running.aclose()


def _played(scene: Scene, config: Config) -> Config:
    """The configuration with the providers of a simulated scene."""
    return replace(config, providers=load({"providers": scene.providers()}, {}).providers)


def _provider(name: str, config: Config) -> ProviderSetting:
    given = config.providers[name]
    return ProviderSetting(
        id=name,
        kind=given.kind,
        dialect=given.dialect,
        base_url=given.base_url,
        auth="none" if given.keyless else given.auth,
        keys=tuple(key.reveal() for key in given.keys),
        fee_ppm=given.fee,
        discount_ppm=given.discount or 0,
        headers={header: value.reveal() for header, value in given.headers.items()},
        options={"app_code": given.app_code.reveal()} if given.app_code else {},
        timeouts=_given(given.timeouts),
        quirks=given.own_quirks(),
    )


def _model(name: str, config: Config) -> ModelSetting:
    given = config.models[name]
    return ModelSetting(
        name=name,
        deployments=given.deployments,
        fallbacks=given.fallbacks,
        price={deployment: dict(price.figures()) for deployment, price in given.price.items()},
        assume_price=dict(given.assume_price.figures()) if given.assume_price else None,
        timeouts=_given(given.timeouts),
        policy=given.policy,
    )


def _retries(config: Config, name: str) -> Retries:
    own = config.models[name].retries.over(config.retries)
    return Retries(own.attempts, own.per_request, own.deadline)


def _virtual(name: str, models: tuple[str, ...] | None) -> VirtualKey:
    return VirtualKey(name, None if models is None else frozenset(models))


def _given(timeouts: Struct) -> dict[str, float]:
    return {name: value for name, value in asdict(timeouts).items() if value is not None}

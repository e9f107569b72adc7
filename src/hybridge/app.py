"""The composition root: the only file that knows every room."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from msgspec import Struct
from msgspec.structs import asdict, replace

from hybridge import __version__
from hybridge.access.keys import Keys, VirtualKey
from hybridge.access.request_ids import RequestIds
from hybridge.config import Config, load
from hybridge.exchange import Exchange
from hybridge.ledger.books import Books
from hybridge.ledger.reports import spent
from hybridge.ledger.store import Ledger, SqliteLedger
from hybridge.money import PPM, Rates
from hybridge.observers import gauges
from hybridge.observers.health import Health
from hybridge.observers.metrics import Metrics
from hybridge.observers.samples import Sample
from hybridge.observers.standing import Standing
from hybridge.probes.paid import NAME as PROBE
from hybridge.probes.paid import Allowance, Paid
from hybridge.probes.rounds import Rounds, Watched
from hybridge.probes.turn import Turn
from hybridge.providers.catalog import Catalog
from hybridge.providers.fetch import ImageFetcher
from hybridge.providers.probe import Prober
from hybridge.providers.settings import ModelSetting, ProviderSetting
from hybridge.providers.transport import HttpTransport
from hybridge.providers.upstream import Upstream
from hybridge.resilience.breakers import Breakers
from hybridge.resilience.hedge import Hedging
from hybridge.resilience.keys import KeyPool
from hybridge.resilience.retry import Retries, Walk
from hybridge.routing.router import Router, Rules
from hybridge.routing.tokens import Splintr
from hybridge.server.front import Front, Traffic
from hybridge.server.guard import Guard, is_loopback
from hybridge.server.keep_alive import Watch
from hybridge.server.listen import Place
from hybridge.types import Deployment, Plan, Request, Timeouts

#: How a breaker's state is told in a metric.
_STATES = {"closed": 0, "half_open": 1, "open": 2}


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
    pools: dict[str, KeyPool]
    transport: HttpTransport
    fetcher: ImageFetcher
    metrics: Metrics
    health: Health
    traffic: Traffic
    rounds: Rounds | None = None

    async def aclose(self) -> None:
        """Close connections, write the rest of the ledger."""
        if self.rounds is not None:
            self.rounds.stop()
        await self.transport.aclose()
        await self.fetcher.aclose()
        await asyncio.to_thread(self.ledger.close)


def now_us() -> int:
    """UTC in integer microseconds."""
    return time.time_ns() // 1000


def assemble(config: Config, *, demo: bool = False, counter: Splintr | None = None) -> Assembled:
    """The catalogue and the router of a configuration; in a demo, those of the simulated scene.

    `counter` is one that is there already. Raises `ConfigError` with every problem.
    """
    if demo and not config.providers:
        from hybridge.simulator.demo import scene

        config = played(config, scene().providers())
    rates = config.currency.in_force()
    catalog = Catalog(
        [_provider(name, config) for name in config.providers],
        [_model(name, config) for name in config.models],
        unknown_models=config.routing.unknown_models,
        timeouts=Timeouts(**{name: getattr(config.timeouts, name) for name in Timeouts.__struct_fields__}),
    )
    counter = counter or Splintr()
    rules = Rules(config.routing.policy, config.routing.cheap_below, config.routing.unpriced)
    router = Router(catalog, rates=rates, rules=rules, counter=counter)
    return Assembled(config, catalog, router, rates, counter)


def start(assembled: Assembled, ledger: Ledger, before: Running | None = None, *, probing: bool = True) -> Running:
    """Make the rooms that work within the running event loop.

    What another configuration left behind (`before`) goes on where it still applies: connections, counts, the breakers
    and the resting keys of providers that are what they were. Without `probing` nobody is asked but by requests.
    """
    config, catalog = assembled.config, assembled.catalog
    breakers = Breakers(
        config.breaker.failures,
        config.breaker.reset_after,
        clock=time.monotonic,
        chance=random.Random(),
        concurrency=config.breaker.concurrency,
    )
    pools = {
        name: KeyPool([key.reveal() for key in provider.keys] or [""], time.monotonic)
        for name, provider in config.providers.items()
    }
    if before is not None:
        _adopt(breakers, pools, config, before)
    usual = Retries(config.retries.attempts, config.retries.per_request, config.retries.deadline)
    retries = {name: own for name in config.models if (own := _retries(config, name)) != usual}

    def walk(plan: Plan, request: Request) -> Walk:
        model = catalog.resolve(request.model) if retries else None
        wanted = retries.get(model.name, usual) if model else usual
        return Walk(plan.deployments, breakers, pools, wanted, config.routing.content_filter)

    def hedging(request: Request) -> Hedging | None:
        model = catalog.resolve(request.model)
        return None if model is None else hedged.get(model.name)

    transport, fetcher = (before.transport, before.fetcher) if before else (HttpTransport(), ImageFetcher())
    # A request that is let in finds a connection, and its copy another one: none fails for want of one.
    transport.resize(2 * config.server.concurrency)
    metrics = before.metrics if before else Metrics(_listed(assembled))
    health = before.health if before else Health(now_us)
    hedged = {name: _hedging(config, health) for name, model in config.models.items() if model.hedge}
    traffic = before.traffic if before else Traffic()
    ids = before.ids if before else RequestIds(_secret(ledger), now_us=now_us)
    upstream = Upstream(
        transport,
        fetcher.fetch,
        now_s=time.time,
        loop_time=asyncio.get_running_loop().time,
        agent=f"hybridge/{__version__}",
        filter_fails=config.routing.content_filter == "fallback",
    )
    books = Books(ledger, assembled.rates, now_us, [metrics, health.count])
    exchange = Exchange(assembled.router, walk, upstream, books, hedging if hedged else None)
    assert catalog.providers.keys() == pools.keys()
    running = Running(assembled, exchange, ids, ledger, breakers, pools, transport, fetcher, metrics, health, traffic)
    metrics.listed = health.listed = _listed(assembled)
    metrics.gauges = partial(_gauges, running)
    if before is not None and before.rounds is not None:
        before.rounds.stop()
    if probing and config.health.probes != "off":
        running.rounds = _rounds(running, upstream, books)
        if before is not None and before.rounds is not None:
            running.rounds.adopt(before.rounds)
        running.rounds.begin()
    return running


def _rounds(running: Running, upstream: Upstream, books: Books) -> Rounds:
    """The probes of providers, which traffic under this configuration does not tell enough of."""
    config, catalog = running.assembled.config, running.assembled.catalog
    path = running.ledger.path if isinstance(running.ledger, SqliteLedger) else None
    prober = Prober(
        running.transport, now_us=now_us, loop_time=asyncio.get_running_loop().time, agent=f"hybridge/{__version__}"
    )
    return Rounds(
        Watched(catalog.providers, running.pools, running.health, running.breakers),
        prober,
        Turn(path and path.with_name(f"{path.name}.probes")),
        config.health.every,
        random.Random(),
        _paid(running, upstream, books) if config.health.probes == "paid" else None,
    )


def _paid(running: Running, upstream: Upstream, books: Books) -> Paid:
    assembled, ledger = running.assembled, running.ledger
    config, catalog = assembled.config, assembled.catalog
    once = Retries(1, 1, config.retries.deadline)

    def walk(plan: Plan, request: Request) -> Walk:
        # A breaker of its own: a probe's failure is not counted where traffic looks.
        unheard = Breakers(clock=time.monotonic, chance=random.Random())
        return Walk(plan.deployments, unheard, running.pools, once)

    def candidates() -> Iterable[Deployment]:
        written = [each for model in config.models.values() for each in model.deployments]
        shut = [name for name, breaker in running.breakers if "/" in name and breaker.state != "closed"]
        found = (catalog.deployment(name) for name in dict.fromkeys((*written, *shut)))
        return [each for each in found if each is not None]

    allowance = Allowance(assembled.rates.nano_usd(config.health.paid_per_day), partial(_spent, ledger), now_us)
    exchange = Exchange(assembled.router, walk, upstream, books)
    return Paid(exchange, candidates, running.health, running.breakers, allowance, running.ids.make)


def _spent(ledger: Ledger, since_us: int) -> int:
    """What paid probes have cost since then, in nano-USD. It waits for the ledger."""
    if isinstance(ledger, SqliteLedger):
        ledger.flush()
        return spent(ledger.path, PROBE, since_us)
    return 0


def _adopt(breakers: Breakers, pools: dict[str, KeyPool], config: Config, before: Running) -> None:
    old = before.assembled.config
    same = {
        name
        for name, provider in config.providers.items()
        if (was := old.providers.get(name)) and (was.base_url, was.dialect) == (provider.base_url, provider.dialect)
    }
    for name in same:
        if old.providers[name].keys == config.providers[name].keys:
            pools[name] = before.pools[name]
        else:
            pools[name].adopt(before.pools[name])
    stays = same if old.breaker == config.breaker else set()
    breakers.adopt(before.breakers, lambda name: name.partition("/")[0] in stays)


def front(
    running: Running, *, demo: bool = False, samples: Callable[[], Awaitable[Sequence[Sample]]] | None = None
) -> Front:
    """What the endpoints may use. `samples` gathers those of all processes; by default there is only this one."""
    assembled = running.assembled
    config = assembled.config

    async def own() -> Sequence[Sample]:
        return running.metrics.samples()

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
        watch=Watch(config.server.keep_alive),
        reveal=config.access.reveal == "full",
        demo=demo,
        traffic=running.traffic,
        samples=samples or own,
        is_local=is_loopback(config.server.host),
        admin_token=config.admin.token.reveal() if config.admin.token else "",
    )


def standing(running: Running) -> Standing:
    """How this process stands."""
    return Standing(
        pid=os.getpid(),
        in_flight=running.traffic.in_flight,
        draining=running.traffic.draining,
        pending_rows=running.ledger.pending,
        breakers=tuple(running.breakers.states()),
        keys={name: tuple(pool.states()) for name, pool in running.pools.items()},
        windows=tuple(running.health.windows()),
        # Lists of models are long, and nobody asks for them here.
        probes=tuple(replace(one, models=None) for one in (running.rounds.results if running.rounds else {}).values()),
    )


def place(config: Config) -> Place:
    """Where this configuration wants to listen."""
    server, tls = config.server, config.server.tls
    return Place(server.host, server.port, server.drain, tls.cert if tls else None, tls.key if tls else None)


def played(config: Config, providers: Mapping[str, object]) -> Config:
    """The configuration with the providers of a simulated scene, as they would be written in a file."""
    return replace(config, providers=load({"providers": providers}, {}).providers)


def _secret(ledger: Ledger) -> bytes:
    return bytes.fromhex(ledger.setting("request_id_secret", partial(secrets.token_hex, 32)))


def _listed(assembled: Assembled) -> Callable[[str], bool]:
    """Whether an id is one of the catalogue's, or stands in the configuration."""
    catalog = assembled.catalog
    models = assembled.config.models.values()
    written = {deployment for model in models for deployment in (*model.deployments, *model.price)}

    def listed(deployment_id: str) -> bool:
        if deployment_id in written:
            return True
        deployment = catalog.deployment(deployment_id)
        return deployment is not None and deployment in catalog.deployments_of(deployment.name)

    return listed


def _gauges(running: Running) -> Iterable[Sample]:
    for deployment, breaker in running.breakers:
        if running.metrics.labels(deployment):
            yield Sample("hybridge_breaker_state", (deployment,), _STATES[breaker.state])
    yield from gauges.of_windows(each for each in running.health.windows() if running.metrics.labels(each.deployment))
    if running.rounds is not None:
        yield from gauges.of_probes(running.rounds.results.values())
    yield Sample("hybridge_inflight_requests", (), running.traffic.in_flight - running.traffic.watching)
    yield Sample("hybridge_ledger_pending_rows", (), running.ledger.pending)


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


def _hedging(config: Config, health: Health) -> Hedging:
    given = config.hedging

    def late(deployment: str, stream: bool) -> float | None:
        return (health.first_token_p if stream else health.total_p)(deployment, given.percentile)

    return Hedging(late, given.share / PPM, given.least, given.at_first)


def _virtual(name: str, models: tuple[str, ...] | None) -> VirtualKey:
    return VirtualKey(name, None if models is None else frozenset(models))


def _given(timeouts: Struct) -> dict[str, float]:
    return {name: value for name, value in asdict(timeouts).items() if value is not None}

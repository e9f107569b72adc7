"""One call to one deployment: encode, send, relay into the sink."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from msgspec import MsgspecError, Struct
from msgspec.structs import replace

from hybridge.chat import Chat, Finish, Reply, StopReason
from hybridge.dialects import dialect
from hybridge.dialects.codec import Dialect, Outgoing, Relay, StreamEncoder, Target, Translation, events_of
from hybridge.dialects.continuing import Continued, Transcript
from hybridge.dialects.retry_after import used_up
from hybridge.errors import ContentFiltered, InvalidRequest, ProviderError, Silent
from hybridge.money import Usage
from hybridge.providers.auth import AUTH
from hybridge.providers.passing import Passing
from hybridge.providers.transport import Answer, HeaderBlock, HttpTransport, encode_headers
from hybridge.types import EVERYTHING, NO_QUIRKS, Deployment, Needs, Request, Sink, Timeouts

#: More than this of an answer is not read into memory.
ANSWER_LIMIT = 256 << 20
ERROR_LIMIT = 1 << 20

#: Members that only OpenRouter understands; a row's `own_fields` says where they may stay.
#: Source: https://openrouter.ai/docs/api/reference/parameters
GATEWAY_FIELDS = frozenset(("models", "provider", "route", "transforms", "plugins"))

#: Headers of a request that travel on within a dialect, and of an answer that travel back.
_DIALECT_HEADERS = ("anthropic-beta", "anthropic-version", "openai-beta")
_ANSWER_HEADERS = tuple(
    (name, name.encode())
    for name in ("x-request-id", "request-id", "x-generation-id", "apim-request-id", "mistral-correlation-id")
)
_TRAVELS_BACK = frozenset(name for name, _ in _ANSWER_HEADERS)

#: Types of an answer that is no stream, whatever was asked for.
_WHOLE = ("application/json", "text/html")

#: As a number: asking flags costs a call.
_REASONING = Needs.REASONING.value

_MOST_LINES = 1024
_MOST_BLOCKS = 64

#: How dialects say that a filter, not the model, ended an answer.
_FILTERED = (StopReason.CONTENT_FILTER, StopReason.REFUSAL)

_UNREADABLE = (MsgspecError, UnicodeDecodeError, RecursionError)

FetchImage = Callable[[str], Awaitable[tuple[str, str]]]


class Call(Struct):
    """One try: what is asked of whom with which key, and what was heard so far.

    `sent` turns true when the provider is about to be called; `body` is a whole answer in the client's dialect,
    empty for a stream; `said` counts the characters of content that a stream has brought.
    """

    request: Request
    deployment: Deployment
    key_id: str
    secret: str
    max_tokens: int | None = None
    status: int = 0
    usage: Usage | None = None
    dropped: tuple[str, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b""
    body: bytes = b""
    sent: bool = False
    said: int = 0
    #: Takes down what is said, where somebody may have to go on with it; and whether this call goes on with it.
    transcript: Transcript | None = None
    #: The provider refused the conversation's thoughts: none of them go there.
    without_reasoning: bool = False
    goes_on: bool = False
    #: Has a key rest at a place for so many seconds: told where an answer says that a rate limit is used up.
    rest: Callable[[str, str, float], None] | None = None
    #: The answer lacked its end, of which only a usage could have been missing.
    cut: bool = False


#: Told once, when a call has become the answer: a stream's first content is there, or a whole answer.
Commit = Callable[[Call], None]


class Upstream:
    """Calls deployments. One for the life of a configuration: it holds what is the same for every call.

    `agent` says to providers who calls: some turn away whoever does not tell.
    `filter_fails`: an answer that the provider's filter held back is a failure, so that another may be asked.
    """

    def __init__(
        self,
        transport: HttpTransport,
        fetch: FetchImage,
        *,
        now_s: Callable[[], float],
        loop_time: Callable[[], float],
        agent: str = "hybridge",
        filter_fails: bool = False,
    ) -> None:
        self._transport = transport
        self._fetch = fetch
        self._now_s = now_s
        self._loop_time = loop_time
        self._constant = {"content-type": "application/json", "user-agent": agent}
        self._filter_fails = filter_fails
        self._lines: dict[tuple[str, str, bool], _Line] = {}

    async def call(self, call: Call, sink: Sink, commit: Commit) -> None:
        """Make the call; `commit` starts the sink. Raises a `ProviderError`, or `ClientGone` from the sink."""
        request, deployment = call.request, call.deployment
        line = self._lines.get((deployment.id, request.dialect, request.stream)) or self._line(request, deployment)
        target = line.target
        if call.max_tokens is not None or request.private or request.options.drop_unsupported or call.without_reasoning:
            target = _own(target, call)
        try:
            if line.theirs.name == request.dialect:
                outgoing = line.theirs.provider.adapt(request.facts, target)
            else:
                outgoing = await self._translated(request, line.theirs, target)
        except _UNREADABLE as exc:
            # What nobody had to read before, such as a tool's schema, is JSON that cannot be read.
            raise InvalidRequest(f"a part of the request cannot be read: {exc}") from exc
        call.dropped = outgoing.dropped
        now = self._loop_time()
        timeouts = deployment.timeouts
        total = now + timeouts.total
        call.sent = True
        answer = await self._transport.send(
            "POST",
            line.url,
            self._headers(call, line),
            outgoing.body,
            connect=timeouts.connect,
            deadline=now + _patience(request, line.thinks, timeouts) if request.stream else total,
            total=total,
        )
        try:
            body = answer.at_once() if answer.status == 200 and not request.stream else None
            if body is None:
                await self._hear(call, line.theirs, answer, sink, commit)
            else:
                self._begin(call, answer)
                self._whole(call, line.theirs, body, answer.headers)
                commit(call)
        finally:
            answer.close()

    def _line(self, request: Request, deployment: Deployment) -> _Line:
        """Remember what is the same for all calls of a deployment in a dialect."""
        surface = deployment.surface
        theirs = dialect(surface.dialect)
        names = surface.forward
        if surface.dialect == request.dialect:
            names = (*names, *_DIALECT_HEADERS)
        line = _Line(
            theirs,
            surface.base_url.rstrip("/") + theirs.provider.path(deployment.model, stream=request.stream),
            Target(
                model=deployment.model,
                name=deployment.name,
                stream=request.stream,
                limits=deployment.limits,
                # The one object, so that having none is known at a look.
                quirks=surface.quirks if surface.quirks != NO_QUIRKS else NO_QUIRKS,
                strip=GATEWAY_FIELDS.difference(surface.quirks.own_fields),
            ),
            tuple(name.encode() for name in names),
            deployment.offers is not EVERYTHING and Needs.REASONING in deployment.offers,
        )
        if len(self._lines) >= _MOST_LINES:
            self._lines.clear()
        self._lines[deployment.id, request.dialect, request.stream] = line
        return line

    async def _translated(self, request: Request, theirs: Dialect, target: Target) -> Outgoing:
        chat = decoded(request)
        urls = theirs.provider.images_to_fetch(chat)
        if urls:
            fetched = await asyncio.gather(*map(self._fetch, urls))
            target = replace(target, images=dict(zip(urls, fetched, strict=True)))
        return theirs.provider.encode_request(chat, target)

    async def _hear(self, call: Call, theirs: Dialect, answer: Answer, sink: Sink, commit: Commit) -> None:
        headers = answer.headers
        self._begin(call, answer)
        if answer.status != 200:
            body = await answer.read(ERROR_LIMIT)
            error = theirs.provider.classify(answer.status, headers, body, self._now_s())
            error.headers = call.headers
            raise error
        if not call.request.stream or headers.get("content-type", "").startswith(_WHOLE):
            self._whole(call, theirs, await answer.read(ANSWER_LIMIT), headers)
            commit(call)
            if call.request.stream:
                sink.end(call.body)
        else:
            call.content_type = dialect(call.request.dialect).client.stream_content_type
            await self._relay(call, theirs, answer, sink, commit)

    def _begin(self, call: Call, answer: Answer) -> None:
        """Note what the head of the answer says."""
        headers = answer.headers
        call.status = answer.status
        if not _TRAVELS_BACK.isdisjoint(headers):
            call.headers = tuple([(said, headers[name].encode()) for name, said in _ANSWER_HEADERS if name in headers])
        if call.status == 200 and "0" in headers.values():
            self._heed(call, headers)

    def _heed(self, call: Call, headers: Mapping[str, str]) -> None:
        seconds = used_up(headers, self._now_s())
        if seconds and call.rest is not None:
            call.rest(call.key_id, call.deployment.model, seconds)

    def _whole(self, call: Call, theirs: Dialect, body: bytes, headers: Mapping[str, str]) -> None:
        request, quirks = call.request, call.deployment.surface.quirks
        ours = dialect(request.dialect)
        if theirs is ours and not request.stream:
            peek = theirs.provider.peek_reply(body, quirks)
            call.usage = peek.usage
            self._judge(peek.stop)
            call.content_type = headers.get("content-type", "application/json").encode()
            call.body = body
            return
        reply = theirs.provider.decode_reply(body, quirks)
        call.usage = reply.usage
        self._judge(reply.stop)
        if request.stream:
            encoder = self._encoder(request, ours)
            call.content_type = ours.client.stream_content_type
            call.body = _streamed(call, reply, encoder)
        else:
            call.content_type = ours.client.content_type
            call.body = ours.client.encode_reply(reply, request_id=request.id, created=int(self._now_s()))

    def _relay_for(self, call: Call, theirs: Dialect) -> Relay:
        request, quirks = call.request, call.deployment.surface.quirks
        ours = dialect(request.dialect)
        if call.goes_on:
            assert call.transcript is not None
            decoder = theirs.provider.stream_decoder(quirks)
            return Continued(self._encoder(request, ours), call.transcript, decoder)
        if theirs is ours:
            return theirs.provider.listener(withhold_usage=not request.facts.include_usage, quirks=quirks)
        return Translation(theirs.provider.stream_decoder(quirks), self._encoder(request, ours))

    def _encoder(self, request: Request, ours: Dialect) -> StreamEncoder:
        return ours.client.stream_encoder(
            model=request.model,
            include_usage=request.facts.include_usage,
            request_id=request.id,
            created=int(self._now_s()),
        )

    async def _relay(self, call: Call, theirs: Dialect, answer: Answer, sink: Sink, commit: Commit) -> None:
        relay = self._relay_for(call, theirs)
        passing = Passing(relay, answer, sink, call.deployment.timeouts.idle, partial(commit, call))
        take = passing.take if call.transcript is None or call.goes_on else _overheard(call, theirs, passing.take)
        try:
            while not await answer.relay(take):
                await sink.drain()
            last = relay.end()
            if relay.error is not None:
                raise relay.error
        except ProviderError as error:
            if isinstance(error, Silent):
                error.phase = "idle" if relay.content else "first_token"
            if not self._is_over(call, relay):
                raise
            last = self._ending(call)
        finally:
            call.usage, call.said = relay.usage, relay.said
        if not passing.committed:
            self._judge(relay.stop)
            commit(call)
            last = b"".join((*passing.held, last))
        sink.end(last)

    def _is_over(self, call: Call, relay: Relay) -> bool:
        """Whether all was said before the stream broke, which matters to those who would have it go on."""
        transcript = call.transcript
        call.cut = transcript is not None and transcript.plain and transcript.stop is not None and relay.content
        return call.cut

    def _ending(self, call: Call) -> bytes:
        """The end of a stream that said all but its end."""
        assert call.transcript is not None and call.transcript.stop is not None
        encoder = self._encoder(call.request, dialect(call.request.dialect))
        call.transcript.resume(encoder)
        encoder.encode([Finish(call.transcript.stop)])
        return encoder.finish()

    def _judge(self, stop: StopReason | None) -> None:
        if self._filter_fails and stop in _FILTERED:
            raise ContentFiltered("the provider's content filter held the answer back", status=200)

    def _headers(self, call: Call, line: _Line) -> HeaderBlock:
        given = call.request.headers
        travelling = tuple([(name, given[name]) for name in line.names if name in given])
        block = line.blocks.get((call.key_id, travelling))
        if block is None:
            surface = call.deployment.surface
            headers = {**self._constant, **dict(surface.headers)}
            headers |= {name.decode(): value.decode("latin-1") for name, value in travelling}
            block = encode_headers([*headers.items(), *AUTH[surface.auth](call.secret)])
            if len(line.blocks) >= _MOST_BLOCKS:
                line.blocks.clear()
            line.blocks[call.key_id, travelling] = block
        return block


def _streamed(call: Call, reply: Reply, encoder: StreamEncoder) -> bytes:
    """A whole answer as a stream."""
    events = events_of(reply)
    if call.transcript is None or not call.goes_on:
        return encoder.encode(events) + encoder.finish()
    continued = Continued(encoder, call.transcript)
    body = continued.take(events)
    if continued.error is not None:
        raise continued.error
    return body + continued.finish()


def _overheard(call: Call, theirs: Dialect, take: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """`take`, while the transcript is taken down."""
    assert call.transcript is not None
    hear, decoder = call.transcript.hear, theirs.provider.stream_decoder(call.deployment.surface.quirks)

    def taken(chunk: bytes) -> bool:
        hear(decoder.feed(chunk))
        return take(chunk)

    return taken


class _Line(Struct):
    """What is the same for all calls of a deployment in a dialect.

    `names` are the client's headers that travel on; `thinks`: the model is known to; `blocks` are the headers of calls,
    by key and by those that travel on.
    """

    theirs: Dialect
    url: str
    target: Target
    names: tuple[bytes, ...]
    thinks: bool
    blocks: dict[tuple[str, tuple[tuple[bytes, bytes], ...]], HeaderBlock] = {}


def _own(target: Target, call: Call) -> Target:
    """What a request wants otherwise than most."""
    request = call.request
    return replace(
        target,
        max_tokens=call.max_tokens,
        drop_unsupported=request.options.drop_unsupported,
        without_reasoning=call.without_reasoning,
        strip=target.strip | request.private,
    )


def decoded(request: Request) -> Chat:
    """The request in neutral types; decoded on first need, then kept. Raises `InvalidRequest`."""
    if request.chat is None:
        request.chat = dialect(request.dialect).client.decode_request(request.facts.fields)
    return request.chat


def _patience(request: Request, thinks: bool, timeouts: Timeouts) -> float:
    """Seconds to wait for the first content of a stream: models that think are given longer."""
    if thinks or request.facts.needs._value_ & _REASONING:
        return timeouts.first_token_reasoning
    return timeouts.first_token

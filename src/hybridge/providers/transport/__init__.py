"""The only way out to a provider: an HTTP/1.1 client on asyncio protocols and httptools.

One call costs a pooled connection, one write, one future. There is no task, queue or timer per call or chunk.
Redirects are not followed, answers are framed as strictly as llhttp knows how, every failure is a `ProviderError`.

    client.py      `HttpTransport`: aims, sends, tries a stale connection once more
    request.py     addresses and heads, serialised once
    pool.py        connections of one origin; who waits for one
    connection.py  the asyncio protocol: flow control and the one timer
    answer.py      an answer on its way: waiting, time-outs, back-pressure
    framing.py     an answer as the parser sees it
    decode.py      gzip and deflate
    dial.py        from an origin to a connected socket: both address families, proxy tunnel, TLS
    dns.py         names, remembered for a short time
    proxy.py       which proxy the environment wants
    tls.py         certificates and session reuse
"""

from hybridge.providers.transport.answer import Answer
from hybridge.providers.transport.client import HttpTransport
from hybridge.providers.transport.dns import Address, Resolver
from hybridge.providers.transport.request import HeaderBlock, encode_headers
from hybridge.providers.transport.tls import TlsContext

__all__ = ["Address", "Answer", "HeaderBlock", "HttpTransport", "Resolver", "TlsContext", "encode_headers"]

"""Simulated providers: real HTTP servers that speak the three dialects, with latencies, prices and failures set.

Shipped: demo mode, `hybridge simulate`, the benchmark and the tests use the same ones. Their codecs are their own and
know nothing of `hybridge.dialects`, so that each can witness against the other.
"""

"""Fault injection: a proxy that breaks what passes, and runs that show what a client sees of it.

Like the simulator, it knows nothing of the gateway's own codecs, so that it can witness against them.
"""

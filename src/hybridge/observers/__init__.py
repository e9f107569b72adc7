"""Readers of ledger entries: what an entry means for whoever watches."""

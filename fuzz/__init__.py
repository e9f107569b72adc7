"""Mutated requests and answers against the whole gateway, and against its codecs alone; never part of the package."""

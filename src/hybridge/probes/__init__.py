"""Probes: calls that nobody asked for, made to learn how providers are where traffic does not tell."""

"""HTTP in: plain ASGI, no framework."""

"""HTTP in: our own server and a door for ASGI, no framework."""

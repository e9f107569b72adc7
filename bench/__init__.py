"""What a request costs: a mock upstream, a load generator and the gateway, each a process of its own."""

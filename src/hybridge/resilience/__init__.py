"""Pure state machines with a clock: breakers, key pools, retries."""

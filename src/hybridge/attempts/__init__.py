"""The attempts of a request: one after the other, two at once, or one that goes on with another."""

"""From a model's name to a plan. Pure."""

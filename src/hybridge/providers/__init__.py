"""HTTP out: the rows, the catalogue, one call to a provider, and the only socket."""

"""One behavioural suite for every adapter of a port."""

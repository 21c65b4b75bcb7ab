"""What the engine needs from the world; one behavioural suite (`tests/conformance/`) holds for every adapter."""

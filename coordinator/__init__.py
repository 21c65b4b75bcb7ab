"""The coordinator: pops signals, steps runs, applies what `step` says, routes to the next node's stream."""

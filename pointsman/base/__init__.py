"""What every other part may use: ids, errors, the clock, crash points. Imports nothing of ours."""

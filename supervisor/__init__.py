"""The supervisor: timers, lost workers, the journal, completion, and what was accepted but not started."""

"""What passes between workers, coordinators, stores and the journal: tokens, signals, transitions, events, outcomes."""

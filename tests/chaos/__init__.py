"""Faults by chance against everything that a user runs, and what must hold whatever they were."""

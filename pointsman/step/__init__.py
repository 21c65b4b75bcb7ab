"""The pure engine: what one signal changes in one run. No I/O, no clock, no chance, nothing async."""

from pointsman.step.fold import advance, fold, opened_by
from pointsman.step.program import Program
from pointsman.step.start import start
from pointsman.step.step import step
from pointsman.step.values import OutputsNeeded

__all__ = ["OutputsNeeded", "Program", "advance", "fold", "opened_by", "start", "step"]

"""The thin shell around `step`: loads what it reads, stores what is too large, applies what it says, again if stale."""

from pointsman.execute.executor import Allow, Executor, Judge, Prepare, Prepared, Tried, Verdict
from pointsman.execute.outputs import store_large_outputs, stored
from pointsman.execute.programs import PlanMissing, Programs
from pointsman.execute.starting import Origin, Starting
from pointsman.execute.stepping import start_with_blobs, step_with_blobs

__all__ = [
    "Allow",
    "Executor",
    "Judge",
    "Origin",
    "PlanMissing",
    "Prepare",
    "Prepared",
    "Programs",
    "Starting",
    "Tried",
    "Verdict",
    "start_with_blobs",
    "step_with_blobs",
    "store_large_outputs",
    "stored",
]

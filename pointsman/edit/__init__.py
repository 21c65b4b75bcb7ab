"""Live editing, pure: from a run, its history and two plans to the transition between them, or the reasons not to."""

from pointsman.edit.compliance import OnRunning
from pointsman.edit.edit import Editing, ReplayDiverged, edit
from pointsman.edit.replay import Replay

__all__ = ["Editing", "OnRunning", "Replay", "ReplayDiverged", "edit"]

"""What stands in paths and queries, by name."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Path, Query

from pointsman.base.ids import RunId

RunPath = Annotated[
    RunId, Path(pattern=r"^[A-Za-z0-9._-]{1,128}$", description="The run's id.", examples=["run_01JB3"])
]
WorkflowPath = Annotated[
    str, Path(pattern=r"^[^/\x00-\x1f\x7f]{1,200}$", description="The workflow's name.", examples=["support-triage"])
]
TAG: Final = r"^[A-Za-z][A-Za-z0-9._-]{0,63}$"
"""How tags are spelled: never as a number, which would be a version."""
TagPath = Annotated[str, Path(pattern=TAG, description="A tag of the workflow.", examples=["prod"])]
VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1, description="A version, from 1.", examples=[1])]
FleetEditPath = Annotated[
    str,
    Path(
        pattern=r"^edit_[0-9A-HJKMNP-TV-Z]{26}$",
        description="The id of an edit of a fleet.",
        examples=["edit_01JB3R5D6X7Y8Z9A0B1C2D3E4F"],
    ),
]
RevisionPath = Annotated[
    int, Path(ge=1, le=2**31 - 1, description="A revision of the run: that which an edit made.", examples=[2])
]
MAX_NUMBER: Final = 2**31 - 1
AtRevision = Annotated[
    int | None, Query(ge=1, le=MAX_NUMBER, description="An earlier one; the run's own unless given.")
]
Before = Annotated[int, Query(ge=1, le=MAX_NUMBER, description="List numbers below this: `next` of the page before.")]
Limit = Annotated[int, Query(ge=1, le=500, description="How many are given at most.")]

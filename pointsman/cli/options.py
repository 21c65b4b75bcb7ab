"""The options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import typer

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Write JSON to standard output, and nothing else there.")
]
ApiUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--api-url",
        metavar="URL",
        help="Where the API is; by default POINTSMAN_API_URL, else what `pointsman dev` started.",
    ),
]
RunArgument: TypeAlias = Annotated[str, typer.Argument(metavar="RUN", help="The run's id.")]

DryRun: TypeAlias = Annotated[
    bool,
    typer.Option("--dry-run", help="Change nothing: show what it would do, and the command that commits it."),
]
OnRunning: TypeAlias = Annotated[
    Literal["refuse", "cancel", "restart"],
    typer.Option(help="What becomes of tasks that workers have, where the edit contradicts them."),
]
PlanHash: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="HASH", help="From a preview: refuse the edit if it would do anything else by now."),
]
Description: TypeAlias = Annotated[str | None, typer.Option(help="Why, for those who read the history.")]

"""The commands about definitions. They need no server: what they say is what the API would say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.text import Text

from pointsman.base.errors import InvalidDefinition, Problem
from pointsman.cli.exits import ExitCode
from pointsman.cli.export import as_dot, as_mermaid
from pointsman.cli.options import AsJson
from pointsman.cli.output import Output, problem_json
from pointsman.cli.sources import FileArgument, compiled
from pointsman.definition import json_schema
from pointsman.plan import encode_plan, plan_digest
from pointsman.settings import load


def validate(file: FileArgument, as_json: AsJson = False) -> None:
    """Check a definition: every problem at once, each with its line and what was probably meant."""
    output = Output(as_json=as_json)
    try:
        _, made = compiled(file, load("cli"))
    except InvalidDefinition as error:
        told = {"valid": False, "problems": [problem_json(problem) for problem in error.problems], "warnings": []}
        output.result(told, _listing(file, error.problems, ()))
        raise typer.Exit(ExitCode.INVALID) from None
    plan = made.plan
    facts = {"name": plan.name, "nodes": len(plan.nodes), "edges": len(plan.edges)}
    told = {"valid": True, "problems": [], "warnings": [problem_json(warning) for warning in made.warnings]}
    listing = _listing(file, (), made.warnings)
    listing.append(f"{file} is valid: {facts['name']}, {facts['nodes']} nodes, {facts['edges']} edges", "green")
    output.result(told | {"plan": facts | {"digest": plan_digest(encode_plan(plan))}}, listing)


def graph(
    file: FileArgument,
    form: Annotated[
        Literal["mermaid", "dot"], typer.Option("--format", help="The language to draw it in.")
    ] = "mermaid",
    as_json: AsJson = False,
) -> None:
    """Draw a definition as a Mermaid or Graphviz diagram."""
    plan = compiled(file, load("cli"))[1].plan
    text = as_mermaid(plan) if form == "mermaid" else as_dot(plan)
    output = Output(as_json=as_json)
    if as_json:
        output.document({"format": form, "text": text})
    else:
        output.text(text)


def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of definitions, for editors to check and complete them."""
    Output(as_json=as_json).document(json_schema())


def _listing(file: Path, problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> Text:
    listing = Text()
    for kind, style, found in (("error", "bold red", problems), ("warning", "bold yellow", warnings)):
        for problem in found:
            place = f"{file}:{problem.line}" if problem.line else str(file)
            hint = f" Did you mean {problem.suggestion}?" if problem.suggestion else ""
            listing.append(f"{place}: ").append(f"{kind} {problem.code}", style)
            listing.append(f" {problem.pointer or '/'}: {problem.message}{hint}\n")
    if problems:
        count = len(problems)
        listing.append(f"{file} is not valid: {count} {'problem' if count == 1 else 'problems'}", "red")
    return listing

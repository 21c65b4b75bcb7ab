"""The OpenAPI document: what FastAPI finds in the routes, with the schemas of our structs and forms."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from orchestrator_api.answers import component
from orchestrator_api.commands import CommandDone, CommandForm
from orchestrator_api.dead_letters import LetterPage
from orchestrator_api.edit_tokens import EditTokenForm, IssuedEditToken
from orchestrator_api.edits import RevisionDifference
from orchestrator_api.events import EventPage
from orchestrator_api.fleet import FleetEditForm, FleetEditPage, FleetEditView, ResumeForm
from orchestrator_api.fleet_preview import FleetPreview
from orchestrator_api.forks import ForkedRun, ForkForm, RetriedRun, RetryForm
from orchestrator_api.health import Alive, Readiness
from orchestrator_api.letter_ends import Redriven
from orchestrator_api.letter_story import LetterView
from orchestrator_api.patches import PatchDone, PatchForm, PatchLists
from orchestrator_api.preview import PatchPreview
from orchestrator_api.problems import ProblemDetails
from orchestrator_api.promote import PromotedWorkflow, PromoteForm
from orchestrator_api.redrive import RedriveForm, RedriveManyForm, RedrivenMany
from orchestrator_api.runs import AcceptedRun, RunPage, StartRun
from orchestrator_api.schema import ErrorPage
from orchestrator_api.tags import MovedTag, Tag, TagForm, TagHistory, TagPage, TagReason
from orchestrator_api.task_types import TaskTypes
from orchestrator_api.view import RunView
from orchestrator_api.workflows import PublishedWorkflow, VersionPage, WorkflowDocument, WorkflowPage
from pointsman.definition import Definition

_REF: Final = "#/components/schemas/"
ANSWERS: Final = (
    AcceptedRun,
    Alive,
    CommandDone,
    ErrorPage,
    EventPage,
    FleetEditPage,
    FleetEditView,
    FleetPreview,
    ForkedRun,
    IssuedEditToken,
    LetterPage,
    LetterView,
    MovedTag,
    PatchDone,
    PatchLists,
    PatchPreview,
    ProblemDetails,
    PromotedWorkflow,
    PublishedWorkflow,
    Readiness,
    Redriven,
    RedrivenMany,
    RetriedRun,
    RevisionDifference,
    RunPage,
    RunView,
    Tag,
    TagHistory,
    TagPage,
    TaskTypes,
    VersionPage,
    WorkflowDocument,
    WorkflowPage,
)
FORMS: Final = (
    CommandForm,
    Definition,
    EditTokenForm,
    FleetEditForm,
    ForkForm,
    PatchForm,
    PromoteForm,
    RedriveForm,
    RedriveManyForm,
    ResumeForm,
    RetryForm,
    StartRun,
    TagForm,
    TagReason,
)


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document; made once."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, routes=app.routes, description=app.description)
        made.setdefault("components", {}).setdefault("schemas", {}).update(schemas())
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        app.openapi_schema = made
    return app.openapi_schema


def schemas() -> dict[str, Any]:
    """The schemas of every answer and every body, by name."""
    _, found = msgspec.json.schema_components(ANSWERS, ref_template=_REF + "{name}")
    for form in FORMS:
        # Plans have nodes and edges, too, and those are others.
        schema = form.model_json_schema(ref_template=f"{_REF}{form.__name__}.{{model}}")
        found |= {f"{form.__name__}.{name}": part for name, part in schema.pop("$defs", {}).items()}
        found[form.__name__] = schema
    # Pydantic refers to no schema that it did not make itself.
    found[StartRun.__name__]["properties"]["definition"] |= component(Definition)
    return found

"""Workflows: definitions published under a name, each version for ever."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from orchestrator_api.answers import answer, component, gives, takes
from orchestrator_api.bodies import JSON, YAML, media_type, read_body
from orchestrator_api.compiling import Made
from orchestrator_api.deps import Api, Services, WorkflowVersion
from orchestrator_api.paths import MAX_NUMBER, Before, Limit, VersionPath, WorkflowPath
from orchestrator_api.problems import LocatedProblem, located
from orchestrator_api.runs import no_such_workflow
from pointsman.base.errors import Problem
from pointsman.base.ids import Digest, Millis, RunId
from pointsman.compile.assemble import UNNAMED
from pointsman.definition import Definition, refused

router = APIRouter(prefix="/api/v1/workflows", tags=["workflows"])

MAX_NAME = 200


class WorkflowSummary(msgspec.Struct, frozen=True):
    """One version of a workflow."""

    name: str
    version: int
    plan: Digest
    """The digest of what it compiles to."""
    created_at: Millis
    created_by: str


class PublishedWorkflow(msgspec.Struct, frozen=True):
    """A version that was published, or was there already."""

    name: str
    version: int
    plan: Digest
    created_at: Millis
    created_by: str
    warnings: tuple[LocatedProblem, ...]
    """What the compiler would have the author look at."""


class Origin(msgspec.Struct, frozen=True):
    """The run that a version was made of, and which of its revisions."""

    run_id: RunId
    revision: int


class WorkflowDocument(msgspec.Struct, frozen=True):
    """One version of a workflow, with its definition."""

    name: str
    version: int
    plan: Digest
    created_at: Millis
    created_by: str
    description: str
    """What was said when it was promoted."""
    promoted_from: Origin | None
    """Null where it was published."""
    definition: msgspec.Raw
    """The author's document."""


class VersionPage(msgspec.Struct, frozen=True):
    """The versions of a workflow, newest first."""

    versions: tuple[WorkflowSummary, ...]
    next: int | None
    """`before` for the next page; null on the last one."""


class WorkflowPage(msgspec.Struct, frozen=True):
    """Workflows by name, each in its newest version."""

    workflows: tuple[WorkflowSummary, ...]
    next: str | None
    """`after` for the next page; null on the last one."""


_EXAMPLE = {
    "name": "support-triage",
    "nodes": [{"id": "classify", "type": "function"}, {"id": "reply", "type": "function"}],
    "edges": [{"from": "classify", "to": "reply", "when": "output.urgent"}],
}


@router.post(
    "",
    status_code=201,
    summary="Publish a workflow",
    responses={
        200: gives(PublishedWorkflow, "The newest version is this very definition; nothing was changed."),
        201: gives(PublishedWorkflow, "A new version."),
    },
    openapi_extra=takes(component(Definition), {"two steps": _EXAMPLE}, "application/json", "application/yaml"),
)
async def publish(request: Request, services: Api) -> Response:
    """Compile a definition and publish it as the newest version of the workflow it names."""
    body = await read_body(request, JSON | YAML)
    made = await services.compiler.compile(body, "yaml" if media_type(request) in YAML else "json")
    name = published_name(made)
    digests = await _stored(services, name, made)
    found, is_new = await services.records.workflows.publish(name, *digests, request.state.caller)
    warnings = tuple(map(located, made.warnings))
    told = PublishedWorkflow(name, found.version, found.plan, found.created_at, found.created_by, warnings)
    return answer(told, 201 if is_new else 200)


@router.get("", summary="List workflows", responses={200: gives(WorkflowPage, "Workflows by name.")})
async def list_workflows(
    services: Api,
    after: Annotated[
        str, Query(max_length=MAX_NAME, pattern=r"^[^\x00]*$", description="List names behind this.")
    ] = "",
    limit: Limit = 50,
) -> Response:
    """List workflows by name, each in its newest version."""
    found = await services.records.workflows.newest(after=after, limit=limit + 1)
    following = found[limit - 1].workflow if len(found) > limit else None
    return answer(WorkflowPage(tuple(map(_summary, found[:limit])), following))


@router.get(
    "/{name}",
    summary="The newest version",
    responses={200: gives(WorkflowDocument, "The newest version of a workflow.")},
)
async def get_newest(name: WorkflowPath, services: Api) -> Response:
    """The newest version of a workflow."""
    return await _document(services, name, None)


@router.get(
    "/{name}/versions",
    summary="List the versions of a workflow",
    responses={200: gives(VersionPage, "Its versions, newest first.")},
)
async def list_versions(name: WorkflowPath, services: Api, before: Before = MAX_NUMBER, limit: Limit = 50) -> Response:
    """List the versions of a workflow, newest first."""
    found = await services.records.workflows.versions(name, before=before, limit=limit + 1)
    if not found and await services.records.workflows.get(name) is None:
        raise no_such_workflow(name, None)
    following = found[limit - 1].version if len(found) > limit else None
    return answer(VersionPage(tuple(map(_summary, found[:limit])), following))


@router.get(
    "/{name}/versions/{version}", summary="One version", responses={200: gives(WorkflowDocument, "That version.")}
)
async def get_version(name: WorkflowPath, version: VersionPath, services: Api) -> Response:
    """One version of a workflow. It never changes."""
    return await _document(services, name, version)


def published_name(made: Made) -> str:
    """The name of a definition. Raises `InvalidDefinition` API011 where it can be published under none."""
    name = made.plan.name
    if name == UNNAMED:
        raise refused(Problem("API011", "/name", "a published workflow needs a `name`."))
    if len(name) > MAX_NAME or "/" in name or not name.isprintable():
        told = f"the name of a published workflow has at most {MAX_NAME} characters, all printable, and no slash."
        raise refused(Problem("API011", "/name", told))
    return name


async def _stored(services: Services, name: str, made: Made) -> tuple[Digest, Digest]:
    """Store definition and plan. A document that says the same as the newest version's is taken for that one."""
    documents = services.records.documents
    plan = await documents.put_plan(made.encoded)
    newest = await services.records.workflows.get(name)
    if newest is not None and newest.plan == plan:
        before = await documents.definition(newest.definition)
        if before is not None and says_the_same(before, made.definition):
            return newest.definition, plan
    return await documents.put_definition(made.definition), plan


def says_the_same(one: bytes, other: bytes) -> bool:
    """Whether two documents differ in their spelling at most."""
    read: Any = msgspec.json.decode
    return bool(read(one) == read(other))


async def _document(services: Services, name: str, version: int | None) -> Response:
    found = await services.records.workflows.get(name, version)
    if found is None:
        raise no_such_workflow(name, version)
    body = await services.records.documents.definition(found.definition)
    assert body is not None, "a foreign key sees to it"
    return answer(
        WorkflowDocument(
            found.workflow,
            found.version,
            found.plan,
            found.created_at,
            found.created_by,
            found.description,
            _origin(found),
            msgspec.Raw(body),
        )
    )


def _origin(found: WorkflowVersion) -> Origin | None:
    if found.from_run is None or found.from_revision is None:
        return None
    return Origin(found.from_run, found.from_revision)


def _summary(found: WorkflowVersion) -> WorkflowSummary:
    return WorkflowSummary(found.workflow, found.version, found.plan, found.created_at, found.created_by)

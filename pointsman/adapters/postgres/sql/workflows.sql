-- Workflows and their versions. A version is never changed or removed.

-- name: lock_workflow
-- Takes the row's lock, so that two publishers of one workflow stand in line.
INSERT INTO workflows (name, latest) VALUES ($1, 1)
ON CONFLICT (name) DO UPDATE SET latest = workflows.latest
RETURNING latest;

-- name: raise_latest_version
UPDATE workflows SET latest = $2 WHERE name = $1;

-- name: add_workflow_version
INSERT INTO workflow_versions (
    workflow, version, definition, plan, created_by, description, from_run, from_revision
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING workflow, version, definition, plan, created_at, created_by, description, from_run, from_revision;

-- name: get_workflow_version
SELECT workflow, version, definition, plan, created_at, created_by, description, from_run, from_revision
FROM workflow_versions WHERE workflow = $1 AND version = $2;

-- name: workflow_versions_of_plan
SELECT workflow, version, definition, plan, created_at, created_by, description, from_run, from_revision
FROM workflow_versions WHERE workflow = $1 AND plan = $2
ORDER BY version DESC;

-- name: latest_workflow_version
SELECT
    v.workflow, v.version, v.definition, v.plan, v.created_at, v.created_by, v.description, v.from_run, v.from_revision
FROM workflows AS w
JOIN workflow_versions AS v ON v.workflow = w.name AND v.version = w.latest
WHERE w.name = $1;

-- name: list_workflow_versions
SELECT workflow, version, definition, plan, created_at, created_by, description, from_run, from_revision
FROM workflow_versions WHERE workflow = $1 AND version < $2
ORDER BY version DESC LIMIT $3;

-- name: list_workflows
SELECT
    v.workflow, v.version, v.definition, v.plan, v.created_at, v.created_by, v.description, v.from_run, v.from_revision
FROM workflows AS w
JOIN workflow_versions AS v ON v.workflow = w.name AND v.version = w.latest
WHERE w.name > $1
ORDER BY w.name LIMIT $2;

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

-- name: hold_workflow
SELECT latest FROM workflows WHERE name = $1 FOR UPDATE;

-- name: tag_move
SELECT tag, number, version, in_force, at, by, reason FROM workflow_tag_moves
WHERE workflow = $1 AND tag = $2 AND number = $3;

-- name: last_tag_move
SELECT tag, number, version, in_force, at, by, reason FROM workflow_tag_moves
WHERE workflow = $1 AND tag = $2
ORDER BY number DESC LIMIT 1;

-- name: add_tag_move
INSERT INTO workflow_tag_moves (workflow, tag, number, version, in_force, by, reason) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING tag, number, version, in_force, at, by, reason;

-- name: list_tags
-- From tag to tag by the primary key, however often each has moved.
WITH RECURSIVE tags (tag) AS (
    (SELECT tag FROM workflow_tag_moves WHERE workflow = $1 AND tag > $2 ORDER BY tag LIMIT 1)
    UNION ALL
    SELECT (SELECT m.tag FROM workflow_tag_moves AS m WHERE m.workflow = $1 AND m.tag > tags.tag ORDER BY m.tag LIMIT 1)
    FROM tags WHERE tags.tag IS NOT NULL
)
SELECT last.* FROM tags, LATERAL (
    SELECT m.tag, m.number, m.version, m.in_force, m.at, m.by, m.reason FROM workflow_tag_moves AS m
    WHERE m.workflow = $1 AND m.tag = tags.tag
    ORDER BY m.number DESC LIMIT 1
) AS last
WHERE last.version IS NOT NULL
ORDER BY last.tag LIMIT $3;

-- name: tag_history
SELECT m.tag, m.number, m.version, m.in_force, m.at, m.by, m.reason, before.version AS moved_from
FROM workflow_tag_moves AS m
LEFT JOIN workflow_tag_moves AS before
    ON before.workflow = m.workflow AND before.tag = m.tag AND before.number = m.number - 1
WHERE m.workflow = $1 AND m.tag = $2 AND m.number < $3
ORDER BY m.number DESC LIMIT $4;

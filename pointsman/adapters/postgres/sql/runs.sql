-- Runs: what the API accepts and reads. The journal's projections (journal.sql) move them on.

-- name: accept_run
INSERT INTO runs (
    run_id, workflow, version, definition, plan, engine, input, input_ref, metadata, created_at, tag, forked_from, fork, tenant,
    crc
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: get_run
SELECT * FROM runs WHERE run_id = $1;

-- name: list_runs
SELECT * FROM runs
WHERE (created_at, run_id) < ($1, $2)
ORDER BY created_at DESC, run_id DESC LIMIT $3;

-- name: list_runs_by_status
SELECT * FROM runs
WHERE status = $4 AND (created_at, run_id) < ($1, $2)
ORDER BY created_at DESC, run_id DESC LIMIT $3;

-- name: list_runs_by_workflow
SELECT * FROM runs
WHERE workflow = $4 AND (created_at, run_id) < ($1, $2)
ORDER BY created_at DESC, run_id DESC LIMIT $3;

-- name: list_runs_by_status_and_workflow
SELECT * FROM runs
WHERE status = $4 AND workflow = $5 AND (created_at, run_id) < ($1, $2)
ORDER BY created_at DESC, run_id DESC LIMIT $3;

-- name: list_forks
-- Those of one run are few: what else is asked for is looked for among them.
SELECT * FROM runs
WHERE forked_from = $4 AND (created_at, run_id) < ($1, $2)
    AND ($5::text IS NULL OR status = $5) AND ($6::text IS NULL OR workflow = $6)
ORDER BY created_at DESC, run_id DESC LIMIT $3;

-- name: accepted_not_started
SELECT * FROM runs
WHERE status = 'QUEUED' AND tenant = $1 AND created_at <= $2 AND (created_at, run_id) > ($3, $4)
    AND plan <> ALL ($6::text[])
    AND NOT EXISTS (SELECT FROM events AS e WHERE e.run_id = runs.run_id)
ORDER BY created_at, run_id LIMIT $5;

-- Each step finds the next tenant by the index: what it costs grows with the tenants, not with what they have waiting.
-- name: tenants_waiting
WITH RECURSIVE waiting AS (
    (SELECT tenant FROM runs WHERE status = 'QUEUED' ORDER BY tenant LIMIT 1)
    UNION ALL
    SELECT (SELECT r.tenant FROM runs AS r WHERE r.status = 'QUEUED' AND r.tenant > w.tenant ORDER BY r.tenant LIMIT 1)
    FROM waiting AS w WHERE w.tenant IS NOT NULL
)
SELECT tenant FROM waiting WHERE tenant IS NOT NULL;

-- name: queued_runs_of_tenant
SELECT count(*) FROM (SELECT FROM runs WHERE status = 'QUEUED' AND tenant = $1 LIMIT $2) AS waiting;

-- name: final_runs
SELECT run_id FROM runs WHERE run_id = ANY ($1::text[]) AND ended_at IS NOT NULL;

-- name: run_ended_by
SELECT EXISTS (SELECT FROM runs WHERE run_id = $1 AND ended_at IS NOT NULL AND seq <= $2);

-- name: quiet_runs
SELECT r.run_id, r.created_at, latest.seq
FROM runs AS r, LATERAL (
    SELECT e.at, e.seq FROM events AS e WHERE e.run_id = r.run_id ORDER BY e.epoch DESC, e.seq DESC LIMIT 1
) AS latest
WHERE r.status = 'RUNNING' AND latest.at <= $1 AND (r.created_at, r.run_id) > ($2, $3)
ORDER BY r.created_at, r.run_id LIMIT $4;

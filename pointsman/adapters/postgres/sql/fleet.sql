-- Edits of all open runs of a version: what is to be done, what was done, and what came of it, run by run.

-- name: add_fleet_edit
-- The order is that of the hashes of run ids: by chance as far as anybody is concerned, and always the same.
WITH open_runs AS (
    SELECT run_id, row_number() OVER (ORDER BY sha256(convert_to(run_id::text, 'UTF8'))) AS position
    FROM runs
    WHERE workflow = $2 AND version = $3 AND status IN ('QUEUED', 'RUNNING', 'PAUSED')
), edit AS (
    INSERT INTO fleet_edits (
        id, workflow, version, operations, description, by, on_running, rate_per_s, stop_on_error_share, runs, reach,
        status
    )
    SELECT
        $1, $2, $3, $4, $5, $6, $7, $8, $9, count(*), ceil(count(*) * $10::double precision::numeric / 100),
        CASE count(*) WHEN 0 THEN 'completed' ELSE 'running' END
    FROM open_runs
    RETURNING *
), items AS (
    INSERT INTO fleet_edit_items (edit, position, run_id) SELECT edit.id, open_runs.position, open_runs.run_id
    FROM edit, open_runs
)
SELECT * FROM edit;

-- name: get_fleet_edit
SELECT * FROM fleet_edits WHERE id = $1;

-- name: count_open_runs_of_version
SELECT count(*) FROM runs WHERE workflow = $1 AND version = $2 AND status IN ('QUEUED', 'RUNNING', 'PAUSED');

-- name: open_runs_of_version
SELECT run_id FROM runs
WHERE workflow = $1 AND version = $2 AND status IN ('QUEUED', 'RUNNING', 'PAUSED')
ORDER BY sha256(convert_to(run_id::text, 'UTF8')) LIMIT $3;

-- name: count_fleet_edit_items
SELECT state, count(*) FROM fleet_edit_items WHERE edit = $1 GROUP BY state;

-- name: fleet_edit_items
SELECT position, run_id, state, revision, code, message, decided_at FROM fleet_edit_items
WHERE edit = $1 AND position > $2 ORDER BY position LIMIT $3;

-- name: fleet_edit_items_in_state
SELECT position, run_id, state, revision, code, message, decided_at FROM fleet_edit_items
WHERE edit = $1 AND position > $2 AND state = $4 ORDER BY position LIMIT $3;

-- name: cancel_fleet_edit
UPDATE fleet_edits SET status = 'cancelled'
WHERE id = $1 AND status IN ('running', 'waiting', 'stopped')
RETURNING id;

-- name: resume_fleet_edit
-- What was decided until now was looked at by whoever resumes: the share of errors is counted anew.
UPDATE fleet_edits SET
    status = 'running',
    reach = CASE status WHEN 'waiting' THEN runs ELSE reach END,
    stop_on_error_share = coalesce($2, stop_on_error_share),
    decided = 0,
    errors = 0
WHERE id = $1 AND status IN ('running', 'waiting', 'stopped')
RETURNING id;

-- name: retry_failed_fleet_items
UPDATE fleet_edit_items SET state = 'pending', code = NULL, message = NULL, decided_at = NULL
WHERE edit = $1 AND state = 'failed';

-- name: fleet_edits_to_do
SELECT id FROM fleet_edits WHERE status = 'running'
UNION
SELECT edit FROM fleet_edit_items WHERE state = 'applying';

-- name: try_fleet_lock
SELECT pg_try_advisory_lock($1, hashtext($2));

-- name: bound_fleet_lock
-- Whoever hangs is hung up on.
SET idle_session_timeout = '60s';

-- name: let_go_fleet_lock
SELECT pg_advisory_unlock_all();
RESET idle_session_timeout;

-- name: fleet_items_in_hand
SELECT position, run_id, tries + 1 AS tries FROM fleet_edit_items
WHERE edit = $1 AND state = 'applying' ORDER BY position;

-- name: claim_fleet_item
UPDATE fleet_edit_items SET state = 'applying', tries = tries + 1
WHERE edit = $1 AND position = (
    SELECT i.position
    FROM fleet_edits AS e
    JOIN fleet_edit_items AS i ON i.edit = e.id
    WHERE e.id = $1 AND e.status = 'running' AND i.state = 'pending' AND i.position <= e.reach
    ORDER BY i.position LIMIT 1
    FOR UPDATE OF i SKIP LOCKED
)
RETURNING position, run_id, tries;

-- name: decide_fleet_item
UPDATE fleet_edit_items
SET state = $3, revision = $4, code = $5, message = $6, decided_at = unix_millis()
WHERE edit = $1 AND position = $2 AND state = 'applying'
RETURNING position;

-- name: count_fleet_decision
-- A few errors among the first runs say little: a share is taken of ten at least, or of all that it may go to.
UPDATE fleet_edits SET
    decided = decided + 1,
    errors = errors + $2,
    status = CASE
        WHEN status = 'running' AND errors + $2 > stop_on_error_share * greatest(decided + 1, least(10, reach))
            THEN 'stopped'
        ELSE status
    END
WHERE id = $1
RETURNING status;

-- name: put_fleet_item_back
UPDATE fleet_edit_items SET state = 'pending' WHERE edit = $1 AND position = $2 AND state = 'applying';

-- name: finish_fleet_edit
UPDATE fleet_edits AS e
SET status = CASE WHEN e.reach < e.runs THEN 'waiting' ELSE 'completed' END
WHERE e.id = $1 AND e.status = 'running' AND NOT EXISTS (
    SELECT FROM fleet_edit_items AS i
    WHERE i.edit = e.id AND i.position <= e.reach AND i.state IN ('pending', 'applying')
);

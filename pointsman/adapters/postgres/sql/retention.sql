-- What is kept, and for how long: runs that ended, idempotency keys, references to blobs.

-- name: try_retention_lock
SELECT pg_try_advisory_lock($1);

-- name: expired_runs
SELECT r.ended_at, r.run_id FROM runs AS r
WHERE r.ended_at < $1 AND (r.ended_at, r.run_id) > ($2, $3)
    AND NOT EXISTS (
        SELECT FROM fleet_edit_items AS i JOIN fleet_edits AS e ON e.id = i.edit
        WHERE i.run_id = r.run_id AND e.status IN ('running', 'waiting', 'stopped')
    )
    AND NOT EXISTS (SELECT FROM runs AS f WHERE f.forked_from = r.run_id AND f.ended_at IS NULL)
ORDER BY r.ended_at, r.run_id LIMIT $4;

-- name: hold_expired_runs
SELECT r.run_id FROM runs AS r
WHERE r.run_id = ANY ($1::text[]) AND r.ended_at < $2
    AND NOT EXISTS (
        SELECT FROM fleet_edit_items AS i JOIN fleet_edits AS e ON e.id = i.edit
        WHERE i.run_id = r.run_id AND e.status IN ('running', 'waiting', 'stopped')
    )
    AND NOT EXISTS (SELECT FROM runs AS f WHERE f.forked_from = r.run_id AND f.ended_at IS NULL)
FOR UPDATE;

-- name: release_blobs_of_runs
UPDATE blob_references SET released_at = unix_millis() WHERE run_id = ANY ($1::text[]) AND released_at IS NULL;

-- name: remove_events_of_runs
DELETE FROM events WHERE run_id = ANY ($1::text[]);

-- name: remove_patches_of_runs
DELETE FROM patches WHERE run_id = ANY ($1::text[]);

-- name: remove_refusals_of_runs
DELETE FROM patch_audit WHERE run_id = ANY ($1::text[]);

-- name: remove_alarms_of_runs
DELETE FROM journal_alarms WHERE run_id = ANY ($1::text[]);

-- name: remove_letters_of_runs
DELETE FROM dead_letters WHERE run_id = ANY ($1::text[]);

-- name: remove_letters_of_no_run
-- Of signals that named no run, or one that never was.
DELETE FROM dead_letters WHERE id IN (
    SELECT l.id FROM dead_letters AS l
    WHERE l.at < $1 AND NOT EXISTS (SELECT FROM runs AS r WHERE r.run_id = l.run_id)
    ORDER BY l.at LIMIT $2
);

-- name: remove_stuck_marks_of_runs
DELETE FROM stuck_runs WHERE run_id = ANY ($1::text[]);

-- name: remove_runs
DELETE FROM runs WHERE run_id = ANY ($1::text[]);

-- name: remove_old_keys
-- Ten minutes early: no key is to name a run that is gone, and the clocks of the two servers may differ a little.
DELETE FROM idempotency_keys
WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency_keys WHERE created_at < unix_millis() - $1 + 600000 ORDER BY created_at LIMIT $2
);

-- name: needed_blobs
-- The input of a run that has no event yet is named by its row alone, a result that was set aside by its signal.
SELECT digest FROM blob_references WHERE digest = ANY ($1::text[]) AND (released_at IS NULL OR released_at >= $2)
UNION
SELECT substr(input_ref, 8) FROM runs WHERE status = 'QUEUED' AND input_ref = ANY (
    SELECT 'blob://' || digest FROM unnest($1::text[]) AS asked (digest)
)
UNION
SELECT asked.digest FROM unnest($1::text[]) AS asked (digest), dead_letters AS l
WHERE l.kind = 'rejected' AND l.status = 'open'
    AND position(convert_to('blob://' || asked.digest, 'UTF8') IN l.signal) > 0;

-- name: forget_blob_references
DELETE FROM blob_references WHERE digest = ANY ($1::text[]) AND released_at IS NOT NULL;

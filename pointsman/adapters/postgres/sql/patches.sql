-- Edits of runs: those taken (written by the journal) and the audit of those refused (written by the API).

-- name: patches_of_run
SELECT revision, seq, at, by, description, operations, inverse, base_definition, definition, plan
FROM patches WHERE run_id = $1 ORDER BY revision;

-- name: events_of_patches
-- An event of a later epoch supersedes one of the same seq.
SELECT DISTINCT ON (p.revision) p.revision, e.body
FROM patches AS p JOIN events AS e ON e.run_id = p.run_id AND e.seq = p.seq
WHERE p.run_id = $1 ORDER BY p.revision, e.epoch DESC;

-- name: event_of_request
-- The event of the edit that a request made, where that edit stands. Requests are named by digests, which nothing else
-- contains.
SELECT e.body FROM patches AS p JOIN events AS e ON e.run_id = p.run_id AND e.seq = p.seq
WHERE p.run_id = $1 AND position(convert_to($2, 'UTF8') IN e.body) > 0 AND NOT EXISTS (
    SELECT FROM events AS later WHERE later.run_id = e.run_id AND later.epoch > e.epoch AND later.seq <= e.seq
);

-- name: record_refused_patch
INSERT INTO patch_audit (run_id, by, description, operations, code, problems) VALUES ($1, $2, $3, $4, $5, $6);

-- name: refused_patches_of_run
SELECT refused_at, by, description, operations, code, problems
FROM patch_audit WHERE run_id = $1 ORDER BY id;

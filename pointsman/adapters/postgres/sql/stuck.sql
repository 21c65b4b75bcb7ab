-- Which open runs nothing will move, as the supervisors last found.

-- name: unmark_stuck_runs
DELETE FROM stuck_runs WHERE run_id <> ALL ($1::text[]);

-- name: mark_stuck_runs
INSERT INTO stuck_runs (run_id, reason)
SELECT s.run_id, s.reason FROM unnest($1::text[], $2::text[]) AS s (run_id, reason)
JOIN runs AS r ON r.run_id = s.run_id AND r.ended_at IS NULL
ON CONFLICT (run_id) DO UPDATE SET reason = excluded.reason WHERE stuck_runs.reason <> excluded.reason;

-- name: why_stuck
SELECT s.run_id, s.reason FROM stuck_runs AS s
JOIN runs AS r ON r.run_id = s.run_id AND r.ended_at IS NULL
WHERE s.run_id = ANY ($1::text[]);

-- name: list_stuck_runs
SELECT r.* FROM stuck_runs AS s JOIN runs AS r ON r.run_id = s.run_id AND r.ended_at IS NULL
WHERE (r.created_at, r.run_id) < ($1, $2) AND ($4::text IS NULL OR r.workflow = $4)
ORDER BY r.created_at DESC, r.run_id DESC LIMIT $3;

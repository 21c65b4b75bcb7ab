-- What recovery reads of the journal, and the openings of Redis.

-- name: open_runs
SELECT r.run_id, r.created_at, latest.epoch, latest.seq, latest.tip
FROM runs AS r, LATERAL (
    SELECT e.epoch, e.seq, e.tip FROM events AS e WHERE e.run_id = r.run_id ORDER BY e.epoch DESC, e.seq DESC LIMIT 1
) AS latest
WHERE r.status = $1 AND (r.created_at, r.run_id) > ($2, $3)
ORDER BY r.created_at, r.run_id LIMIT $4;

-- name: events_of_runs
SELECT run_id, epoch, seq, tip, body FROM events
WHERE run_id = ANY ($1::text[])
ORDER BY run_id, epoch, seq;

-- name: newest_opening
SELECT epoch, server, began_at, opened_at, reason, checked, restored, dropped, failed FROM openings
ORDER BY epoch DESC LIMIT 1;

-- name: note_opening
INSERT INTO openings (epoch, server, began_at, opened_at, reason, checked, restored, dropped, failed)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (epoch) DO UPDATE SET
    opened_at = excluded.opened_at,
    checked = excluded.checked,
    restored = excluded.restored,
    dropped = excluded.dropped,
    failed = excluded.failed;

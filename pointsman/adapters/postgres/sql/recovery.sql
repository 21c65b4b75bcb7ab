-- What recovery reads of the journal, and the openings of Redis.

-- name: open_runs
-- Of one partition, $5, of $6; and those of which that is not written down.
SELECT r.run_id, r.created_at, latest.epoch, latest.seq, latest.tip
FROM runs AS r, LATERAL (
    SELECT e.epoch, e.seq, e.tip FROM events AS e WHERE e.run_id = r.run_id ORDER BY e.epoch DESC, e.seq DESC LIMIT 1
) AS latest
WHERE r.status = $1 AND (r.created_at, r.run_id) > ($2, $3) AND (r.crc IS NULL OR r.crc % $6 = $5)
ORDER BY r.created_at, r.run_id LIMIT $4;

-- name: events_of_runs
SELECT run_id, epoch, seq, tip, body FROM events
WHERE run_id = ANY ($1::text[])
ORDER BY run_id, epoch, seq;

-- name: newest_opening
SELECT epoch, server, began_at, opened_at, reason, checked, restored, dropped, failed FROM openings
WHERE partition = $1
ORDER BY epoch DESC LIMIT 1;

-- name: reserve_opening
-- In the first epoch from the one asked for on that is behind all there were, of whatever partition. None where another
-- partition's took it at this instant, or where not $6 partitions count but others.
WITH begun AS (
    INSERT INTO openings (epoch, server, began_at, reason, partition)
    SELECT greatest($1, latest.epoch + 1), $2, $3, $4, $5 FROM (SELECT max(epoch) AS epoch FROM openings) AS latest
    WHERE NOT EXISTS (SELECT FROM layout WHERE partitions <> $6)
    ON CONFLICT (epoch) DO NOTHING
    RETURNING epoch
)
SELECT (SELECT epoch FROM begun) AS epoch, (SELECT partitions FROM layout WHERE partitions <> $6) AS others;

-- name: note_opening
UPDATE openings SET opened_at = $2, checked = $3, restored = $4, dropped = $5, failed = $6 WHERE epoch = $1;

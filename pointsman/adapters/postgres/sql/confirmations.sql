-- Whether what somebody did to a run is in the journal.

-- name: events_reached
-- Of pairs of runs and seqs those that the journal has got to, each with the tip of the event there: of the latest epoch,
-- which is the one that stands.
SELECT asked.run_id, asked.seq, (
    SELECT e.tip FROM events AS e
    WHERE e.run_id = asked.run_id AND e.seq = asked.seq
    ORDER BY e.epoch DESC LIMIT 1
) AS tip
FROM unnest($1::text[], $2::bigint[]) AS asked (run_id, seq), LATERAL (
    SELECT e.seq FROM events AS e WHERE e.run_id = asked.run_id ORDER BY e.epoch DESC, e.seq DESC LIMIT 1
) AS latest
WHERE asked.seq <= latest.seq;

-- What the journal writes and reads. The common way to write is COPY (pointsman/adapters/postgres/append.py says why).

-- name: append_unless_there
INSERT INTO events (run_id, epoch, seq, tip, at, cause, body)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::bytea[])
ON CONFLICT DO NOTHING
RETURNING run_id, epoch, seq;

-- name: stored_events
SELECT e.run_id, e.epoch, e.seq, e.body
FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS asked (run_id, epoch, seq)
JOIN events AS e USING (run_id, epoch, seq);

-- name: raise_alarms
INSERT INTO journal_alarms (kind, run_id, epoch, seq, tip, body, detail)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bytea[], $7::text[])
ON CONFLICT DO NOTHING;

-- name: announce_journal
-- Without a payload: listeners ask for the runs they care about, many in one query.
SELECT pg_notify('journal', '');

-- name: advance_runs
-- An event that straggles in behind a recovery, and is superseded by it, changes nothing.
UPDATE runs SET
    epoch = c.epoch,
    seq = c.seq,
    status = coalesce(c.status, runs.status),
    revision = coalesce(c.revision, runs.revision),
    definition = coalesce(c.definition, runs.definition),
    plan = coalesce(c.plan, runs.plan),
    started_at = coalesce(runs.started_at, c.started_at),
    ended_at = c.ended_at,
    output = c.output,
    output_ref = c.output_ref,
    error = coalesce(c.error, runs.error)
FROM unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::text[], $7::text[],
    $8::bigint[], $9::bigint[], $10::bytea[], $11::text[], $12::json[]
) AS c (
    run_id, epoch, seq, status, revision, definition, plan, started_at, ended_at, output, output_ref, error
)
WHERE runs.run_id = c.run_id AND (runs.epoch, runs.seq) < (c.epoch, c.seq)
    AND NOT EXISTS (SELECT FROM events AS e WHERE e.run_id = c.run_id AND e.epoch > c.epoch AND e.seq <= c.seq);

-- name: adopt_runs
INSERT INTO runs (run_id, workflow, definition, plan, engine, input, input_ref, metadata, created_at, crc)
SELECT *
FROM unnest(
    $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[], $8::json[], $9::bigint[],
    $10::int[]
)
ON CONFLICT DO NOTHING;

-- name: record_patches
INSERT INTO patches (run_id, revision, seq, at, by, description, operations, inverse, base_definition, definition, plan)
SELECT *
FROM unnest(
    $1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::json[], $8::json[], $9::text[],
    $10::text[], $11::text[]
);

-- name: events_of_run
-- An event is superseded where a later epoch begins at or before its seq; those are left out. Each epoch is read by
-- itself, so that a page costs a page, however long the run is.
WITH RECURSIVE begins (epoch, first) AS (
    (SELECT epoch, seq FROM events WHERE run_id = $1 ORDER BY epoch, seq LIMIT 1)
    UNION ALL
    SELECT later.epoch, later.seq
    FROM begins, LATERAL (
        SELECT e.epoch, e.seq FROM events AS e
        WHERE e.run_id = $1 AND e.epoch > begins.epoch
        ORDER BY e.epoch, e.seq LIMIT 1
    ) AS later
),
spans (epoch, until) AS (
    SELECT epoch, min(first) OVER (ORDER BY epoch ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) FROM begins
)
SELECT page.*
FROM spans, LATERAL (
    SELECT e.run_id, e.epoch, e.seq, e.tip, e.body FROM events AS e
    WHERE e.run_id = $1 AND e.epoch = spans.epoch AND e.seq > $2 AND (spans.until IS NULL OR e.seq < spans.until)
    ORDER BY e.seq LIMIT $3
) AS page
ORDER BY page.seq LIMIT $3;

-- name: positions_of_runs
SELECT asked.run_id, latest.seq
FROM unnest($1::text[]) AS asked (run_id), LATERAL (
    SELECT e.seq FROM events AS e WHERE e.run_id = asked.run_id ORDER BY e.epoch DESC, e.seq DESC LIMIT 1
) AS latest;

-- name: try_writer_lock
SELECT pg_try_advisory_lock($1, $2);

-- name: give_up_writer_lock
SELECT pg_advisory_unlock($1, $2);

-- name: renew_writer_lock
-- Says nothing; it is heard. The server hangs up on a writer that is silent for too long.
SELECT;

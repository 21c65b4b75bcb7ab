-- Dead letters. Those of nodes are written by the journal, with the event that says so; those of signals as they are
-- moved here from Redis.

-- name: record_dead_tokens
INSERT INTO dead_letters (
    id, kind, at, run_id, workflow, epoch, seq, token, node, type, attempt, is_parked, code, message
)
SELECT d.id, d.kind, d.at, d.run_id, r.workflow, d.epoch, d.seq, d.token, d.node, d.type, d.attempt, d.is_parked,
    d.code, d.message
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[],
    $10::int[], $11::boolean[], $12::text[], $13::text[]
) AS d (id, kind, at, run_id, epoch, seq, token, node, type, attempt, is_parked, code, message)
LEFT JOIN runs AS r ON r.run_id = d.run_id
ON CONFLICT DO NOTHING
RETURNING kind;

-- name: settle_dead_letters
-- What became of parked tokens. A letter may be written and settled in one batch.
UPDATE dead_letters AS l
SET status = s.status, decided_at = s.at, decided_by = s.by, reason = s.reason, is_edited = s.is_edited
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::boolean[]
) AS s (run_id, token, epoch, seq, status, at, by, reason, is_edited)
WHERE l.run_id = s.run_id AND l.token = s.token AND (l.epoch, l.seq) < (s.epoch, s.seq)
    AND l.is_parked AND l.status = 'open';

-- name: record_rejected_signals
INSERT INTO dead_letters (id, kind, at, run_id, workflow, token, node, attempt, code, message, signal, signal_length)
SELECT d.id, 'rejected', d.at, d.run_id, r.workflow, d.token, d.node, d.attempt, d.code, d.message, d.signal,
    d.signal_length
FROM unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::bytea[],
    $10::bigint[]
) AS d (id, at, run_id, token, node, attempt, code, message, signal, signal_length)
LEFT JOIN runs AS r ON r.run_id = d.run_id
ON CONFLICT DO NOTHING
RETURNING kind;

-- name: page_of_dead_letters
-- A letter of an event that a recovery superseded is none.
SELECT l.* FROM dead_letters AS l
WHERE (l.at, l.id) < ($1, $2)
    AND ($4::text IS NULL OR l.run_id = $4) AND ($5::text IS NULL OR l.workflow = $5)
    AND ($6::text IS NULL OR l.node = $6) AND ($7::text IS NULL OR l.type = $7)
    AND ($8::text IS NULL OR l.kind = $8) AND ($9::text IS NULL OR l.code = $9)
    AND ($10::text IS NULL OR l.status = $10) AND ($11::bigint IS NULL OR l.at >= $11)
    AND NOT EXISTS (SELECT FROM events AS e WHERE e.run_id = l.run_id AND e.epoch > l.epoch AND e.seq <= l.seq)
ORDER BY l.at DESC, l.id DESC LIMIT $3;

-- name: get_dead_letter
SELECT l.* FROM dead_letters AS l
WHERE l.id = $1
    AND NOT EXISTS (SELECT FROM events AS e WHERE e.run_id = l.run_id AND e.epoch > l.epoch AND e.seq <= l.seq);

-- name: hold_dead_letter
SELECT id FROM dead_letters WHERE id = $1 AND status = 'open' FOR UPDATE;

-- name: mark_dead_letter_redriven
UPDATE dead_letters
SET status = 'redriven', decided_at = unix_millis(), decided_by = $2, reason = $3, is_edited = $4, became = $5
WHERE id = $1;

-- name: mark_dead_letters_redriven
UPDATE dead_letters
SET status = 'redriven', decided_at = unix_millis(), decided_by = $2, reason = $3, became = $4
WHERE id = ANY ($1::text[]) AND status = 'open';

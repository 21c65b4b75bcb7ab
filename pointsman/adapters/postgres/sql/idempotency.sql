-- Requests that carry an Idempotency-Key.

-- name: claim_key
INSERT INTO idempotency_keys (scope, key, request) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING
RETURNING key;

-- name: get_key
SELECT request, response FROM idempotency_keys WHERE scope = $1 AND key = $2;

-- name: take_over_key
-- Whoever claimed it has not answered for so long that it must have died over it.
UPDATE idempotency_keys SET created_at = unix_millis()
WHERE scope = $1 AND key = $2 AND response IS NULL AND created_at <= unix_millis() - $3
RETURNING key;

-- name: answer_key
UPDATE idempotency_keys SET response = $3 WHERE scope = $1 AND key = $2;

-- name: release_key
DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND response IS NULL;

-- Definitions and plans, each named by the SHA-256 of its bytes.

-- name: put_definition
INSERT INTO definitions (digest, body) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: get_definition
SELECT body FROM definitions WHERE digest = $1;

-- name: put_plan
INSERT INTO plans (digest, body) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: get_plan
SELECT body FROM plans WHERE digest = $1;

-- name: put_definition_and_plan
WITH stored AS (INSERT INTO definitions (digest, body) VALUES ($1, $2) ON CONFLICT DO NOTHING)
INSERT INTO plans (digest, body) VALUES ($3, $4) ON CONFLICT DO NOTHING;

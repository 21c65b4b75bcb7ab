-- Definitions and plans, each named by the SHA-256 of its bytes.
--
-- To store one again says that it is about to be referred to: one that was stored more than an hour ago is then stored
-- anew as far as the sweep of unused ones goes (`remove_unused_definitions`, `remove_unused_plans`). Each is looked for
-- first, so that what is there and young costs no write.

-- name: put_definition
WITH renewed AS (
    UPDATE definitions SET stored_at = unix_millis() WHERE digest = $1 AND stored_at < unix_millis() - 3600000 RETURNING 1
)
INSERT INTO definitions (digest, body) SELECT $1::text, $2::bytea WHERE NOT EXISTS (SELECT FROM renewed)
ON CONFLICT DO NOTHING;

-- name: get_definition
SELECT body FROM definitions WHERE digest = $1;

-- name: put_plan
WITH renewed AS (
    UPDATE plans SET stored_at = unix_millis() WHERE digest = $1 AND stored_at < unix_millis() - 3600000 RETURNING 1
)
INSERT INTO plans (digest, body) SELECT $1::text, $2::bytea WHERE NOT EXISTS (SELECT FROM renewed)
ON CONFLICT DO NOTHING;

-- name: get_plan
SELECT body FROM plans WHERE digest = $1;

-- name: put_definition_and_plan
WITH renewed_definition AS (
    UPDATE definitions SET stored_at = unix_millis() WHERE digest = $1 AND stored_at < unix_millis() - 3600000 RETURNING 1
),
renewed_plan AS (
    UPDATE plans SET stored_at = unix_millis() WHERE digest = $3 AND stored_at < unix_millis() - 3600000 RETURNING 1
),
stored AS (
    INSERT INTO definitions (digest, body)
    SELECT $1::text, $2::bytea WHERE NOT EXISTS (SELECT FROM renewed_definition)
    ON CONFLICT DO NOTHING
)
INSERT INTO plans (digest, body) SELECT $3::text, $4::bytea WHERE NOT EXISTS (SELECT FROM renewed_plan)
ON CONFLICT DO NOTHING;

-- name: remove_unused_definitions
DELETE FROM definitions WHERE digest IN (
    SELECT d.digest FROM definitions AS d
    WHERE d.stored_at < unix_millis() - $1
        AND NOT EXISTS (SELECT FROM runs AS r WHERE r.definition = d.digest)
        AND NOT EXISTS (SELECT FROM patches AS p WHERE p.definition = d.digest)
        AND NOT EXISTS (SELECT FROM patches AS p WHERE p.base_definition = d.digest)
        AND NOT EXISTS (SELECT FROM workflow_versions AS v WHERE v.definition = d.digest)
    LIMIT $2 FOR UPDATE SKIP LOCKED
);

-- name: remove_unused_plans
DELETE FROM plans WHERE digest IN (
    SELECT i.digest FROM plans AS i
    WHERE i.stored_at < unix_millis() - $1
        AND NOT EXISTS (SELECT FROM runs AS r WHERE r.plan = i.digest)
        AND NOT EXISTS (SELECT FROM patches AS p WHERE p.plan = i.digest)
        AND NOT EXISTS (SELECT FROM patches AS p WHERE p.base_plan = i.digest)
        AND NOT EXISTS (SELECT FROM workflow_versions AS v WHERE v.plan = i.digest)
    LIMIT $2 FOR UPDATE SKIP LOCKED
);

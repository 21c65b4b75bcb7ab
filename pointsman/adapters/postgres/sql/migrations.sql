-- The migrator's own table: the one thing that is there before the first migration.

-- name: lock_migrations
SELECT pg_advisory_xact_lock($1);

-- name: create_migrations_table
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY CHECK (version >= 1),
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: extend_migrations_table
ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS oldest integer NOT NULL DEFAULT 0;

-- name: migrations_table_exists
SELECT to_regclass('schema_migrations') IS NOT NULL;

-- name: applied_migrations
SELECT version, name, checksum, coalesce((to_jsonb(schema_migrations) ->> 'oldest')::integer, 0) AS oldest
FROM schema_migrations ORDER BY version;

-- name: record_migration
INSERT INTO schema_migrations (version, name, checksum, oldest) VALUES ($1, $2, $3, $4);

-- name: settings_that_are_off
SELECT name FROM pg_settings WHERE name = ANY ($1::text[]) AND setting = 'off' ORDER BY name;

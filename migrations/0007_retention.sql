-- Retention: finished runs go after a while, and large outputs once no run that is kept refers to them.

CREATE INDEX runs_by_end ON runs (ended_at, run_id) WHERE ended_at IS NOT NULL;

-- What became of a run in an edit of a fleet is told when the run itself is gone.
ALTER TABLE fleet_edit_items DROP CONSTRAINT fleet_edit_items_run_id_fkey;
CREATE INDEX fleet_edit_items_by_run ON fleet_edit_items (run_id);

-- Which runs refer to which blobs. Written by a trigger, so no way of writing an event can leave it out, not even that of
-- an earlier release beside this one. What a worker wrote may look like a reference: then a blob is kept for nothing.
-- `released_at`: when the run was removed. The blob stays for a while after that, for whoever was reading the run.
CREATE TABLE blob_references (
    digest text COLLATE "C" NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    released_at bigint,
    PRIMARY KEY (digest, run_id),
    CONSTRAINT blob_references_name_a_blob CHECK (digest ~ '^[0-9a-f]{64}$')
);
CREATE INDEX blob_references_by_run ON blob_references (run_id);

CREATE FUNCTION note_blobs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO blob_references (digest, run_id)
    SELECT DISTINCT named[1], NEW.run_id
    FROM regexp_matches(encode(NEW.body, 'escape'), 'blob://([0-9a-f]{64})', 'g') AS named
    ON CONFLICT (digest, run_id) DO UPDATE SET released_at = NULL WHERE blob_references.released_at IS NOT NULL;
    RETURN NULL;
END
$$;

CREATE TRIGGER events_note_blobs AFTER INSERT ON events
FOR EACH ROW WHEN (position('\x626c6f623a2f2f'::bytea IN NEW.body) > 0) EXECUTE FUNCTION note_blobs();

INSERT INTO blob_references (digest, run_id)
SELECT DISTINCT named[1], e.run_id
FROM events AS e, LATERAL regexp_matches(encode(e.body, 'escape'), 'blob://([0-9a-f]{64})', 'g') AS named
WHERE position('\x626c6f623a2f2f'::bytea IN e.body) > 0;

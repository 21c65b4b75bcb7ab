-- The schema after every migration, in one piece, for reading; a test holds it against their sum.

-- The durable record: what authors published, what was accepted, what happened.
--
-- Times are Unix milliseconds: those of runs and events come from Redis' clock, exactly as the events carry them, the
-- others from this server's. Ids collate "C": the same order on every machine, and the cheapest to compare.
-- What users and workers wrote is kept as bytes. A byte of it that Postgres would refuse as text (broken UTF-8 inside
-- a worker's result, say) could otherwise stop the journal; digests and tips name these very bytes, too.

CREATE FUNCTION unix_millis() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (extract(epoch FROM clock_timestamp()) * 1000)::bigint;

-- A domain, not a CHECK on the table: that would be evaluated on every update of a row, at 11 of the 30 µs of one.
CREATE DOMAIN run_id_text AS text COLLATE "C"
CONSTRAINT run_ids_are_spellable CHECK (VALUE ~ '^[A-Za-z0-9._-]{1,128}$');

-- What authors wrote ------------------------------------------------------------------------------------------------

CREATE TABLE definitions (
    digest text COLLATE "C" PRIMARY KEY,
    body bytea NOT NULL,
    stored_at bigint NOT NULL DEFAULT unix_millis(),
    CONSTRAINT definitions_are_named_by_their_content CHECK (digest = encode(sha256(body), 'hex'))
);

CREATE TABLE plans (
    digest text COLLATE "C" PRIMARY KEY,
    body bytea NOT NULL,
    stored_at bigint NOT NULL DEFAULT unix_millis(),
    CONSTRAINT plans_are_named_by_their_content CHECK (digest = encode(sha256(body), 'hex'))
);

CREATE TABLE workflows (
    name text COLLATE "C" PRIMARY KEY,
    latest integer NOT NULL,
    CONSTRAINT workflows_have_a_name CHECK (name <> ''),
    CONSTRAINT workflows_count_versions_from_one CHECK (latest >= 1)
);

CREATE TABLE workflow_versions (
    workflow text COLLATE "C" NOT NULL REFERENCES workflows (name),
    version integer NOT NULL,
    definition text COLLATE "C" NOT NULL REFERENCES definitions (digest),
    plan text COLLATE "C" NOT NULL REFERENCES plans (digest),
    created_at bigint NOT NULL DEFAULT unix_millis(),
    created_by text NOT NULL,
    description text NOT NULL DEFAULT '',
    from_run text COLLATE "C",
    from_revision integer,
    PRIMARY KEY (workflow, version),
    CONSTRAINT workflow_versions_count_from_one CHECK (version >= 1),
    CONSTRAINT workflow_versions_come_from_a_revision CHECK ((from_run IS NULL) = (from_revision IS NULL))
);
-- No foreign key to the run: a version outlives the run that it was made of.

-- A tag is where its last move has put it: there is no second place that could say otherwise. The primary key lets one
-- of two movers through. `in_force` is the move that put the version there: the move itself, or, for one that takes
-- moves back, the last one that was not taken back.
CREATE TABLE workflow_tag_moves (
    workflow text COLLATE "C" NOT NULL,
    tag text COLLATE "C" NOT NULL,
    number integer NOT NULL,
    version integer,
    in_force integer NOT NULL,
    at bigint NOT NULL DEFAULT unix_millis(),
    by text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (workflow, tag, number),
    FOREIGN KEY (workflow, version) REFERENCES workflow_versions (workflow, version),
    CONSTRAINT workflow_tag_moves_are_spellable CHECK (tag ~ '^[A-Za-z][A-Za-z0-9._-]{0,63}$'),
    CONSTRAINT workflow_tag_moves_count_from_one CHECK (number >= 1),
    CONSTRAINT workflow_tag_moves_follow_what_is_in_force CHECK (in_force BETWEEN 1 AND number)
);

-- Runs: accepted by the API, moved on by the journal -----------------------------------------------------------------

CREATE TABLE runs (
    run_id run_id_text PRIMARY KEY,
    workflow text COLLATE "C" NOT NULL,
    version integer,
    definition text COLLATE "C" NOT NULL REFERENCES definitions (digest),
    plan text COLLATE "C" NOT NULL REFERENCES plans (digest),
    engine text NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'QUEUED',
    revision integer NOT NULL DEFAULT 1,
    epoch bigint NOT NULL DEFAULT 0,
    seq bigint NOT NULL DEFAULT 0,
    input bytea,
    input_ref text,
    output bytea,
    output_ref text,
    error json,
    metadata json,
    created_at bigint NOT NULL,
    started_at bigint,
    ended_at bigint,
    tag text COLLATE "C",
    forked_from text COLLATE "C",
    fork json,
    tenant text COLLATE "C" NOT NULL DEFAULT '',
    crc integer,
    FOREIGN KEY (workflow, version) REFERENCES workflow_versions (workflow, version),
    CONSTRAINT runs_have_a_known_status CHECK (
        status IN ('QUEUED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')
    ),
    CONSTRAINT runs_count_revisions_from_one CHECK (revision >= 1),
    CONSTRAINT runs_have_a_position CHECK (epoch >= 0 AND seq >= 0),
    CONSTRAINT runs_have_one_input CHECK (input IS NULL OR input_ref IS NULL),
    CONSTRAINT runs_have_one_output CHECK (output IS NULL OR output_ref IS NULL),
    CONSTRAINT runs_that_wait_have_not_started CHECK (status <> 'QUEUED' OR (started_at IS NULL AND seq = 0)),
    CONSTRAINT runs_that_moved_have_started CHECK (status IN ('QUEUED', 'CANCELLED') OR started_at IS NOT NULL),
    CONSTRAINT runs_end_when_they_are_final CHECK (
        (status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMED_OUT')) = (ended_at IS NOT NULL)
    ),
    CONSTRAINT runs_give_output_at_their_end CHECK (
        ended_at IS NOT NULL OR (output IS NULL AND output_ref IS NULL)
    ),
    CONSTRAINT runs_started_by_a_tag_have_a_version CHECK (tag IS NULL OR version IS NOT NULL),
    CONSTRAINT runs_that_were_forked_say_how CHECK ((forked_from IS NULL) = (fork IS NULL)),
    CONSTRAINT runs_have_a_crc_of_16_bits CHECK (crc BETWEEN 0 AND 65535)
) WITH (fillfactor = 80);
-- `seq` is that of the last event that changed the row, not of the last event. `tag` is what the run was started by; it
-- may have moved on, or be gone. No foreign key from a fork: it outlives the run that it came from. `crc` is the CRC-16 of
-- the id, from which the run's partition follows; NULL where a release wrote the row that knew of none.

CREATE INDEX runs_by_age ON runs (created_at, run_id);
CREATE INDEX runs_by_status ON runs (status, created_at, run_id);
CREATE INDEX runs_by_workflow ON runs (workflow, created_at, run_id);
CREATE INDEX runs_waiting ON runs (tenant, created_at, run_id) WHERE status = 'QUEUED';
CREATE INDEX runs_by_end ON runs (ended_at, run_id) WHERE ended_at IS NOT NULL;
CREATE INDEX runs_by_definition ON runs (definition);
CREATE INDEX runs_by_plan ON runs (plan);
CREATE INDEX runs_by_origin ON runs (forked_from, created_at, run_id) WHERE forked_from IS NOT NULL;

-- The journal --------------------------------------------------------------------------------------------------------

-- No foreign key: the journal is the source, and nothing may keep an event out of it.
CREATE TABLE events (
    run_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    tip text COLLATE "C" NOT NULL,
    at bigint NOT NULL,
    cause text NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (run_id, epoch, seq),
    CONSTRAINT events_count_from_one CHECK (epoch >= 0 AND seq >= 1),
    CONSTRAINT events_have_a_tip CHECK (tip <> '')
);

CREATE TABLE journal_alarms (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    seq bigint NOT NULL,
    tip text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    detail text NOT NULL,
    raised_at bigint NOT NULL DEFAULT unix_millis(),
    content bytea NOT NULL GENERATED ALWAYS AS (sha256(body)) STORED,
    CONSTRAINT journal_alarms_are_raised_once UNIQUE (run_id, epoch, seq, kind, content),
    CONSTRAINT journal_alarms_have_a_known_kind CHECK (kind IN ('other_content', 'unreadable', 'projection_refused'))
);

-- Epochs of Redis: each time that a supervisor opened a partition of it, anew, started again or recovered, and what that
-- came to. `opened_at` is empty while it is being prepared, or if whoever prepared it died. An epoch belongs to one
-- partition: a run that moves to another, when their number is changed, meets only later ones.
CREATE TABLE openings (
    epoch bigint PRIMARY KEY,
    server text NOT NULL,
    began_at bigint NOT NULL,
    opened_at bigint,
    reason text NOT NULL,
    checked integer NOT NULL DEFAULT 0,
    restored integer NOT NULL DEFAULT 0,
    dropped integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    partition integer NOT NULL DEFAULT 0,
    CONSTRAINT openings_have_an_epoch CHECK (epoch >= 1),
    CONSTRAINT openings_begin_before_they_are_done CHECK (opened_at >= began_at),
    CONSTRAINT openings_count_from_zero CHECK (checked >= 0 AND restored >= 0 AND dropped >= 0 AND failed >= 0),
    CONSTRAINT openings_are_of_a_partition CHECK (partition >= 0)
);
CREATE INDEX openings_by_partition ON openings (partition, epoch);

-- One row. How many partitions the runs in Redis are spread over.
CREATE TABLE layout (
    is_the_only_one boolean PRIMARY KEY DEFAULT true,
    partitions integer NOT NULL,
    since bigint NOT NULL DEFAULT unix_millis(),
    CONSTRAINT layout_is_one_row CHECK (is_the_only_one),
    CONSTRAINT layout_has_a_partition CHECK (partitions >= 1)
);

-- Edits --------------------------------------------------------------------------------------------------------------

CREATE TABLE patches (
    run_id text COLLATE "C" NOT NULL REFERENCES runs (run_id),
    revision integer NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    by text NOT NULL,
    description text NOT NULL,
    operations json NOT NULL,
    inverse json,
    base_definition text COLLATE "C" NOT NULL REFERENCES definitions (digest),
    definition text COLLATE "C" NOT NULL REFERENCES definitions (digest),
    plan text COLLATE "C" NOT NULL REFERENCES plans (digest),
    base_plan text COLLATE "C" REFERENCES plans (digest),
    PRIMARY KEY (run_id, revision),
    CONSTRAINT patches_follow_the_first_revision CHECK (revision >= 2),
    CONSTRAINT patches_are_events CHECK (seq >= 1),
    CONSTRAINT patches_list_their_operations CHECK (json_typeof(operations) = 'array'),
    CONSTRAINT patches_list_their_inverse CHECK (json_typeof(inverse) = 'array')
);
-- `base_plan` is that of revision 1, and stands with revision 2: other plans are those of patches.

CREATE INDEX patches_by_definition ON patches (definition);
CREATE INDEX patches_by_base_definition ON patches (base_definition);
CREATE INDEX patches_by_plan ON patches (plan);
CREATE INDEX patches_by_base_plan ON patches (base_plan) WHERE base_plan IS NOT NULL;

CREATE FUNCTION keep_first_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.base_plan := (SELECT plan FROM runs WHERE run_id = NEW.run_id);
    RETURN NEW;
END
$$;

CREATE TRIGGER patches_keep_first_plan BEFORE INSERT ON patches
    FOR EACH ROW WHEN (NEW.revision = 2) EXECUTE FUNCTION keep_first_plan();

CREATE TABLE patch_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text COLLATE "C" NOT NULL,
    refused_at bigint NOT NULL DEFAULT unix_millis(),
    by text NOT NULL,
    description text NOT NULL,
    operations json NOT NULL,
    code text NOT NULL,
    problems json NOT NULL,
    CONSTRAINT patch_audit_names_a_code CHECK (code <> ''),
    CONSTRAINT patch_audit_lists_the_problems CHECK (json_typeof(problems) = 'array')
);
CREATE INDEX patch_audit_by_run ON patch_audit (run_id, id);

-- Requests that may be sent twice ------------------------------------------------------------------------------------

CREATE TABLE idempotency_keys (
    scope text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    request text COLLATE "C" NOT NULL,
    response bytea,
    created_at bigint NOT NULL DEFAULT unix_millis(),
    PRIMARY KEY (scope, key),
    CONSTRAINT idempotency_keys_have_a_key CHECK (key <> ''),
    CONSTRAINT idempotency_keys_name_the_request CHECK (request ~ '^[0-9a-f]{64}$')
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- Edits of all open runs of a version --------------------------------------------------------------------------------

-- `runs` is how many it is for, `reach` up to which of them it may go at the moment: a canary's share, then all.
-- `decided` and `errors` are counted from the beginning, or from the last time that it was resumed.
CREATE TABLE fleet_edits (
    id text COLLATE "C" PRIMARY KEY,
    workflow text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    operations json NOT NULL,
    description text NOT NULL,
    by text NOT NULL,
    on_running text COLLATE "C" NOT NULL,
    rate_per_s double precision NOT NULL,
    stop_on_error_share double precision NOT NULL,
    runs integer NOT NULL,
    reach integer NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'running',
    decided integer NOT NULL DEFAULT 0,
    errors integer NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT unix_millis(),
    FOREIGN KEY (workflow, version) REFERENCES workflow_versions (workflow, version),
    CONSTRAINT fleet_edits_have_a_known_status CHECK (
        status IN ('running', 'waiting', 'stopped', 'cancelled', 'completed')
    ),
    CONSTRAINT fleet_edits_have_a_known_way_with_running CHECK (on_running IN ('refuse', 'cancel', 'restart')),
    CONSTRAINT fleet_edits_list_their_operations CHECK (json_typeof(operations) = 'array'),
    CONSTRAINT fleet_edits_get_on CHECK (rate_per_s > 0),
    CONSTRAINT fleet_edits_stop_at_a_share CHECK (stop_on_error_share BETWEEN 0 AND 1),
    CONSTRAINT fleet_edits_reach_some_of_their_runs CHECK (reach BETWEEN 0 AND runs),
    CONSTRAINT fleet_edits_count_errors_among_the_decided CHECK (errors BETWEEN 0 AND decided)
);
CREATE INDEX fleet_edits_at_work ON fleet_edits (created_at) WHERE status = 'running';

-- One row for each run, in the order in which they are edited. No foreign key to it: what became of the run in the edit
-- is told when the run itself is gone.
CREATE TABLE fleet_edit_items (
    edit text COLLATE "C" NOT NULL REFERENCES fleet_edits (id),
    position integer NOT NULL,
    run_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL DEFAULT 'pending',
    tries integer NOT NULL DEFAULT 0,
    revision integer,
    code text,
    message text,
    decided_at bigint,
    PRIMARY KEY (edit, position),
    CONSTRAINT fleet_edit_items_name_a_run_once UNIQUE (edit, run_id),
    CONSTRAINT fleet_edit_items_count_from_one CHECK (position >= 1),
    CONSTRAINT fleet_edit_items_have_a_known_state CHECK (
        state IN ('pending', 'applying', 'applied', 'unchanged', 'ended', 'refused', 'failed')
    ),
    CONSTRAINT fleet_edit_items_are_tried_first CHECK (state = 'pending' OR tries >= 1),
    CONSTRAINT fleet_edit_items_are_decided_at_some_time CHECK (
        (state IN ('pending', 'applying')) = (decided_at IS NULL)
    ),
    CONSTRAINT fleet_edit_items_know_the_revision CHECK ((state IN ('applied', 'unchanged')) = (revision IS NOT NULL)),
    CONSTRAINT fleet_edit_items_say_why CHECK (
        (state IN ('refused', 'failed')) = (code IS NOT NULL AND message IS NOT NULL)
    )
);
CREATE INDEX fleet_edit_items_to_do ON fleet_edit_items (edit, position) WHERE state = 'pending';
CREATE INDEX fleet_edit_items_by_run ON fleet_edit_items (run_id);
CREATE INDEX fleet_edit_items_in_hand ON fleet_edit_items (edit, position) WHERE state = 'applying';

-- Dead letters, and runs that are stuck ------------------------------------------------------------------------------

-- Of a node: written with the event that says so, and settled with the one that says what became of it. Of a signal:
-- moved here from Redis. No foreign key: a signal may name a run that never was, and a letter outlives its run.
CREATE TABLE dead_letters (
    id text COLLATE "C" PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL DEFAULT 'open',
    at bigint NOT NULL,
    run_id text COLLATE "C",
    workflow text COLLATE "C",
    epoch bigint,
    seq bigint,
    token text COLLATE "C",
    node text COLLATE "C",
    type text COLLATE "C",
    attempt integer,
    is_parked boolean NOT NULL DEFAULT false,
    code text NOT NULL,
    message text NOT NULL,
    signal bytea,
    signal_length bigint,
    decided_at bigint,
    decided_by text,
    reason text,
    is_edited boolean NOT NULL DEFAULT false,
    became text COLLATE "C",
    CONSTRAINT dead_letters_have_a_known_kind CHECK (kind IN ('failed', 'poison', 'rejected')),
    CONSTRAINT dead_letters_have_a_known_status CHECK (status IN ('open', 'redriven', 'skipped', 'closed')),
    CONSTRAINT dead_letters_are_of_a_token_or_a_signal CHECK (
        CASE kind
            WHEN 'rejected' THEN signal IS NOT NULL AND signal_length IS NOT NULL AND NOT is_parked
            ELSE run_id IS NOT NULL AND epoch IS NOT NULL AND seq IS NOT NULL AND token IS NOT NULL
        END
    ),
    CONSTRAINT dead_letters_are_decided_at_some_time CHECK ((status = 'open') = (decided_at IS NULL)),
    CONSTRAINT dead_letters_become_a_run_when_redriven CHECK (became IS NULL OR status = 'redriven')
);
CREATE INDEX dead_letters_by_age ON dead_letters (at, id);
CREATE INDEX dead_letters_by_run ON dead_letters (run_id, at, id);
CREATE INDEX dead_letters_parked ON dead_letters (run_id, token) WHERE is_parked AND status = 'open';

-- Open runs that nothing will move, as the supervisor last saw it. A table of its own: the rows of runs are written often.
CREATE TABLE stuck_runs (
    run_id run_id_text PRIMARY KEY REFERENCES runs (run_id) ON DELETE CASCADE,
    reason text NOT NULL,
    found_at bigint NOT NULL DEFAULT unix_millis(),
    CONSTRAINT stuck_runs_say_why CHECK (reason <> '')
);

-- Large outputs --------------------------------------------------------------------------------------------------------

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

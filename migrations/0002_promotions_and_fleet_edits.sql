-- Versions that were made of edited runs, and edits of every open run of a version.

-- No foreign key to the run: a version outlives the run that it was made of.
ALTER TABLE workflow_versions
ADD COLUMN description text NOT NULL DEFAULT '',
ADD COLUMN from_run text COLLATE "C",
ADD COLUMN from_revision integer,
ADD CONSTRAINT workflow_versions_come_from_a_revision CHECK ((from_run IS NULL) = (from_revision IS NULL));

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

-- One row for each run, in the order in which they are edited.
CREATE TABLE fleet_edit_items (
    edit text COLLATE "C" NOT NULL REFERENCES fleet_edits (id),
    position integer NOT NULL,
    run_id text COLLATE "C" NOT NULL REFERENCES runs (run_id),
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
CREATE INDEX fleet_edit_items_in_hand ON fleet_edit_items (edit, position) WHERE state = 'applying';

-- Tags: names for versions of a workflow, moved from one to another, each move written down.

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

-- The tag that a run was started by; it may have moved on, or be gone.
ALTER TABLE runs ADD COLUMN tag text COLLATE "C";
ALTER TABLE runs ADD CONSTRAINT runs_started_by_a_tag_have_a_version CHECK (tag IS NULL OR version IS NOT NULL);

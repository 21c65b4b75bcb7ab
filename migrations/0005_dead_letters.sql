-- What came to its end and was taken by nobody; and which open runs wait for nothing.

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

-- Epochs of Redis: each time that a supervisor opened it, anew, started again or recovered, and what that came to.

-- `opened_at` is empty while it is being prepared, or if whoever prepared it died.
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
    CONSTRAINT openings_have_an_epoch CHECK (epoch >= 1),
    CONSTRAINT openings_begin_before_they_are_done CHECK (opened_at >= began_at),
    CONSTRAINT openings_count_from_zero CHECK (checked >= 0 AND restored >= 0 AND dropped >= 0 AND failed >= 0)
);

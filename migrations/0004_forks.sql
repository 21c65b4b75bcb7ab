-- Forks: runs that began with the history of another.

-- No foreign key: a fork outlives the run that it came from. `fork` says the rest: at which event, what was done anew,
-- by whom and why.
ALTER TABLE runs ADD COLUMN forked_from text COLLATE "C";
ALTER TABLE runs ADD COLUMN fork json;
ALTER TABLE runs ADD CONSTRAINT runs_that_were_forked_say_how CHECK ((forked_from IS NULL) = (fork IS NULL));
CREATE INDEX runs_by_origin ON runs (forked_from, created_at, run_id) WHERE forked_from IS NOT NULL;

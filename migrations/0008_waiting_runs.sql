-- Runs that wait to be started, in turn between those who sent them: the name of the API key that a run came with.

ALTER TABLE runs ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
CREATE INDEX runs_waiting ON runs (tenant, created_at, run_id) WHERE status = 'QUEUED';

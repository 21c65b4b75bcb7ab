-- Definitions and plans that nothing refers to are removed: what a run was begun with, before it was edited, is referred
-- to by its first edit.

ALTER TABLE patches ADD COLUMN base_plan text COLLATE "C" REFERENCES plans (digest);

CREATE FUNCTION keep_first_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.base_plan := (SELECT plan FROM runs WHERE run_id = NEW.run_id);
    RETURN NEW;
END
$$;

CREATE TRIGGER patches_keep_first_plan BEFORE INSERT ON patches
    FOR EACH ROW WHEN (NEW.revision = 2) EXECUTE FUNCTION keep_first_plan();

UPDATE patches SET base_plan = convert_from(events.body, 'UTF8')::json -> 'started' ->> 'plan'
FROM events WHERE events.run_id = patches.run_id AND events.seq = 1 AND patches.revision = 2;

CREATE INDEX runs_by_definition ON runs (definition);
CREATE INDEX runs_by_plan ON runs (plan);
CREATE INDEX patches_by_definition ON patches (definition);
CREATE INDEX patches_by_base_definition ON patches (base_definition);
CREATE INDEX patches_by_plan ON patches (plan);
CREATE INDEX patches_by_base_plan ON patches (base_plan) WHERE base_plan IS NOT NULL;

-- How many partitions there are.

-- name: partitions_laid_out
-- A release that knew of no more than one opened Redis without writing that down.
SELECT coalesce((SELECT partitions FROM layout), (SELECT 1 FROM openings LIMIT 1));

-- name: lay_out
INSERT INTO layout (partitions) VALUES ($1)
ON CONFLICT (is_the_only_one) DO UPDATE SET partitions = excluded.partitions, since = excluded.since
WHERE layout.partitions = $2;

-- Partitions of Redis: how many there are, which of them was opened in an epoch, and how its runs are found.

-- An epoch belongs to one partition: a run that moves to another, when their number is changed, meets only later ones.
ALTER TABLE openings ADD COLUMN partition integer NOT NULL DEFAULT 0;
ALTER TABLE openings ADD CONSTRAINT openings_are_of_a_partition CHECK (partition >= 0);
CREATE INDEX openings_by_partition ON openings (partition, epoch);

-- The CRC-16 of the run's id, from which its partition follows. NULL where a release wrote the row that knew of none.
ALTER TABLE runs ADD COLUMN crc integer;
ALTER TABLE runs ADD CONSTRAINT runs_have_a_crc_of_16_bits CHECK (crc BETWEEN 0 AND 65535);

-- One row. How many partitions the runs in Redis are spread over.
CREATE TABLE layout (
    is_the_only_one boolean PRIMARY KEY DEFAULT true,
    partitions integer NOT NULL,
    since bigint NOT NULL DEFAULT unix_millis(),
    CONSTRAINT layout_is_one_row CHECK (is_the_only_one),
    CONSTRAINT layout_has_a_partition CHECK (partitions >= 1)
);

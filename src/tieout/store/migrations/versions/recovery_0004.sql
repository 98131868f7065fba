-- After a restore each bridge reads its own sides: how far it is stands with the bridge.

ALTER TABLE bridge
    ADD COLUMN recovering_until timestamptz;
ALTER TABLE bridge
    ADD COLUMN reads_left integer NOT NULL DEFAULT 0;

-- A recovery that is under way goes on for every bridge.
UPDATE bridge b SET recovering_until = e.recovering_until, reads_left = e.reads_left
FROM epoch e WHERE e.workspace = b.workspace AND e.recovering_until IS NOT NULL;

ALTER TABLE epoch
    DROP COLUMN reads_left;

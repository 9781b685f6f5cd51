-- A dead task's row is its dead letter; one that nobody wants to hear of again says who put it away.

ALTER TABLE task ADD COLUMN discarded_at timestamptz;
ALTER TABLE task ADD COLUMN discarded_by text;
ALTER TABLE task ADD COLUMN discard_reason text;
ALTER TABLE task ADD CONSTRAINT task_discarded_is_dead
    CHECK (discarded_at IS NULL OR state = 'dead') NOT VALID;
ALTER TABLE task VALIDATE CONSTRAINT task_discarded_is_dead;

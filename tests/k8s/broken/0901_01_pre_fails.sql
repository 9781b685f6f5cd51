-- What must never reach the pods.
ALTER TABLE there_is_no_such_table ADD COLUMN anything text;

-- Told from the paused pools since this release.
ALTER TABLE document DROP COLUMN hold_reason;

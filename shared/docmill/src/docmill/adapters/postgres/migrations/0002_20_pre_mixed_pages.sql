-- Pages with text of their own and pictures that are read too.

ALTER TABLE page DROP CONSTRAINT page_source_known,
    ADD CONSTRAINT page_source_known CHECK (source IN ('text', 'recognise', 'mixed')) NOT VALID;
ALTER TABLE page VALIDATE CONSTRAINT page_source_known;

-- What a next release might add.
ALTER TABLE document ADD COLUMN next_release text;

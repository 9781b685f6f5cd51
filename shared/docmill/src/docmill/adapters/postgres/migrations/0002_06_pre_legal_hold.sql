-- The reason why a document must be kept, whatever its retention or its owner says; null: none.
ALTER TABLE document ADD COLUMN legal_hold text;

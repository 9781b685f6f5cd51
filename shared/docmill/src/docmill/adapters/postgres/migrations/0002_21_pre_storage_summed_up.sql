-- At least the bytes of a tenant's documents accepted before a time: an upload counts only those since.
ALTER TABLE tenant ADD COLUMN stored_bytes bigint NOT NULL DEFAULT 0,
    ADD COLUMN stored_until timestamptz NOT NULL DEFAULT '-infinity';

-- The sizes of a tenant's documents by the time they were accepted.
CREATE INDEX CONCURRENTLY IF NOT EXISTS document_storage_by_time ON document (tenant_id, accepted_at)
    INCLUDE (size) WHERE state NOT IN ('expired', 'erasing');

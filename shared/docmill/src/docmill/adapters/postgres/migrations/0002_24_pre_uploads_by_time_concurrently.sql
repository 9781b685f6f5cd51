-- A tenant's uploads on their way, without those that were given up and wait for the sweeper.
CREATE INDEX CONCURRENTLY IF NOT EXISTS blob_uploading ON blob (tenant_id, expires_at)
    INCLUDE (reserved) WHERE state = 'uploading';

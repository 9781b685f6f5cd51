-- A tenant's waiting tasks by stage, in the order in which a pick reads them: what one stage's limit holds
-- back is not read on the way to another's, however much of it there is.
CREATE INDEX task_startable ON task (pool, tenant_id, priority, stage, accepted_at, document_id, page, id)
    WHERE state = 'ready';

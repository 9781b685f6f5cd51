-- The release before read a tenant's waiting tasks by this one.
DROP INDEX task_ready;

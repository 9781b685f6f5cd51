-- How often a stage's tasks may err and how long one may take; the workers' settings say it where no
-- row does. A row without a tenant is for every tenant that has none of its own.

CREATE TABLE task_limit (
    stage text NOT NULL,
    tenant_id text REFERENCES tenant ON DELETE CASCADE,
    attempts integer,
    deadline interval,
    CONSTRAINT task_limit_unit UNIQUE NULLS NOT DISTINCT (stage, tenant_id),
    CONSTRAINT task_limit_stage_known
        CHECK (stage IN ('validate', 'recognise', 'assemble', 'thumbnail', 'notify')),
    CONSTRAINT task_limit_says_something CHECK (num_nonnulls(attempts, deadline) > 0),
    CONSTRAINT task_limit_attempts_positive CHECK (attempts > 0),
    CONSTRAINT task_limit_deadline_positive CHECK (deadline > interval '0'),
    CONSTRAINT task_limit_webhooks_keep_their_time CHECK (stage <> 'notify' OR deadline IS NULL)
);

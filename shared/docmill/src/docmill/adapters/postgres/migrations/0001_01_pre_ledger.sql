-- The queue of record: tenants, documents, tasks, outputs, events, and what the scheduler keeps.
-- `pre` runs before the code of this release rolls out, `post` after the code before it is gone.

-- tenant ---------------------------------------------------------------------------------------

CREATE TABLE tenant (
    id text PRIMARY KEY,
    name text NOT NULL,
    state text NOT NULL DEFAULT 'active',
    weight double precision NOT NULL DEFAULT 1,
    max_running integer,
    max_file_bytes bigint NOT NULL DEFAULT 10485760,
    max_pages integer NOT NULL DEFAULT 100,
    max_storage_bytes bigint NOT NULL DEFAULT 52428800,
    retention interval NOT NULL DEFAULT '24 hours',
    max_retention interval NOT NULL DEFAULT '24 hours',
    partial_results boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_id_is_a_slug CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    CONSTRAINT tenant_state_known CHECK (state IN ('active', 'suspended')),
    CONSTRAINT tenant_weight_positive CHECK (weight > 0),
    CONSTRAINT tenant_cap_positive CHECK (max_running IS NULL OR max_running > 0)
);

CREATE TABLE api_key (
    id text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenant,
    name text NOT NULL DEFAULT '',
    scope text NOT NULL DEFAULT 'documents',
    hash bytea NOT NULL UNIQUE,  -- SHA-256 of 256 random bits: nothing to guess, no salt needed
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    CONSTRAINT api_key_scope_known CHECK (scope IN ('documents', 'operator'))
);
CREATE INDEX api_key_by_tenant ON api_key (tenant_id);

CREATE TABLE failed_authentication (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    address text NOT NULL,
    key_id text,
    reason text NOT NULL
);
CREATE INDEX failed_authentication_by_time ON failed_authentication (at);

-- document -------------------------------------------------------------------------------------

CREATE TABLE document (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenant,
    state text NOT NULL DEFAULT 'received',
    version integer NOT NULL DEFAULT 0,
    run integer NOT NULL DEFAULT 1,
    settled_run integer,
    name text NOT NULL,
    declared_type text NOT NULL DEFAULT '',
    media_type text,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    key text NOT NULL,
    priority text NOT NULL DEFAULT 'default',
    metadata jsonb NOT NULL DEFAULT '{}',
    correlation text NOT NULL,
    api_key text,
    retention interval NOT NULL,
    pages integer,
    failure_code text,
    failure_detail text,
    hold_reason text,
    accepted_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    expires_at timestamptz,
    CONSTRAINT document_state_known CHECK (state IN ('received', 'processing', 'ready', 'rejected',
        'failed', 'cancelled', 'expired', 'erasing')),
    CONSTRAINT document_priority_known CHECK (priority IN ('critical', 'default', 'batch')),
    CONSTRAINT document_failure_has_a_code
        CHECK (state NOT IN ('rejected', 'failed') OR failure_code IS NOT NULL),
    CONSTRAINT document_ready_has_a_settled_run CHECK (state <> 'ready' OR settled_run IS NOT NULL),
    CONSTRAINT document_live_has_no_expiry
        CHECK (state NOT IN ('received', 'processing') OR expires_at IS NULL)
) WITH (fillfactor = 80);
CREATE INDEX document_by_tenant ON document (tenant_id, id DESC);
CREATE INDEX document_live ON document (id) WHERE state IN ('received', 'processing');
CREATE INDEX document_expiry ON document (expires_at)
    WHERE state IN ('ready', 'rejected', 'failed', 'cancelled');
CREATE INDEX document_erasing ON document (id) WHERE state = 'erasing';
CREATE INDEX document_storage ON document (tenant_id) INCLUDE (size)
    WHERE state NOT IN ('expired', 'erasing');

CREATE TABLE run (
    document_id uuid NOT NULL REFERENCES document ON DELETE CASCADE,
    number integer NOT NULL,
    options jsonb NOT NULL,
    plan jsonb,
    reason text NOT NULL DEFAULT 'upload',
    opened_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    outcome text,
    PRIMARY KEY (document_id, number),
    CONSTRAINT run_settled_has_an_outcome CHECK ((settled_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX run_open ON run (opened_at) WHERE settled_at IS NULL;

CREATE TABLE page (
    document_id uuid NOT NULL,
    run integer NOT NULL,
    number integer NOT NULL,
    source text NOT NULL,
    reason text NOT NULL,
    width double precision NOT NULL,
    height double precision NOT NULL,
    unit text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    failure_code text,
    PRIMARY KEY (document_id, run, number),
    FOREIGN KEY (document_id, run) REFERENCES run ON DELETE CASCADE,
    CONSTRAINT page_numbers_start_at_one CHECK (number >= 1),
    CONSTRAINT page_source_known CHECK (source IN ('text', 'recognise'))
);

CREATE TABLE event (
    document_id uuid NOT NULL REFERENCES document ON DELETE CASCADE,
    seq integer NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL,
    run integer NOT NULL,
    state text,
    data jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (document_id, seq)
);

-- webhooks -------------------------------------------------------------------------------------

CREATE TABLE endpoint (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenant,
    url text NOT NULL,
    secret text NOT NULL,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX endpoint_by_tenant ON endpoint (tenant_id) WHERE active;

CREATE TABLE delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    endpoint_id bigint NOT NULL REFERENCES endpoint,
    tenant_id text NOT NULL REFERENCES tenant,
    document_id uuid NOT NULL REFERENCES document ON DELETE CASCADE,
    seq integer NOT NULL,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    delivered_at timestamptz,
    UNIQUE (endpoint_id, document_id, seq)
);
CREATE INDEX delivery_by_document ON delivery (document_id);

-- task -----------------------------------------------------------------------------------------

CREATE SEQUENCE fence;

CREATE TABLE task (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    document_id uuid REFERENCES document ON DELETE CASCADE,
    delivery_id bigint REFERENCES delivery ON DELETE CASCADE,
    run integer NOT NULL,
    stage text NOT NULL,
    page integer NOT NULL DEFAULT 0,
    pool text NOT NULL,
    state text NOT NULL DEFAULT 'ready',
    dispatch integer NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    crashes integer NOT NULL DEFAULT 0,
    deadlines integer NOT NULL DEFAULT 0,
    losses integer NOT NULL DEFAULT 0,
    alone boolean NOT NULL DEFAULT false,
    priority smallint NOT NULL DEFAULT 1,   -- 0 critical, 1 default, 2 batch
    rank smallint NOT NULL,                 -- of the stage: later stages go first
    cost double precision NOT NULL DEFAULT 1,
    accepted_at timestamptz NOT NULL,       -- of the document: begun is finished before the next
    ready_at timestamptz NOT NULL DEFAULT now(),
    due_at timestamptz,
    token bigint,
    worker text,
    lease_until timestamptz,                -- never indexed: renewals stay HOT
    queued_at timestamptz,
    hinted_at timestamptz,
    hints integer NOT NULL DEFAULT 0,
    code text,
    detail text,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CONSTRAINT task_unit UNIQUE NULLS NOT DISTINCT (document_id, delivery_id, run, stage, page),
    CONSTRAINT task_has_one_subject CHECK (num_nonnulls(document_id, delivery_id) = 1),
    CONSTRAINT task_state_known CHECK (state IN ('scheduled', 'ready', 'queued', 'running', 'done',
        'dead', 'cancelled')),
    CONSTRAINT task_stage_known CHECK (stage IN ('validate', 'recognise', 'assemble', 'thumbnail',
        'notify')),
    CONSTRAINT task_scheduled_has_a_time CHECK ((state = 'scheduled') = (due_at IS NOT NULL)),
    CONSTRAINT task_running_has_a_lease CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT task_dead_has_a_code CHECK (state <> 'dead' OR code IS NOT NULL),
    CONSTRAINT task_ended_has_a_time
        CHECK ((state IN ('done', 'dead', 'cancelled')) = (ended_at IS NOT NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);
CREATE INDEX task_ready ON task (pool, tenant_id, priority, accepted_at, document_id, rank DESC, page, id)
    WHERE state = 'ready';
CREATE INDEX task_critical ON task (pool, ready_at) WHERE state = 'ready' AND priority = 0;
CREATE INDEX task_alone ON task (pool) WHERE state = 'ready' AND alone;
CREATE INDEX task_due ON task (due_at) WHERE state = 'scheduled';
CREATE INDEX task_live ON task (pool, tenant_id, state) WHERE state IN ('queued', 'running');
CREATE INDEX task_dead ON task (ended_at) WHERE state = 'dead';
CREATE INDEX task_ended ON task (ended_at) WHERE state IN ('done', 'cancelled');
CREATE INDEX task_by_delivery ON task (delivery_id) WHERE delivery_id IS NOT NULL;

CREATE TABLE attempt (
    task_id bigint NOT NULL REFERENCES task ON DELETE CASCADE,
    token bigint NOT NULL,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    outcome text,
    cause text,
    PRIMARY KEY (task_id, token),
    CONSTRAINT attempt_ended_has_an_outcome CHECK ((ended_at IS NULL) = (outcome IS NULL))
);

CREATE TABLE output (
    document_id uuid NOT NULL REFERENCES document ON DELETE CASCADE,
    run integer NOT NULL,
    stage text NOT NULL,
    page integer NOT NULL,
    token bigint NOT NULL,
    engine text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document_id, run, stage, page)
);

CREATE TABLE artifact (
    document_id uuid NOT NULL REFERENCES document ON DELETE CASCADE,
    run integer NOT NULL,
    kind text NOT NULL,
    page integer NOT NULL DEFAULT 0,
    stage text NOT NULL,
    task_page integer NOT NULL DEFAULT 0,
    key text NOT NULL,
    sha256 bytea NOT NULL,
    size bigint NOT NULL,
    media_type text NOT NULL,
    PRIMARY KEY (document_id, run, kind, page),
    FOREIGN KEY (document_id, run, stage, task_page)
        REFERENCES output (document_id, run, stage, page) ON DELETE CASCADE
);
CREATE INDEX artifact_by_key ON artifact (key);

-- upload ---------------------------------------------------------------------------------------

CREATE TABLE blob (
    key text PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenant,
    document_id uuid NOT NULL,
    state text NOT NULL DEFAULT 'uploading',
    reserved bigint NOT NULL DEFAULT 0,     -- declared bytes, counted against the quota meanwhile
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    CONSTRAINT blob_state_known CHECK (state IN ('uploading', 'live', 'deleting')),
    CONSTRAINT blob_uploading_expires CHECK (state <> 'uploading' OR expires_at IS NOT NULL)
);
CREATE INDEX blob_pending ON blob (expires_at) WHERE state <> 'live';
CREATE INDEX blob_reserved ON blob (tenant_id) INCLUDE (reserved) WHERE state = 'uploading';

CREATE TABLE idempotency (
    tenant_id text NOT NULL REFERENCES tenant,
    key text NOT NULL,
    request_hash bytea NOT NULL,
    document_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_by_time ON idempotency (created_at);
CREATE INDEX idempotency_by_document ON idempotency (document_id);

-- dispatch -------------------------------------------------------------------------------------

CREATE TABLE tenant_pool (
    tenant_id text NOT NULL REFERENCES tenant,
    pool text NOT NULL,
    vtime double precision NOT NULL DEFAULT 0,
    backlogged boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, pool)
) WITH (fillfactor = 70);
CREATE INDEX tenant_pool_backlog ON tenant_pool (pool, vtime) WHERE backlogged;

CREATE TABLE pool_clock (
    pool text PRIMARY KEY,
    vtime double precision NOT NULL DEFAULT 0,      -- V: start tag of the last pick
    task_seconds double precision NOT NULL DEFAULT 1 -- moving mean of a task's time
) WITH (fillfactor = 50);
INSERT INTO pool_clock (pool, task_seconds)
VALUES ('validator', 0.1), ('ocr', 1), ('thumbnailer', 0.2), ('notifier', 0.2);

CREATE TABLE worker (
    id text PRIMARY KEY,
    pool text NOT NULL,
    slots integer NOT NULL,
    build text NOT NULL,
    languages text[] NOT NULL DEFAULT '{}',
    memory bigint NOT NULL DEFAULT 0,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen timestamptz NOT NULL DEFAULT now()
);

-- scheduler (section of the scheduler) -----------------------------------------------------------

-- What an operator changed of a job; its row is also the lock under which slots are claimed.
CREATE TABLE cron_job (
    job text PRIMARY KEY,
    paused boolean NOT NULL DEFAULT false,
    cron text                               -- overrides the setting while not null
);

-- One row per job and slot: the claim while it runs, its history afterwards.
CREATE TABLE cron_run (
    job text NOT NULL REFERENCES cron_job,
    slot timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'running',
    attempt integer NOT NULL DEFAULT 1,
    token bigint NOT NULL,
    runner text NOT NULL,
    lease_until timestamptz,
    due_at timestamptz,                     -- when a failed slot may be tried again
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    done_rows bigint NOT NULL DEFAULT 0,
    facts jsonb NOT NULL DEFAULT '{}',
    error text,
    PRIMARY KEY (job, slot),
    CONSTRAINT cron_run_state_known CHECK (state IN ('running', 'succeeded', 'failed')),
    CONSTRAINT cron_run_running_has_a_lease CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CONSTRAINT cron_run_ended_has_a_time CHECK ((state = 'running') = (ended_at IS NULL)),
    CONSTRAINT cron_run_failed_has_an_error CHECK (state <> 'failed' OR error IS NOT NULL)
);
CREATE UNIQUE INDEX cron_run_one_at_a_time ON cron_run (job) WHERE state = 'running';
CREATE INDEX cron_run_succeeded ON cron_run (job, slot DESC) WHERE state = 'succeeded';

-- orphan (section of the scheduler) --------------------------------------------------------------

-- Objects that no row referred to when the bucket was listed; deleted if still so after a wait.
CREATE TABLE orphan (
    key text PRIMARY KEY,
    size bigint NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orphan_by_time ON orphan (found_at);

-- erasure (section of the scheduler) -------------------------------------------------------------

-- Erased documents whose prefix is still to be listed once more; the row goes when it was empty.
CREATE TABLE erasure (
    document_id uuid PRIMARY KEY,           -- no reference: it outlives the document
    tenant_id text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    prove_at timestamptz NOT NULL,
    leftovers integer NOT NULL DEFAULT 0
);
CREATE INDEX erasure_by_time ON erasure (prove_at);

-- audit (section of the scheduler) ---------------------------------------------------------------

-- The last audit of each invariant: every replica shows it, whichever ran it.
CREATE TABLE invariant_audit (
    invariant text PRIMARY KEY,
    checked_at timestamptz NOT NULL DEFAULT now(),
    violations bigint NOT NULL,
    examples jsonb NOT NULL DEFAULT '[]'
);

CREATE TABLE audit_line (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    tenant_id text,
    document_id uuid,
    data jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_line_by_document ON audit_line (document_id);

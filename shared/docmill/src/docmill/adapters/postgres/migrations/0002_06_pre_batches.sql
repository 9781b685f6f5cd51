-- Batches with their one completion event, and the legal hold of a document.

CREATE TABLE batch (
    id uuid PRIMARY KEY,
    tenant_id text NOT NULL REFERENCES tenant,
    name text NOT NULL DEFAULT '',
    metadata jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'open',
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    CONSTRAINT batch_state_known CHECK (state IN ('open', 'closed', 'cancelled')),
    CONSTRAINT batch_open_has_no_end CHECK ((state = 'open') = (closed_at IS NULL))
);

-- The key is the promise: a batch completes once.
CREATE TABLE batch_event (
    batch_id uuid PRIMARY KEY REFERENCES batch ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL DEFAULT 'batch.completed',
    data jsonb NOT NULL,
    CONSTRAINT batch_event_kind_known CHECK (kind = 'batch.completed')
);

ALTER TABLE document ADD COLUMN batch_id uuid REFERENCES batch;
CREATE INDEX document_by_batch ON document (batch_id, state) WHERE batch_id IS NOT NULL;

-- A delivery's subject is a document or a batch. Old rows all have a document.
ALTER TABLE delivery ALTER COLUMN document_id DROP NOT NULL;
ALTER TABLE delivery ADD COLUMN batch_id uuid REFERENCES batch ON DELETE CASCADE;
ALTER TABLE delivery ADD CONSTRAINT delivery_has_one_subject
    CHECK (num_nonnulls(document_id, batch_id) = 1) NOT VALID;
CREATE UNIQUE INDEX delivery_of_batch ON delivery (batch_id, endpoint_id)
    WHERE batch_id IS NOT NULL;

ALTER TABLE document ADD COLUMN held_at timestamptz;
ALTER TABLE document ADD COLUMN held_reason text;
ALTER TABLE document ADD CONSTRAINT document_held_has_a_reason
    CHECK ((held_at IS NULL) = (held_reason IS NULL)) NOT VALID;

-- name: lock_document
-- The first statement of every transaction that ends or creates tasks, outputs or events of a
-- document. A statement of its own: what follows then sees what the last holder committed.
SELECT id, tenant_id, state, version, run, settled_run, name, media_type, priority, metadata, correlation,
       pages, failure_code, failure_detail, accepted_at, batch_id, held_reason
  FROM document WHERE id = %(document)s FOR NO KEY UPDATE;

-- name: tally
-- What has become of a run's gating tasks. Only ever after lock_document, never joined with it.
SELECT
    count(*) FILTER (WHERE t.state IN ('scheduled', 'ready', 'queued', 'running')) AS open,
    min(t.state) FILTER (WHERE t.stage = 'validate') AS validate,
    min(t.code) FILTER (WHERE t.stage = 'validate' AND t.state = 'dead') AS validate_code,
    count(*) FILTER (WHERE t.stage = 'recognise' AND t.state = 'dead') AS pages_dead,
    (array_agg(t.code ORDER BY t.page)
        FILTER (WHERE t.stage = 'recognise' AND t.state = 'dead'))[1] AS page_code,
    -- without a task of its own where it was done with the only page
    coalesce(min(t.state) FILTER (WHERE t.stage = 'assemble'),
             (SELECT 'done' FROM output o WHERE o.document_id = %(document)s AND o.run = %(run)s
                 AND o.stage = 'assemble')) AS assemble,
    min(t.code) FILTER (WHERE t.stage = 'assemble' AND t.state = 'dead') AS assemble_code,
    (SELECT count(*) FROM page p WHERE p.document_id = %(document)s AND p.run = %(run)s)
        AS pages_planned,
    (SELECT count(*) FROM artifact a WHERE a.document_id = %(document)s AND a.run = %(run)s
        AND a.kind = 'page') AS pages_read,
    (SELECT n.partial_results FROM tenant n WHERE n.id = %(tenant)s) AS partial_allowed
  FROM task t
 WHERE t.document_id = %(document)s AND t.run = %(run)s
   AND t.stage IN ('validate', 'recognise', 'assemble');

-- name: failed_detail
-- The written cause of the task that ended the run.
SELECT detail FROM task
 WHERE document_id = %(document)s AND run = %(run)s AND state = 'dead' AND code IS NOT NULL
   AND stage IN ('validate', 'recognise', 'assemble')
 ORDER BY rank DESC, page LIMIT 1;

-- name: insert_tasks
-- One row per unit, ever; a second insert of the same unit changes nothing.
INSERT INTO task (tenant_id, document_id, run, stage, page, pool, priority, rank, cost, accepted_at,
       state, due_at)
SELECT %(tenant)s, %(document)s, %(run)s, %(stage)s, p, %(pool)s, %(priority)s, %(rank)s, %(cost)s,
       %(accepted_at)s, CASE WHEN %(after)s > interval '0' THEN 'scheduled' ELSE 'ready' END,
       CASE WHEN %(after)s > interval '0' THEN now() + %(after)s END
  FROM unnest(%(pages)s::integer[]) AS p
    ON CONFLICT ON CONSTRAINT task_unit DO NOTHING;

-- name: backlogged
-- Goes on after WITH. The tenant's place in a pool's line is there from the first task on. Touches the
-- row only when it is not marked, so that commits do not queue up behind each other; a race with the
-- pick that clears it is repaired by the dispatcher's sweep.
placed AS (
    INSERT INTO tenant_pool (tenant_id, pool, backlogged, vtime)
    SELECT %(tenant)s, c.pool, true, c.vtime FROM pool_clock c
     WHERE c.pool = %(pool)s
       AND NOT EXISTS (SELECT FROM tenant_pool WHERE tenant_id = %(tenant)s AND pool = %(pool)s)
        ON CONFLICT DO NOTHING
), marked AS (
    UPDATE tenant_pool t SET backlogged = true, vtime = greatest(t.vtime, c.vtime)
      FROM pool_clock c
     WHERE t.tenant_id = %(tenant)s AND t.pool = %(pool)s AND NOT t.backlogged AND c.pool = t.pool
)

-- name: save_document
-- The guarded move: no row means that the state was not what the lock showed, which cannot be.
UPDATE document
   SET state = %(state)s, version = %(version)s, run = %(run)s, settled_run = %(settled_run)s,
       media_type = %(media_type)s, pages = %(pages)s, failure_code = %(failure_code)s,
       failure_detail = %(failure_detail)s, changed_at = now(),
       settled_at = CASE WHEN %(ended)s THEN now() WHEN %(reopened)s THEN NULL ELSE settled_at END,
       expires_at = CASE WHEN %(ended)s THEN now() + retention
                         WHEN %(reopened)s THEN NULL ELSE expires_at END
 WHERE id = %(document)s AND state = %(from_state)s AND version = %(from_version)s;

-- name: insert_events
INSERT INTO event (document_id, seq, kind, run, state, data)
SELECT %(document)s, e.seq, e.kind, e.run, e.state, e.data
  FROM jsonb_to_recordset(%(events)s) AS e (seq integer, kind text, run integer, state text,
       data jsonb);

-- name: settle_run
UPDATE run SET settled_at = now(), outcome = %(outcome)s
 WHERE document_id = %(document)s AND number = %(run)s AND settled_at IS NULL
RETURNING extract(epoch FROM now() - opened_at)::double precision AS seconds;

-- name: insert_deliveries
-- One delivery per endpoint and event, and its notify task, in the transaction of the event.
WITH made AS (
    INSERT INTO delivery (endpoint_id, tenant_id, document_id, seq, kind, payload)
    SELECT e.id, e.tenant_id, %(document)s, %(seq)s, %(kind)s, %(payload)s
      FROM endpoint e WHERE e.tenant_id = %(tenant)s AND e.active
        ON CONFLICT (endpoint_id, document_id, seq) DO NOTHING
    RETURNING id
)
INSERT INTO task (tenant_id, delivery_id, run, stage, pool, priority, rank, accepted_at)
SELECT %(tenant)s, made.id, %(run)s, 'notify', 'notifier', 1, %(rank)s, now() FROM made
RETURNING id;

-- name: lock_open_tasks
-- In id order, as everywhere, before the update that ends them.
SELECT id FROM task
 WHERE (document_id = %(document)s OR %(deliveries)s AND delivery_id IN (
           SELECT id FROM delivery WHERE document_id = %(document)s))
   AND state IN ('scheduled', 'ready', 'queued', 'running')
 ORDER BY id FOR NO KEY UPDATE;

-- name: cancel_tasks
-- Running ones too: their worker sees the lost claim within a second and kills its child.
UPDATE task SET state = 'cancelled', ended_at = now(), due_at = NULL, lease_until = NULL,
       code = %(code)s
 WHERE id = ANY(%(tasks)s) AND state IN ('scheduled', 'ready', 'queued', 'running');

-- name: close_attempts
UPDATE attempt SET ended_at = now(), outcome = %(outcome)s, cause = %(cause)s
 WHERE task_id = ANY(%(tasks)s) AND ended_at IS NULL;

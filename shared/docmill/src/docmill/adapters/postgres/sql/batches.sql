-- Batches: documents submitted together, with one completion event. The batch's lock comes last.

-- name: insert_batch
INSERT INTO batch (id, tenant_id, name, metadata)
VALUES (%(batch)s, %(tenant)s, %(name)s, %(metadata)s);

-- name: admit
-- Holds off a close until the upload is accepted; who closed first is seen here.
SELECT state FROM batch WHERE id = %(batch)s AND tenant_id = %(tenant)s FOR SHARE;

-- name: get_batch
SELECT b.id, b.name, b.metadata, b.state, b.created_at, b.closed_at, e.at AS completed_at,
       (SELECT coalesce(jsonb_object_agg(c.state, c.n), '{}')
          FROM (SELECT d.state, count(*) AS n FROM document d
                 WHERE d.batch_id = b.id AND d.state <> 'erasing' GROUP BY d.state) c) AS counts
  FROM batch b LEFT JOIN batch_event e ON e.batch_id = b.id
 WHERE b.id = %(batch)s AND b.tenant_id = %(tenant)s;

-- name: close_batch
-- A cancel also of a closed batch, but of none that has completed; twice changes nothing.
UPDATE batch SET state = %(state)s, closed_at = coalesce(closed_at, now())
 WHERE id = %(batch)s AND tenant_id = %(tenant)s
   AND (state = 'open' OR state = 'closed' AND %(state)s = 'cancelled'
        AND NOT EXISTS (SELECT FROM batch_event e WHERE e.batch_id = batch.id));

-- name: live_members
SELECT id, tenant_id AS tenant FROM document
 WHERE batch_id = %(batch)s AND state IN ('received', 'processing') ORDER BY id;

-- name: lock_batch
-- A statement of its own: what follows then sees what the last holder committed.
SELECT tenant_id AS tenant, name, metadata FROM batch
 WHERE id = %(batch)s AND state <> 'open' FOR NO KEY UPDATE;

-- name: complete_batch
-- Looks at the members as they are now, under the batch's lock; no row when one is live.
INSERT INTO batch_event (batch_id, data)
SELECT %(batch)s, (SELECT coalesce(jsonb_object_agg(c.state, c.n), '{}')
                     FROM (SELECT d.state, count(*) AS n FROM document d
                            WHERE d.batch_id = %(batch)s AND d.state <> 'erasing'
                            GROUP BY d.state) c)
 WHERE NOT EXISTS (SELECT FROM document d
                    WHERE d.batch_id = %(batch)s AND d.state IN ('received', 'processing'))
    ON CONFLICT (batch_id) DO NOTHING
RETURNING kind, data;

-- name: insert_batch_deliveries
-- One delivery per endpoint and its notify task, in the transaction of the event.
WITH made AS (
    INSERT INTO delivery (endpoint_id, tenant_id, batch_id, seq, kind, payload)
    SELECT e.id, e.tenant_id, %(batch)s, 1, %(kind)s, %(payload)s
      FROM endpoint e WHERE e.tenant_id = %(tenant)s AND e.active
    RETURNING id
)
INSERT INTO task (tenant_id, delivery_id, run, stage, pool, priority, rank, accepted_at)
SELECT %(tenant)s, made.id, 1, 'notify', 'notifier', 1, %(rank)s, now() FROM made
RETURNING id;

-- name: completable
-- Batches that nobody completed when their last member ended, or whose cancel was interrupted.
SELECT b.id, b.state FROM batch b
 WHERE b.state <> 'open' AND b.id > %(after)s
   AND NOT EXISTS (SELECT FROM batch_event e WHERE e.batch_id = b.id)
   AND (b.state = 'cancelled' OR NOT EXISTS (
       SELECT FROM document d
        WHERE d.batch_id = b.id AND d.state IN ('received', 'processing')))
 ORDER BY b.id LIMIT %(limit)s;

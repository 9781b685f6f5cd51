-- name: reserve_blob
-- No row when the tenant's storage, with what is being uploaded now, would overflow (every document is
-- counted only where what was summed up before and since does not say that there is room); unless the request
-- was accepted before by its idempotency key: then it adds nothing, and `accept` decides. Its commit is not
-- waited for on the disk: whoever accepts flushes it too, and what a crash forgets here is an orphan.
WITH asked AS (
    SELECT t.id, t.stored_bytes, t.stored_until, t.max_storage_bytes - %(reserved)s
         - coalesce((SELECT sum(reserved) FROM blob
                      WHERE tenant_id = %(tenant)s AND state = 'uploading'
                        AND expires_at > now()), 0) AS bytes
      FROM tenant t WHERE t.id = %(tenant)s
), room AS (
    SELECT a.id, CASE WHEN a.bytes >= a.stored_bytes
                         + (SELECT coalesce(sum(size), 0) FROM document
                             WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing')
                               AND accepted_at >= a.stored_until) THEN true
                      ELSE a.bytes >= (SELECT coalesce(sum(size), 0) FROM document
                             WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing'))
                 END AS enough
      FROM asked a
)
INSERT INTO blob (key, tenant_id, document_id, reserved, expires_at)
SELECT %(key)s, r.id, %(document)s, CASE WHEN r.enough THEN %(reserved)s ELSE 0 END,
       now() + %(patience)s
  FROM room r
 WHERE (r.enough OR EXISTS (SELECT FROM idempotency i
                             WHERE i.tenant_id = r.id AND i.key = %(idempotency_key)s))
   AND set_config('synchronous_commit', 'off', true) = 'off'
RETURNING key;

-- name: find_idempotency
SELECT request_hash, document_id FROM idempotency
 WHERE tenant_id = %(tenant)s AND key = %(idempotency_key)s;

-- name: discard_blob
-- The sweeper takes it at its next round.
UPDATE blob SET expires_at = now(), reserved = 0
 WHERE key = %(key)s AND state = 'uploading';

-- name: share_storage
-- Uploads of a tenant go side by side where there is surely room for all of them. A statement of its
-- own, and so is the next: what follows must see what a holder of the other lock has committed.
-- `open_document` then keeps its plan: one for these parameters, which leave out the sum of every
-- document, looks so much cheaper to PostgreSQL that it would plan each time, 1.1 ms.
SELECT pg_advisory_xact_lock_shared(%(space)s, hashtext(%(tenant)s)),
       set_config('plan_cache_mode', 'force_generic_plan', true);

-- name: own_storage
-- The uploads that are decided now are committed or gone before the sum is taken, and none begins.
SELECT pg_advisory_xact_lock(%(space)s, hashtext(%(tenant)s));

-- name: open_document
-- The blob's row becomes live, and the document, its run, first task and first event are there; or
-- nothing is done and there is no row: no room, the blob is the sweeper's, or another request has the
-- idempotency key. Waits for a request with the same key. Where the storage is shared, every upload on
-- its way, this one too, counts as the largest that the tenant may send. LATERAL, for a join is planned
-- as a walk over all documents of the tenant.
WITH recent AS (
    SELECT since.documents, since.bytes
      FROM tenant t CROSS JOIN LATERAL (
           SELECT count(*) AS documents, coalesce(sum(size), 0) AS bytes FROM document
            WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing')
              AND accepted_at >= t.stored_until) since
     WHERE t.id = %(tenant)s
), room AS (
    SELECT t.id FROM tenant t, recent
     WHERE t.id = %(tenant)s AND t.max_storage_bytes >=
           CASE WHEN %(alone)s
                THEN (SELECT coalesce(sum(size), 0) FROM document
                       WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing'))
                     + %(size)s
                ELSE t.stored_bytes + recent.bytes
                     + t.max_file_bytes * (SELECT count(*) FROM blob
                                            WHERE tenant_id = %(tenant)s AND state = 'uploading'
                                              AND expires_at > now())
           END
), mine AS (
    SELECT b.key FROM blob b JOIN room ON true
     WHERE b.key = %(key)s AND b.state = 'uploading' FOR NO KEY UPDATE OF b
), known AS (
    INSERT INTO idempotency (tenant_id, key, request_hash, document_id)
    SELECT %(tenant)s, %(idempotency_key)s, %(request_hash)s, %(document)s FROM mine
     WHERE %(idempotency_key)s::text IS NOT NULL
        ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key
), live AS (
    UPDATE blob b SET state = 'live', expires_at = NULL, reserved = 0 FROM mine
     WHERE b.key = mine.key
       AND (%(idempotency_key)s::text IS NULL OR EXISTS (SELECT FROM known))
    RETURNING b.document_id, b.tenant_id, b.key
), opened AS (
    INSERT INTO document (id, tenant_id, version, name, declared_type, size, sha256, key, priority,
           metadata, correlation, api_key, retention, batch_id)
    SELECT live.document_id, live.tenant_id, 1, %(name)s, %(declared_type)s, %(size)s, %(sha256)s,
           live.key, %(priority)s, %(metadata)s, %(correlation)s, %(api_key)s, %(retention)s,
           (SELECT id FROM batch WHERE id = %(batch)s AND tenant_id = %(tenant)s)
      FROM live
    RETURNING *
), run AS (
    INSERT INTO run (document_id, number, options)
    SELECT d.id, d.run, %(options)s FROM opened d RETURNING options
), told AS (
    INSERT INTO event (document_id, seq, kind, run, state, data)
    SELECT d.id, d.version, 'accepted', d.run, d.state, %(event)s FROM opened d
), begun AS (
    INSERT INTO task (tenant_id, document_id, run, stage, pool, priority, rank, cost, accepted_at)
    SELECT d.tenant_id, d.id, d.run, %(stage)s, %(pool)s, %(task_priority)s, %(rank)s, %(cost)s,
           d.accepted_at FROM opened d
)

-- name: opened
-- Goes on after `open_document` and settle.sql's `backlogged`: the document as readers see it.
SELECT d.id, d.tenant_id, d.state, d.version, d.run, d.settled_run, d.name, d.declared_type, d.media_type,
       d.size, d.sha256, d.key, d.priority, d.metadata, d.correlation, d.pages, d.failure_code,
       d.failure_detail, d.accepted_at, d.changed_at, d.settled_at, d.expires_at, d.batch_id,
       d.held_reason, run.options, 0 AS pages_done, 0 AS pages_failed, NULL AS hold_reason,
       recent.documents AS recent
  FROM opened d CROSS JOIN run CROSS JOIN recent;

-- name: sum_up
-- So that an upload need not count all documents of its tenant. What is summed up is never less than
-- what is stored, for documents only go. An upload on its way is accepted after its blob was made, one
-- that this statement does not see yet after now(). One that was given up is never accepted, and would
-- keep the sum from going on until it is swept. Twice is safe.
UPDATE tenant t
   SET stored_until = u.until,
       stored_bytes = (SELECT coalesce(sum(size), 0) FROM document
                        WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing')
                          AND accepted_at < u.until)
  FROM (SELECT least(now(), min(created_at)) AS until FROM blob
         WHERE tenant_id = %(tenant)s AND state = 'uploading'
           AND (reserved > 0 OR expires_at > now())) AS u
 WHERE t.id = %(tenant)s AND t.stored_until < u.until;

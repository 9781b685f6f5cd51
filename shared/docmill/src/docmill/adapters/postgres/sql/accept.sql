-- name: reserve_blob
-- No row when the tenant's storage, with what is being uploaded now, would overflow; unless the request
-- was accepted before by its idempotency key: then it adds nothing, and `accept` decides.
WITH used AS (
    SELECT coalesce((SELECT sum(size) FROM document
                      WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing')), 0)
         + coalesce((SELECT sum(reserved) FROM blob
                      WHERE tenant_id = %(tenant)s AND state = 'uploading'
                        AND expires_at > now()), 0) AS bytes
), room AS (
    SELECT t.id, used.bytes + %(reserved)s <= t.max_storage_bytes AS enough
      FROM tenant t, used WHERE t.id = %(tenant)s
)
INSERT INTO blob (key, tenant_id, document_id, reserved, expires_at)
SELECT %(key)s, r.id, %(document)s, CASE WHEN r.enough THEN %(reserved)s ELSE 0 END,
       now() + %(patience)s
  FROM room r
 WHERE r.enough OR EXISTS (SELECT FROM idempotency i
                            WHERE i.tenant_id = r.id AND i.key = %(idempotency_key)s)
RETURNING key;

-- name: insert_idempotency
-- Waits for another request with the same key; no row when that one was accepted.
INSERT INTO idempotency (tenant_id, key, request_hash, document_id)
VALUES (%(tenant)s, %(idempotency_key)s, %(request_hash)s, %(document)s)
    ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key;

-- name: find_idempotency
SELECT request_hash, document_id FROM idempotency
 WHERE tenant_id = %(tenant)s AND key = %(idempotency_key)s;

-- name: discard_blob
-- The sweeper takes it at its next round.
UPDATE blob SET expires_at = now(), reserved = 0
 WHERE key = %(key)s AND state = 'uploading';

-- name: blob_live
-- Guarded: the sweeper flips `uploading` to `deleting` by the same test before it touches S3.
UPDATE blob SET state = 'live', expires_at = NULL, reserved = 0
 WHERE key = %(key)s AND state = 'uploading';

-- name: lock_tenant
-- Two uploads at once must not both see the room that is left for one.
SELECT FROM tenant WHERE id = %(tenant)s FOR NO KEY UPDATE;

-- name: storage_overflows
-- With the document that was just inserted.
SELECT coalesce((SELECT sum(size) FROM document
                  WHERE tenant_id = %(tenant)s AND state NOT IN ('expired', 'erasing')), 0)
       > t.max_storage_bytes AS yes FROM tenant t WHERE t.id = %(tenant)s;

-- name: insert_document
-- Answers as settle.sql's lock_document: nobody else has the row yet.
INSERT INTO document (id, tenant_id, version, name, declared_type, size, sha256, key, priority,
       metadata, correlation, api_key, retention, batch_id)
VALUES (%(document)s, %(tenant)s, 0, %(name)s, %(declared_type)s, %(size)s, %(sha256)s, %(key)s,
       %(priority)s, %(metadata)s, %(correlation)s, %(api_key)s, %(retention)s,
       (SELECT id FROM batch WHERE id = %(batch)s AND tenant_id = %(tenant)s))
RETURNING id, tenant_id, state, version, run, settled_run, name, media_type, priority, metadata, correlation,
       pages, failure_code, failure_detail, accepted_at, batch_id, held_reason;

-- name: insert_run
INSERT INTO run (document_id, number, options, plan, reason)
VALUES (%(document)s, %(run)s, %(options)s, %(plan)s, %(reason)s);

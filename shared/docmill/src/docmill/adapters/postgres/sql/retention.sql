-- name: expired_documents
-- Settled documents whose time is over and which no legal hold keeps.
SELECT id FROM document
 WHERE expires_at <= now() AND held_at IS NULL AND state IN ('ready', 'rejected', 'failed', 'cancelled')
 ORDER BY expires_at LIMIT %(limit)s;

-- name: still_expired
-- Asked again under the document's lock: a retry may have reopened it, or a hold caught it.
SELECT expires_at <= now() AND held_at IS NULL AND state IN ('ready', 'rejected', 'failed', 'cancelled') AS yes
  FROM document WHERE id = %(document)s;

-- name: drop_content
-- What the rows say of the content goes before the objects: no object is deleted while a row
-- refers to it. Artifacts go with their outputs.
DELETE FROM output WHERE document_id = %(document)s;

-- name: drop_pages
DELETE FROM page WHERE document_id = %(document)s;

-- name: release_blob
UPDATE blob SET state = 'deleting' WHERE document_id = %(document)s AND state = 'live';

-- name: expire_uploads
-- The guarded flip: an upload that is accepted at this moment wins or loses as a whole.
UPDATE blob SET state = 'deleting'
 WHERE key IN (SELECT key FROM blob WHERE state = 'uploading' AND expires_at < now()
                ORDER BY expires_at LIMIT %(limit)s)
   AND state = 'uploading' AND expires_at < now()
RETURNING key;

-- name: deletable_blobs
-- Blobs nobody needs any more. One whose document still has content is a defect and stays.
SELECT b.key, b.tenant_id, b.document_id
  FROM blob b
 WHERE b.state = 'deleting' AND b.key > %(after)s
   AND NOT EXISTS (SELECT FROM document d WHERE d.id = b.document_id AND d.state <> 'expired')
   AND NOT EXISTS (SELECT FROM artifact a WHERE a.document_id = b.document_id)
 ORDER BY b.key LIMIT %(limit)s;

-- name: forget_blob
-- After its objects are gone.
DELETE FROM blob WHERE key = %(key)s AND state = 'deleting';

-- name: erasable_documents
-- Documents to be erased which no worker can still be writing to: a worker that was cancelled or
-- lost has stopped one lease later at the latest. The tasks of its deliveries count as well.
SELECT d.id, d.tenant_id FROM document d
 WHERE d.state = 'erasing' AND d.id > %(after)s
   AND NOT EXISTS (
       SELECT FROM (SELECT t.id FROM task t WHERE t.document_id = d.id
                     UNION ALL
                    SELECT t.id FROM task t JOIN delivery v ON v.id = t.delivery_id
                     WHERE v.document_id = d.id) AS t
         JOIN attempt a ON a.task_id = t.id
        WHERE (a.ended_at IS NULL OR a.ended_at > now() - %(lease)s)
          AND (a.outcome IS NULL OR a.outcome IN ('cancelled', 'lost')))
 ORDER BY d.id LIMIT %(limit)s;

-- name: erase_blobs
DELETE FROM blob WHERE document_id = %(document)s;

-- name: erase_answers
DELETE FROM idempotency WHERE document_id = %(document)s;

-- name: erase_document
-- Runs, pages, events, tasks, attempts, outputs, artifacts and deliveries go with it.
DELETE FROM document WHERE id = %(document)s AND state = 'erasing';

-- name: erase_orphans
-- What a sweep had marked under the document's prefix.
DELETE FROM orphan WHERE starts_with(key, %(prefix)s);

-- name: erase_examples
UPDATE invariant_audit
   SET examples = coalesce((SELECT jsonb_agg(e) FROM jsonb_array_elements(examples) AS e
                             WHERE strpos(e::text, %(document)s::text) = 0), '[]')
 WHERE strpos(examples::text, %(document)s::text) > 0;

-- name: erase_errors
-- A job's error names the first document that it could not do.
UPDATE cron_run SET error = replace(error, %(document)s::text, 'erased')
 WHERE strpos(error, %(document)s::text) > 0;

-- name: begin_proof
INSERT INTO erasure (document_id, tenant_id, prove_at)
VALUES (%(document)s, %(tenant)s, now() + %(wait)s) ON CONFLICT (document_id) DO NOTHING;

-- name: write_audit_line
INSERT INTO audit_line (actor, action, tenant_id, document_id, data)
VALUES ('scheduler', %(action)s, %(tenant)s, %(document)s, %(data)s);

-- name: provable_erasures
SELECT document_id, tenant_id, leftovers FROM erasure
 WHERE prove_at <= now() AND document_id > %(after)s
 ORDER BY document_id LIMIT %(limit)s;

-- name: end_proof
DELETE FROM erasure WHERE document_id = %(document)s;

-- name: repeat_proof
-- A late write was found and deleted: look once more.
UPDATE erasure SET leftovers = leftovers + %(found)s, prove_at = now() + %(wait)s
 WHERE document_id = %(document)s;

-- name: unreferenced
-- Of the keys, those no row refers to and no open task of their document can still refer to.
SELECT k.key FROM unnest(%(keys)s::text[], %(documents)s::uuid[]) AS k (key, document)
 WHERE NOT EXISTS (SELECT FROM blob b WHERE b.key = k.key)
   AND NOT EXISTS (SELECT FROM artifact a WHERE a.key = k.key)
   AND NOT EXISTS (SELECT FROM task t WHERE t.document_id = k.document
                      AND t.state IN ('scheduled', 'ready', 'queued', 'running'));

-- name: mark_orphans
INSERT INTO orphan (key, size)
SELECT * FROM unnest(%(keys)s::text[], %(sizes)s::bigint[]) ON CONFLICT (key) DO NOTHING;

-- name: ripe_orphans
-- Marked long enough ago.
SELECT key FROM orphan WHERE key = ANY(%(keys)s) AND found_at <= now() - %(wait)s;

-- name: unmark_orphans
DELETE FROM orphan WHERE key = ANY(%(keys)s);

-- name: marked_orphans
SELECT key FROM orphan WHERE key > %(after)s ORDER BY key LIMIT %(limit)s;

-- Dead letters: dead tasks with their reasons, to read, replay or put away.

-- name: letters
-- Those that match, the newest first. A read. A letter is replayed once a later run of its document,
-- or a later task of its delivery, was opened: it waits for nobody any more.
SELECT t.id, t.tenant_id AS tenant, coalesce(t.document_id, v.document_id) AS document, t.stage,
       t.page, t.run, t.code, t.detail, t.ended_at, t.discarded_at, t.discard_reason
  FROM task t LEFT JOIN delivery v ON v.id = t.delivery_id
 WHERE t.state = 'dead' AND (t.discarded_at IS NULL OR %(discarded)s)
   AND (NOT was_replayed(t) OR %(replayed)s)
   AND (%(code)s::text IS NULL OR t.code = %(code)s)
   AND (%(stage)s::text IS NULL OR t.stage = %(stage)s)
   AND (%(tenant)s::text IS NULL OR t.tenant_id = %(tenant)s)
   AND (%(since)s::timestamptz IS NULL OR t.ended_at >= %(since)s)
   AND (%(until)s::timestamptz IS NULL OR t.ended_at < %(until)s)
   AND (%(after_id)s::bigint IS NULL OR (t.ended_at, t.id) < (%(after_end)s, %(after_id)s))
 ORDER BY t.ended_at DESC, t.id DESC LIMIT %(limit)s;

-- name: letter
-- One dead task with what it has used up. A read.
SELECT t.id, t.tenant_id AS tenant, coalesce(t.document_id, v.document_id) AS document, t.delivery_id
       AS delivery, t.stage, t.page, t.run, t.code, t.detail, t.ended_at, t.attempt, t.crashes,
       t.losses, t.discarded_at, t.discarded_by, t.discard_reason, d.state AS document_state
  FROM task t LEFT JOIN delivery v ON v.id = t.delivery_id
  LEFT JOIN document d ON d.id = coalesce(t.document_id, v.document_id)
 WHERE t.id = %(task)s AND t.state = 'dead';

-- name: attempts
SELECT token, worker, started_at, ended_at, outcome, cause FROM attempt
 WHERE task_id = %(task)s ORDER BY token;

-- name: discard
-- No row when it is not dead or was put away before: twice is safe.
UPDATE task SET discarded_at = now(), discarded_by = %(by)s, discard_reason = %(reason)s
 WHERE id = %(task)s AND state = 'dead' AND discarded_at IS NULL
RETURNING tenant_id AS tenant, document_id AS document;

-- name: deliver_again
-- A new task for the delivery whose last one is dead; none when it has been replayed already.
INSERT INTO task (tenant_id, delivery_id, run, stage, page, pool, priority, rank, accepted_at, state,
       due_at)
SELECT t.tenant_id, t.delivery_id, t.run + 1, t.stage, t.page, t.pool, t.priority, t.rank,
       t.accepted_at, 'scheduled', now() + %(delay)s
  FROM task t
 WHERE t.id = %(task)s AND t.state = 'dead'
   AND NOT EXISTS (SELECT FROM task n WHERE n.delivery_id = t.delivery_id AND n.run > t.run)
    ON CONFLICT ON CONSTRAINT task_unit DO NOTHING
RETURNING id;

-- name: tell_audit
INSERT INTO audit_line (actor, action, tenant_id, document_id, data)
VALUES (%(by)s, %(action)s, %(tenant)s, %(document)s, %(data)s);

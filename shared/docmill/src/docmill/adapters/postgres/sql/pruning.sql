-- name: idempotency
-- Stored answers, after which the same key is a new request.
DELETE FROM idempotency WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM idempotency WHERE created_at < now() - %(age)s LIMIT %(limit)s));

-- name: keys
-- Keys that open nothing any more.
DELETE FROM api_key WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM api_key WHERE least(expires_at, revoked_at) < now() - %(age)s
     LIMIT %(limit)s));

-- name: logins
DELETE FROM failed_authentication WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM failed_authentication WHERE at < now() - %(age)s LIMIT %(limit)s));

-- name: tasks
-- Done and cancelled ones of documents at rest; their attempts go with them, outputs stay.
DELETE FROM task WHERE ctid = ANY(ARRAY(
    SELECT t.ctid FROM task t
     WHERE t.state IN ('done', 'cancelled') AND t.ended_at < now() - %(age)s
       AND NOT EXISTS (SELECT FROM document d WHERE d.id = t.document_id
                          AND d.state IN ('received', 'processing'))
     LIMIT %(limit)s));

-- name: dead_tasks
-- Dead letters are kept for replay, but not for ever.
DELETE FROM task WHERE ctid = ANY(ARRAY(
    SELECT t.ctid FROM task t
     WHERE t.state = 'dead' AND t.ended_at < now() - %(age)s
       AND NOT EXISTS (SELECT FROM document d WHERE d.id = t.document_id
                          AND d.state IN ('received', 'processing'))
     LIMIT %(limit)s));

-- name: deliveries
-- The delivery log, with its tasks; what is still to be delivered stays.
DELETE FROM delivery WHERE ctid = ANY(ARRAY(
    SELECT d.ctid FROM delivery d
     WHERE d.created_at < now() - %(age)s
       AND NOT EXISTS (SELECT FROM task t WHERE t.delivery_id = d.id
                          AND t.state IN ('scheduled', 'ready', 'queued', 'running'))
     LIMIT %(limit)s));

-- name: workers
-- Workers that left without a word.
DELETE FROM worker WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM worker WHERE seen < now() - %(age)s LIMIT %(limit)s));

-- name: history
-- Runs of jobs, but never a job's last success: it tells how late the job is.
DELETE FROM cron_run WHERE ctid = ANY(ARRAY(
    SELECT r.ctid FROM cron_run r
     WHERE r.ended_at < now() - %(age)s
       AND r.slot < (SELECT max(o.slot) FROM cron_run o
                      WHERE o.job = r.job AND o.state = 'succeeded')
     LIMIT %(limit)s));

-- name: claim_task
-- One row when this worker owns the task from now on; none when the hint is stale, the task is
-- cancelled, another worker has it, or it must run alone and this is no lone run.
-- Twice is safe: `dispatch` moves on with every dispatch, and a worker whose reply was lost gets the
-- token again that it already has.
WITH claimed AS (
    UPDATE task SET state = 'running', worker = %(worker)s, lease_until = now() + %(lease)s,
           token = CASE state WHEN 'queued' THEN nextval('fence') ELSE token END
     WHERE id = %(task)s AND dispatch = %(dispatch)s
       AND (state = 'queued' OR state = 'running' AND worker = %(worker)s)
       AND (NOT alone OR %(alone)s)
    RETURNING *
), opened AS (
    INSERT INTO attempt (task_id, token, worker) SELECT id, token, worker FROM claimed
        ON CONFLICT DO NOTHING
)
SELECT c.id AS task, c.token, c.stage, c.tenant_id AS tenant, c.document_id AS document,
       c.delivery_id AS delivery, c.run, c.page, c.attempt, c.alone,
       coalesce(d.correlation, v.payload ->> 'correlation_id', '') AS correlation, r.options, r.plan, d.key,
       coalesce(d.name, '') AS name, d.sha256, n.max_pages,
       coalesce(own.attempts, every.attempts) AS attempts,
       coalesce(own.deadline, every.deadline) AS deadline,
       -- At the first try alone, and while no operator limits `assemble`: else it is a task of its own.
       -- Pages are counted, not told: a child wrote the plan, but of each page there is one row.
       c.stage = 'recognise' AND coalesce(jsonb_array_length(r.plan -> 'pages') = 1, false)
           AND NOT c.alone AND c.attempt + c.crashes + c.losses = 0
           AND NOT EXISTS (SELECT FROM stage_limit WHERE stage = 'assemble')
           AND NOT EXISTS (SELECT FROM task_limit WHERE stage = 'assemble'
                              AND coalesce(tenant_id, c.tenant_id) = c.tenant_id) AS finishes
  FROM claimed c
  JOIN tenant n ON n.id = c.tenant_id
  LEFT JOIN document d ON d.id = c.document_id
  LEFT JOIN delivery v ON v.id = c.delivery_id
  LEFT JOIN run r ON r.document_id = c.document_id AND r.number = c.run
  LEFT JOIN task_limit own ON own.stage = c.stage AND own.tenant_id = c.tenant_id
  LEFT JOIN task_limit every ON every.stage = c.stage AND every.tenant_id IS NULL;

-- name: suspect
SELECT alone FROM task WHERE id = %(task)s AND dispatch = %(dispatch)s AND state = 'queued';

-- name: live_tokens
-- Asked every second by each worker process: which of its claims still hold.
SELECT t.token FROM unnest(%(tasks)s::bigint[], %(tokens)s::bigint[]) AS held (id, token)
  JOIN task t ON t.id = held.id AND t.token = held.token AND t.state = 'running';

-- name: renew
-- Touches task rows only, in id order, and waits for no document.
WITH held AS (
    SELECT t.id FROM unnest(%(tasks)s::bigint[], %(tokens)s::bigint[]) AS h (id, token)
      JOIN task t ON t.id = h.id AND t.token = h.token AND t.state = 'running'
     ORDER BY t.id FOR NO KEY UPDATE OF t
)
UPDATE task SET lease_until = now() + %(lease)s
  FROM held WHERE task.id = held.id AND task.state = 'running'
RETURNING task.token;

-- name: inputs
SELECT kind, page, key, sha256, size, media_type FROM artifact
 WHERE document_id = %(document)s AND run = %(run)s AND kind = 'page' ORDER BY page;

-- name: outages
SELECT count(*) AS outages FROM attempt WHERE task_id = %(task)s AND outcome = 'dependency';

-- name: finish_task
-- The fence: no row when the token no longer holds.
WITH finished AS (
    UPDATE task SET state = 'done', ended_at = now(), lease_until = NULL, code = NULL, detail = NULL
     WHERE id = %(task)s AND token = %(token)s AND state = 'running'
    RETURNING id
), closed AS (
    UPDATE attempt SET ended_at = now(), outcome = 'done' FROM finished f
     WHERE task_id = f.id AND token = %(token)s AND attempt.ended_at IS NULL
)
SELECT id FROM finished;

-- name: was_finished
-- After a commit whose reply was lost: this very token has finished the task.
SELECT 1 AS yes FROM task WHERE id = %(task)s AND token = %(token)s AND state = 'done';

-- name: close_attempt
UPDATE attempt SET ended_at = now(), outcome = %(outcome)s, cause = %(cause)s
 WHERE task_id = %(task)s AND token = %(token)s AND ended_at IS NULL;

-- name: insert_output
-- With its artifacts, which refer to it: that is checked at the statement's end.
WITH output AS (
    INSERT INTO output (document_id, run, stage, page, token, engine, facts)
    VALUES (%(document)s, %(run)s, %(stage)s, %(page)s, %(token)s, %(engine)s, %(facts)s)
)
INSERT INTO artifact (document_id, run, kind, page, stage, task_page, key, sha256, size, media_type)
SELECT %(document)s, %(run)s, a.kind, a.page, %(stage)s, %(page)s, a.key, decode(a.sha256, 'hex'),
       a.size, a.media_type
  FROM jsonb_to_recordset(%(artifacts)s) AS a (kind text, page integer, key text, sha256 text,
       size bigint, media_type text);

-- name: save_plan
UPDATE run SET plan = %(plan)s WHERE document_id = %(document)s AND number = %(run)s;

-- name: insert_pages
INSERT INTO page (document_id, run, number, source, reason, width, height, unit)
SELECT %(document)s, %(run)s, p.number, p.source, p.reason, p.width, p.height, p.unit
  FROM jsonb_to_recordset(%(pages)s) AS p (number integer, source text, reason text,
       width double precision, height double precision, unit text);

-- name: save_page
UPDATE page SET facts = %(facts)s
 WHERE document_id = %(document)s AND run = %(run)s AND number = %(page)s;

-- name: fail_page
UPDATE page SET failure_code = %(code)s
 WHERE document_id = %(document)s AND run = %(run)s AND number = %(page)s;

-- name: delivered
UPDATE delivery SET delivered_at = now() WHERE id = %(delivery)s;

-- name: spent
-- Under the document's lock where there is one; the fence again.
SELECT attempt, crashes, deadlines, losses, alone FROM task
 WHERE id = %(task)s AND token = %(token)s AND state = 'running' FOR NO KEY UPDATE;

-- name: move_task
UPDATE task SET state = %(state)s, attempt = %(attempt)s, crashes = %(crashes)s,
       deadlines = %(deadlines)s, losses = %(losses)s, alone = %(alone)s,
       due_at = CASE WHEN %(state)s = 'scheduled' THEN now() + %(delay)s END,
       ready_at = CASE WHEN %(state)s = 'ready' THEN now() ELSE ready_at END,
       ended_at = CASE WHEN %(state)s = 'dead' THEN now() END,
       lease_until = NULL, code = %(code)s, detail = %(detail)s
 WHERE id = %(task)s AND token = %(token)s AND state = 'running';

-- name: delivery
SELECT d.id, e.url, e.secret, d.kind, d.document_id AS document, d.created_at AS at, d.payload
  FROM delivery d JOIN endpoint e ON e.id = d.endpoint_id WHERE d.id = %(delivery)s;

-- name: beat
INSERT INTO worker (id, pool, slots, build, languages, memory, engines, down)
VALUES (%(worker)s, %(pool)s, %(slots)s, %(build)s, %(languages)s, %(memory)s, %(engines)s,
       %(down)s)
    ON CONFLICT (id) DO UPDATE SET seen = now(), slots = excluded.slots,
       languages = excluded.languages, memory = excluded.memory, engines = excluded.engines,
       down = excluded.down;

-- name: leave
DELETE FROM worker WHERE id = %(worker)s;

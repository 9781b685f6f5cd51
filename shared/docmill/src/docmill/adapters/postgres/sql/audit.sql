-- name: i1_original
-- An accepted document without a live blob row under its key.
SELECT d.id AS document, 'no live blob under ' || d.key AS detail
  FROM document d
 WHERE d.state NOT IN ('expired', 'erasing') AND d.changed_at >= %(since)s
   AND NOT EXISTS (SELECT FROM blob b WHERE b.key = d.key AND b.state = 'live');

-- name: i2_hanging
-- A document that is to come to an end, but nothing is left that would bring it there.
SELECT d.id AS document, 'run ' || d.run || ' is ' || d.state || ' without an open task' AS detail
  FROM document d
 WHERE d.state IN ('received', 'processing')
   AND NOT EXISTS (SELECT FROM task t WHERE t.document_id = d.id AND t.run = d.run
                      AND t.stage IN ('validate', 'recognise', 'assemble')
                      AND t.state IN ('scheduled', 'ready', 'queued', 'running'));

-- name: i2_batch_hanging
-- A closed batch that has had no live member for a while, and has not completed.
SELECT NULL::uuid AS document, 'batch ' || b.id || ' has ended without its event' AS detail
  FROM batch b
 WHERE b.state <> 'open' AND b.closed_at < now() - interval '15 minutes'
   AND NOT EXISTS (SELECT FROM batch_event e WHERE e.batch_id = b.id)
   AND NOT EXISTS (SELECT FROM document d WHERE d.batch_id = b.id
                      AND (d.state IN ('received', 'processing')
                           OR d.changed_at > now() - interval '15 minutes'));

-- name: i3_done_twice
-- A unit committed by more than one attempt.
SELECT t.document_id AS document,
       t.stage || ' of page ' || t.page || ' was committed ' || count(*) || ' times' AS detail
  FROM attempt a JOIN task t ON t.id = a.task_id
 WHERE a.outcome = 'done' AND t.document_id IS NOT NULL AND a.ended_at >= %(since)s
 GROUP BY t.id HAVING count(*) > 1;

-- name: i3_done_for_nothing
-- A task that is done without the one output it stands for, or an output by another's token.
SELECT t.document_id AS document, t.stage || ' of page ' || t.page || ' is done, '
       || CASE WHEN o.token IS NULL THEN 'without output' ELSE 'but not its output' END AS detail
  FROM task t JOIN document d ON d.id = t.document_id
  LEFT JOIN output o ON o.document_id = t.document_id AND o.run = t.run AND o.stage = t.stage
                    AND o.page = t.page
 WHERE t.state = 'done' AND t.ended_at >= %(since)s AND d.state NOT IN ('expired', 'erasing')
   AND o.token IS DISTINCT FROM t.token;

-- name: i3_output_without_work
-- An output of the run whose task is not done. (Pruned tasks leave outputs of documents at rest.)
SELECT o.document_id AS document,
       o.stage || ' of page ' || o.page || ' has an output, but its task is ' || t.state AS detail
  FROM output o JOIN task t ON t.document_id = o.document_id AND t.run = o.run
                           AND t.stage = o.stage AND t.page = o.page
 WHERE t.state <> 'done' AND o.at >= %(since)s;

-- name: i3_assembled_by_another
-- An output of assemble that has no task, and not the token of the only page it was made with.
SELECT o.document_id AS document,
       'run ' || o.run || ' was assembled by token ' || o.token || ', not by ' || t.token AS detail
  FROM output o JOIN task t ON t.document_id = o.document_id AND t.run = o.run
                           AND t.stage = 'recognise' AND t.state = 'done'
 WHERE o.stage = 'assemble' AND o.at >= %(since)s AND o.token <> t.token
   AND (SELECT count(*) FROM page p WHERE p.document_id = o.document_id AND p.run = o.run) = 1
   AND NOT EXISTS (SELECT FROM task a WHERE a.document_id = o.document_id AND a.run = o.run
                      AND a.stage = 'assemble');

-- name: i4_illegal_move
-- Two consecutive events whose states no allowed move connects.
SELECT e.document_id AS document,
       coalesce(e.before, 'nothing') || ' to ' || e.state || ' at event ' || e.seq AS detail
  FROM (SELECT v.document_id, v.seq, v.state,
               lag(v.state) OVER (PARTITION BY v.document_id ORDER BY v.seq) AS before
          FROM event v JOIN document d ON d.id = v.document_id
         WHERE v.state IS NOT NULL AND d.changed_at >= %(since)s) e
 WHERE e.state IS DISTINCT FROM e.before
   AND NOT ((e.before IS NULL AND e.state = 'received')
        OR EXISTS (SELECT FROM unnest(%(moves_from)s::text[], %(moves_to)s::text[]) AS m (a, b)
                    WHERE m.a = e.before AND m.b = e.state));

-- name: i4_untold_state
-- A document in another state than its history ends with.
SELECT d.id AS document, 'is ' || d.state || ', told ' || coalesce(last.state, 'nothing') AS detail
  FROM document d
  LEFT JOIN LATERAL (SELECT e.state FROM event e WHERE e.document_id = d.id
                        AND e.state IS NOT NULL ORDER BY e.seq DESC LIMIT 1) last ON true
 WHERE d.changed_at >= %(since)s AND last.state IS DISTINCT FROM d.state;

-- name: i5_remains
-- Rows of a document that the audit line says is erased.
SELECT l.document_id AS document, 'erased, but rows remain' AS detail
  FROM audit_line l
 WHERE l.action = 'document_erased' AND l.at >= %(since)s
   AND (EXISTS (SELECT FROM document d WHERE d.id = l.document_id)
     OR EXISTS (SELECT FROM blob b WHERE b.document_id = l.document_id)
     OR EXISTS (SELECT FROM idempotency i WHERE i.document_id = l.document_id)
     OR EXISTS (SELECT FROM task t WHERE t.document_id = l.document_id)
     OR EXISTS (SELECT FROM artifact a WHERE a.document_id = l.document_id)
     OR EXISTS (SELECT FROM delivery v WHERE v.document_id = l.document_id));

-- name: i6_gaps
-- A history that does not run from 1 to the document's version, each number once.
SELECT d.id AS document, 'version ' || d.version || ', ' || e.told || ' events from '
       || coalesce(e.first, 0) || ' to ' || coalesce(e.last, 0) AS detail
  FROM document d
  CROSS JOIN LATERAL (SELECT count(*) AS told, min(seq) AS first, max(seq) AS last
                        FROM event v WHERE v.document_id = d.id) e
 WHERE d.state IN ('ready', 'rejected', 'failed', 'cancelled', 'expired')
   AND d.changed_at >= %(since)s
   AND NOT (e.told = d.version AND e.last = d.version AND (e.first = 1 OR d.version = 0));

-- name: sample_originals
-- Some documents: half the newest ones, half by chance.
WITH newest AS (
    SELECT id, key, size, sha256 FROM document WHERE state NOT IN ('expired', 'erasing')
     ORDER BY id DESC LIMIT %(half)s),
chance AS (
    SELECT id, key, size, sha256 FROM document TABLESAMPLE SYSTEM (%(percent)s)
     WHERE state NOT IN ('expired', 'erasing') LIMIT %(half)s)
SELECT id AS document, key, size, sha256 FROM newest
 UNION SELECT id, key, size, sha256 FROM chance;

-- name: sample_artifacts
WITH newest AS (
    SELECT id FROM document WHERE state NOT IN ('expired', 'erasing')
     ORDER BY id DESC LIMIT %(half)s),
recent AS (
    SELECT a.* FROM newest n JOIN artifact a ON a.document_id = n.id LIMIT %(half)s),
chance AS (
    SELECT a.* FROM artifact a TABLESAMPLE SYSTEM (%(percent)s)
      JOIN document d ON d.id = a.document_id AND d.state NOT IN ('expired', 'erasing')
     LIMIT %(half)s)
SELECT document_id AS document, key, size, sha256 FROM recent
 UNION SELECT document_id, key, size, sha256 FROM chance;

-- name: table_size
-- The planner's guess; -1 before the first ANALYZE.
SELECT greatest(reltuples, 0)::bigint AS guessed FROM pg_class WHERE oid = %(name)s::regclass;

-- name: still_refers
-- A sampled object was missing: does its row still say that it should be there?
SELECT EXISTS (SELECT FROM document d WHERE d.id = %(document)s
                  AND d.state NOT IN ('expired', 'erasing')
                  AND (d.key = %(key)s OR EXISTS (
                      SELECT FROM artifact a WHERE a.document_id = d.id AND a.key = %(key)s)))
       AS yes;

-- name: record_audit
INSERT INTO invariant_audit (invariant, violations, examples)
VALUES (%(invariant)s, %(violations)s, %(examples)s)
    ON CONFLICT (invariant) DO UPDATE
   SET checked_at = now(), violations = excluded.violations, examples = excluded.examples;

-- name: last_audit
SELECT invariant, checked_at, violations, examples FROM invariant_audit;

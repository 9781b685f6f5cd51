-- name: owner
SELECT tenant_id FROM document WHERE id = %(document)s AND state <> 'erasing';

-- name: last_options
-- The plan only while the engine that made it is the present one: else all is done again.
SELECT r.options, CASE WHEN engine_is_current('validate', o.engine) THEN r.plan END AS plan
  FROM run r
  LEFT JOIN output o ON o.document_id = r.document_id AND o.run = r.number AND o.stage = 'validate'
 WHERE r.document_id = %(document)s AND r.number = %(run)s;

-- name: insert_run
INSERT INTO run (document_id, number, options, plan, reason)
VALUES (%(document)s, %(run)s, %(options)s, %(plan)s, %(reason)s);

-- name: carry_pages
INSERT INTO page (document_id, run, number, source, reason, width, height, unit, facts)
SELECT document_id, %(run)s, number, source, reason, width, height, unit,
       CASE WHEN failure_code IS NULL THEN facts ELSE '{}' END
  FROM page WHERE document_id = %(document)s AND run = %(before)s;

-- name: carry_outputs
-- Pointers to what an earlier run made of the same file with the same options and engine version.
INSERT INTO output (document_id, run, stage, page, token, engine, facts, at)
SELECT o.document_id, %(run)s, o.stage, o.page, o.token, o.engine, o.facts, o.at FROM output o
 WHERE o.document_id = %(document)s AND o.run = %(before)s
   AND o.stage IN ('validate', 'recognise', 'thumbnail')
   AND engine_is_current(o.stage, o.engine);

-- name: carry_artifacts
INSERT INTO artifact (document_id, run, kind, page, stage, task_page, key, sha256, size, media_type)
SELECT a.document_id, %(run)s, a.kind, a.page, a.stage, a.task_page, a.key, a.sha256, a.size,
       a.media_type
  FROM artifact a
  JOIN output o ON o.document_id = a.document_id AND o.run = %(run)s AND o.stage = a.stage
   AND o.page = a.task_page
 WHERE a.document_id = %(document)s AND a.run = %(before)s;

-- name: missing_units
-- What the new run still has to do: pages without a stored text, and the thumbnails.
SELECT 'recognise' AS stage, p.number AS page FROM page p
 WHERE p.document_id = %(document)s AND p.run = %(run)s AND p.source <> 'text'
   AND NOT EXISTS (SELECT FROM artifact a WHERE a.document_id = p.document_id AND a.run = p.run
                      AND a.kind = 'page' AND a.page = p.number)
 UNION ALL
SELECT 'thumbnail', 0
 WHERE %(thumbnails)s AND NOT EXISTS (SELECT FROM output o WHERE o.document_id = %(document)s
                                         AND o.run = %(run)s AND o.stage = 'thumbnail')
 ORDER BY stage, page;

-- name: tell_audit
INSERT INTO audit_line (actor, action, tenant_id, document_id)
VALUES (%(by)s, 'erase_requested', %(tenant)s, %(document)s);

-- name: tell_tenant_cancel
INSERT INTO audit_line (actor, action, tenant_id)
VALUES (%(by)s, 'tenant_cancel_requested', %(tenant)s);

-- name: live_of_tenant
SELECT id FROM document
 WHERE tenant_id = %(tenant)s AND state IN ('received', 'processing') ORDER BY id;

-- name: forget_answers
DELETE FROM idempotency WHERE document_id = %(document)s;

-- name: overdue_runs
SELECT r.document_id AS document FROM run r JOIN document d ON d.id = r.document_id
 WHERE r.settled_at IS NULL AND r.opened_at < now() - %(limit)s
   AND d.state IN ('received', 'processing')
 ORDER BY r.opened_at LIMIT 100;

-- name: run_is_overdue
-- Asked again under the document's lock.
SELECT 1 AS yes FROM run WHERE document_id = %(document)s AND number = %(run)s
   AND settled_at IS NULL AND opened_at < now() - %(limit)s;

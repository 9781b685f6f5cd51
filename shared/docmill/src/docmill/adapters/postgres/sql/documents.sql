-- What readers see. Every query is by tenant, and none sees a document that is being erased.

-- name: documents
-- Documents with their current run's options and progress; what follows says which of them.
SELECT d.id, d.tenant_id, d.state, d.version, d.run, d.settled_run, d.name, d.declared_type, d.media_type,
       d.size, d.sha256, d.key, d.priority, d.metadata, d.correlation, d.pages, d.failure_code,
       d.failure_detail, d.accepted_at, d.changed_at, d.settled_at, d.expires_at, d.batch_id,
       d.held_reason, r.options, progress.pages_done, progress.pages_failed, progress.hold_reason
  FROM document AS d
  LEFT JOIN run AS r ON r.document_id = d.id AND r.number = d.run
 CROSS JOIN LATERAL (
       SELECT (SELECT count(*) FROM artifact AS a
                WHERE a.document_id = d.id AND a.run = d.run AND a.kind = 'page'
              ) AS pages_done,
              (SELECT count(*) FROM page AS p
                WHERE p.document_id = d.id AND p.run = d.run AND p.failure_code IS NOT NULL
              ) AS pages_failed,
              (SELECT CASE WHEN bool_and(w.pool IS NOT NULL)
                           THEN string_agg(DISTINCT w.pool || ' waits for ' || w.dependency, ', ')
                       END
                 FROM task AS t LEFT JOIN paused_pool AS w ON w.pool = t.pool
                WHERE d.state IN ('received', 'processing')
                  AND t.document_id = d.id AND t.run = d.run
                  AND t.stage IN ('validate', 'recognise', 'assemble')
                  AND t.state IN ('scheduled', 'ready', 'queued', 'running')
              ) AS hold_reason
       ) AS progress
 WHERE d.tenant_id = %(tenant)s AND d.state <> 'erasing'

-- name: one
-- Goes on after `documents`. A read: twice is safe.
   AND d.id = %(document)s

-- name: page_of_documents
-- Goes on after `documents`: the newest first, by id (ids rise with time), from before the cursor.
-- A read: twice is safe.
   AND (%(before)s::uuid IS NULL OR d.id < %(before)s)
   AND (%(states)s::text[] IS NULL OR d.state = ANY (%(states)s))
   AND (%(name)s::text IS NULL OR position(lower(%(name)s) IN lower(d.name)) > 0)
   AND (%(metadata)s::jsonb IS NULL OR d.metadata @> %(metadata)s)
   AND (%(accepted_from)s::timestamptz IS NULL OR d.accepted_at >= %(accepted_from)s)
   AND (%(accepted_to)s::timestamptz IS NULL OR d.accepted_at < %(accepted_to)s)
 ORDER BY d.id DESC
 LIMIT %(limit)s

-- name: version
-- The cheap question of those who wait for a change. A read: twice is safe.
SELECT version, state
  FROM document
 WHERE tenant_id = %(tenant)s AND id = %(document)s AND state <> 'erasing'

-- name: events
-- A document's history after `after`, in order. A read: twice is safe.
SELECT e.document_id, e.seq, e.at, e.kind, e.run, e.state, e.data
  FROM event AS e
  JOIN document AS d ON d.id = e.document_id
 WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.state <> 'erasing'
   AND e.seq > %(after)s
 ORDER BY e.seq
 LIMIT %(limit)s

-- name: artifact
-- One output of the last settled run. A read: twice is safe.
SELECT a.kind, a.page, a.key, a.sha256, a.size, a.media_type
  FROM artifact AS a
  JOIN document AS d ON d.id = a.document_id AND d.settled_run = a.run
 WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.state NOT IN ('erasing', 'expired')
   AND a.kind = %(kind)s AND a.page = %(page)s

-- name: read_pages
-- The pages that the last settled run has read, in order, and what they were read with. A read.
SELECT a.key, a.sha256, coalesce(o.facts ->> 'engine', o.engine) AS engine
  FROM artifact AS a
  JOIN document AS d ON d.id = a.document_id AND d.settled_run = a.run
  JOIN output AS o ON o.document_id = a.document_id AND o.run = a.run
                  AND o.stage = a.stage AND o.page = a.task_page
 WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.state NOT IN ('erasing', 'expired')
   AND a.kind = 'page'
 ORDER BY a.page

-- name: pages
-- The pages of the last settled run, or of the current one while there is none. A read.
SELECT p.number, p.source, p.reason, p.width, p.height, p.unit, p.facts, p.failure_code, r.options
  FROM page AS p
  JOIN document AS d ON d.id = p.document_id AND coalesce(d.settled_run, d.run) = p.run
  JOIN run AS r ON r.document_id = p.document_id AND r.number = p.run
 WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.state <> 'erasing'
 ORDER BY p.number

-- name: usage
-- What a tenant uses now; uploads under way count with their declared size. A read.
SELECT count(*) FILTER (WHERE state <> 'expired') AS documents,
       count(*) FILTER (WHERE state IN ('received', 'processing')) AS live_documents,
       coalesce(sum(size) FILTER (WHERE state <> 'expired'), 0)::bigint
       + (SELECT coalesce(sum(reserved), 0)::bigint FROM blob
           WHERE tenant_id = %(tenant)s AND state = 'uploading' AND expires_at > now())
           AS storage_bytes
  FROM document
 WHERE tenant_id = %(tenant)s AND state <> 'erasing'

-- name: languages
-- What every OCR worker that lives can read: a hint may reach any of them. A read.
WITH living AS (
    SELECT languages FROM worker WHERE pool = 'ocr' AND seen > now() - interval '60 seconds'
)
SELECT language FROM living, unnest(languages) AS language
 GROUP BY language HAVING count(*) = (SELECT count(*) FROM living)
 ORDER BY language

-- name: thumbnails_coming
-- Whether thumbnails of the current run are still being made: they never hold a document up. A read.
SELECT 1 AS yes
  FROM task AS t
  JOIN document AS d ON d.id = t.document_id AND d.run = t.run
 WHERE d.tenant_id = %(tenant)s AND d.id = %(document)s AND d.state <> 'erasing'
   AND t.stage = 'thumbnail' AND t.state IN ('scheduled', 'ready', 'queued', 'running')

-- name: glance
-- One look that tells which of the other steps have anything to do; all from small partial indexes.
SELECT
    EXISTS (SELECT FROM task WHERE state = 'scheduled' AND due_at <= now()) AS due,
    EXISTS (SELECT FROM task WHERE state = 'running' AND lease_until < now()) AS expired,
    EXISTS (SELECT FROM task WHERE state = 'queued' AND pool = ANY(%(pools)s)
               AND (hinted_at IS NULL OR hinted_at <= now() - %(idle_wait)s)) AS unheard,
    -- the head of each line, not the lines: EXISTS would become a join that reads all of them
    (SELECT coalesce(array_agg(c.pool), '{}') FROM pool_clock c
      WHERE (SELECT true FROM tenant_pool p WHERE p.pool = c.pool AND p.backlogged
              ORDER BY p.vtime, p.tenant_id LIMIT 1)) AS backlogged,
    extract(epoch FROM now() - pg_postmaster_start_time())::double precision AS server_seconds;

-- name: promote
-- Due work becomes ready; skips what another dispatcher or a cancel holds.
WITH due AS (
    SELECT id FROM task WHERE state = 'scheduled' AND due_at <= now()
     ORDER BY due_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
    UPDATE task SET state = 'ready', due_at = NULL, ready_at = now()
      FROM due WHERE task.id = due.id RETURNING task.tenant_id, task.pool
), unmarked AS (
    SELECT t.tenant_id, t.pool FROM tenant_pool t
     WHERE NOT t.backlogged AND (t.tenant_id, t.pool) IN (SELECT tenant_id, pool FROM moved)
       FOR NO KEY UPDATE SKIP LOCKED  -- who holds it marks it, or the sweep will
)
UPDATE tenant_pool t SET backlogged = true, vtime = greatest(t.vtime, c.vtime)
  FROM unmarked u JOIN pool_clock c ON c.pool = u.pool
 WHERE t.tenant_id = u.tenant_id AND t.pool = u.pool;

-- name: sweep_backlog
-- Marks again what a race between a commit and a pick left unmarked.
WITH missed AS (
    SELECT t.tenant_id, t.pool FROM tenant_pool t
     WHERE NOT t.backlogged
       AND EXISTS (SELECT FROM task k WHERE k.pool = t.pool AND k.tenant_id = t.tenant_id
                      AND k.state = 'ready')
       FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE tenant_pool t SET backlogged = true, vtime = greatest(t.vtime, c.vtime)
  FROM missed m JOIN pool_clock c ON c.pool = m.pool
 WHERE t.tenant_id = m.tenant_id AND t.pool = m.pool;

-- name: expired
SELECT id AS task, token, tenant_id AS tenant, document_id AS document, stage, page, run, worker
  FROM task WHERE state = 'running' AND lease_until < now() AND stage = ANY(%(stages)s)
 ORDER BY lease_until LIMIT 100;

-- name: still_expired
-- Under the document's lock: a renewal may have been faster. `outage`: PostgreSQL itself was away.
SELECT a.started_at < pg_postmaster_start_time() AS outage
  FROM task t JOIN attempt a ON a.task_id = t.id AND a.token = t.token
 WHERE t.id = %(task)s AND t.token = %(token)s AND t.state = 'running' AND t.lease_until < now()
   FOR NO KEY UPDATE OF t;

-- name: rehint
-- Queued tasks whose hint may be lost, again in place: no state change, no new charge. The wait
-- doubles from `wait` (`idle_wait` where a slot of the pool has nothing to do) up to five minutes.
-- Only run when the glance saw one `unheard` for the shortest of these waits.
WITH idle AS (
    SELECT p.pool FROM pool_clock p
     WHERE (SELECT count(*) FROM task r WHERE r.pool = p.pool AND r.state = 'running')
         < (SELECT coalesce(sum(slots), 0) FROM worker w
             WHERE w.pool = p.pool AND w.seen > now() - %(seen)s)
), due AS (
    SELECT t.id FROM task t
     WHERE t.state = 'queued' AND t.pool = ANY(%(pools)s)
       AND (t.hinted_at IS NULL OR now() >= t.hinted_at + least(%(cap)s::interval, power(2, t.hints)
            * CASE WHEN t.pool IN (SELECT pool FROM idle) THEN %(idle_wait)s::interval
                   ELSE %(wait)s::interval END))
     ORDER BY t.id LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE task SET hinted_at = now(), hints = least(hints + 1, 10)
  FROM due WHERE task.id = due.id RETURNING task.id, task.dispatch, task.pool, task.stage;

-- name: unhinted
-- A returned, nacked or unconfirmed publish: hint again at the next tick.
WITH queued AS (
    SELECT id FROM task WHERE id = ANY(%(tasks)s) AND state = 'queued'
     ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE task SET hinted_at = NULL FROM queued WHERE task.id = queued.id;

-- name: unhint_all
-- After the broker came back: whatever it held may be gone.
WITH queued AS (
    SELECT id FROM task WHERE state = 'queued' ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE task SET hinted_at = NULL, hints = 0 FROM queued WHERE task.id = queued.id;

-- name: try_lock_pool
SELECT pg_try_advisory_xact_lock(%(space)s, hashtext(%(pool)s)) AS got;

-- name: pool_state
-- After the lock, in a statement of its own. `live`: queued and running per tenant, from their small
-- partial index; each one's cap by its key, for a join might read every tenant.
SELECT c.vtime, c.task_seconds,
       greatest(2, (SELECT coalesce(sum(slots), 0) FROM worker w
                     WHERE w.pool = c.pool AND w.seen > now() - %(seen)s))::integer AS slots,
       EXISTS (SELECT FROM paused_pool p WHERE p.pool = c.pool) AS paused,
       EXISTS (SELECT FROM task k WHERE k.pool = c.pool AND k.state = 'ready' AND k.alone)
           AS suspects,
       (SELECT coalesce(jsonb_object_agg(l.stage, least(1000000,
                   floor(tokens_left('stage/' || l.stage, l.starts_per_second)))::integer), '{}')
          FROM stage_limit l) AS limits,
       (SELECT coalesce(jsonb_agg(to_jsonb(l) || jsonb_build_object('max_running',
                   (SELECT n.max_running FROM tenant n WHERE n.id = l.tenant))), '[]')
          FROM (SELECT k.tenant_id AS tenant, count(*) AS live,
                       count(*) FILTER (WHERE k.state = 'queued' AND k.priority = 0) AS critical,
                       count(*) FILTER (WHERE k.alone) AS alone
                  FROM task k WHERE k.pool = c.pool AND k.state IN ('queued', 'running')
                 GROUP BY k.tenant_id) AS l) AS live
  FROM pool_clock c WHERE c.pool = %(pool)s;

-- name: paused
-- The pools that wait for a dependency, as their own workers say.
SELECT pool, dependency FROM paused_pool;

-- name: lines
-- The backlogged tenants of lowest virtual time that are below their cap: never more than can be
-- served now. Who has only suspects waiting, or no start left this second of its own or of the stages
-- it waits for, takes no place.
SELECT p.tenant_id AS tenant, p.vtime, t.weight, t.max_running
  FROM tenant_pool p JOIN tenant t ON t.id = p.tenant_id
 WHERE p.pool = %(pool)s AND p.backlogged AND NOT p.tenant_id = ANY(%(full)s)
   AND (t.starts_per_second IS NULL OR p.pool = 'notifier'
        OR tokens_left('tenant/' || t.id, t.starts_per_second) >= 1)
   AND EXISTS (SELECT FROM task k WHERE k.pool = p.pool AND k.tenant_id = p.tenant_id
                  AND k.priority IN (0, 1, 2) AND k.stage = ANY(%(stages)s)
                  AND k.state = 'ready' AND NOT k.alone)
 ORDER BY p.vtime, p.tenant_id LIMIT %(free)s;

-- name: heads
-- Each tenant's next tasks in its own order: the class by priority, aged by one every five minutes
-- of waiting; then documents as accepted, later stages first, then by page. Of a limited stage no more
-- than may start now, so that it takes no place of another.
SELECT l.tenant, h.id, h.cost, buckets_of(l.tenant, h.stage) AS buckets
  FROM unnest(%(tenants)s::text[], %(rooms)s::integer[]) AS l (tenant, room),
       LATERAL (
           SELECT c.id, c.cost, c.stage, c.class, c.accepted_at, c.document_id, c.rank, c.page
             FROM generate_series(0, 2) AS p (priority),
                  unnest(%(stages)s::text[], %(starts)s::integer[]) AS s (stage, starts),
                  LATERAL (
                      SELECT t.id, t.cost, t.stage, t.accepted_at, t.document_id, t.rank, t.page,
                             greatest(0, t.priority - floor(extract(epoch FROM now() - t.ready_at)
                                 / 300)) AS class
                        FROM task t
                       WHERE t.state = 'ready' AND t.pool = %(pool)s AND t.tenant_id = l.tenant
                         AND t.priority = p.priority AND t.stage = s.stage AND NOT t.alone
                       ORDER BY t.accepted_at, t.document_id, t.page, t.id
                       LIMIT least(l.room, s.starts)
                  ) AS c
            ORDER BY c.class, c.accepted_at, c.document_id, c.rank DESC, c.page, c.id
            LIMIT l.room
       ) AS h;

-- name: lone_head
-- A suspect that must run alone; its worker's other slots idle meanwhile, so one a pool at a time.
SELECT t.id, t.cost, t.tenant_id AS tenant, p.vtime, n.weight, n.max_running,
       buckets_of(t.tenant_id, t.stage) AS buckets
  FROM task t
  JOIN tenant_pool p ON p.tenant_id = t.tenant_id AND p.pool = t.pool
  JOIN tenant n ON n.id = t.tenant_id
 WHERE t.state = 'ready' AND t.pool = %(pool)s AND t.alone AND NOT t.tenant_id = ANY(%(full)s)
   AND t.stage = ANY(%(stages)s)
 ORDER BY p.vtime, t.ready_at LIMIT 1;

-- name: critical_heads
-- Critical work across tenants, for the share of the slots that is theirs.
SELECT t.id, t.cost, t.tenant_id AS tenant, p.vtime, n.weight, n.max_running,
       buckets_of(t.tenant_id, t.stage) AS buckets
  FROM task t
  JOIN tenant_pool p ON p.tenant_id = t.tenant_id AND p.pool = t.pool
  JOIN tenant n ON n.id = t.tenant_id
 WHERE t.state = 'ready' AND t.pool = %(pool)s AND t.priority = 0 AND NOT t.alone
   AND NOT t.tenant_id = ANY(%(full)s) AND t.stage = ANY(%(stages)s)
 ORDER BY t.ready_at LIMIT %(room)s;

-- name: fill_buckets
-- Holds them to the end of the transaction, in the order of their names: picks of two pools may want
-- the same ones.
INSERT INTO bucket AS b (name, tokens, filled_at)
SELECT n, greatest(1, bucket_rate(n)), clock_timestamp() FROM unnest(%(names)s::text[]) AS n
 ORDER BY n
    ON CONFLICT (name) DO UPDATE
   SET tokens = least(excluded.tokens, b.tokens + bucket_rate(b.name)
           * greatest(0, extract(epoch FROM clock_timestamp() - b.filled_at))),
       filled_at = clock_timestamp()
RETURNING b.name, b.tokens;

-- name: spend_tokens
UPDATE bucket SET tokens = bucket.tokens - s.starts
  FROM unnest(%(names)s::text[], %(starts)s::integer[]) AS s (name, starts)
 WHERE bucket.name = s.name;

-- name: queue_tasks
-- The move that charges: once per dispatch. Skips what a cancel holds.
WITH free AS (
    SELECT id FROM task WHERE id = ANY(%(tasks)s) AND state = 'ready'
     ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE task SET state = 'queued', dispatch = dispatch + 1, queued_at = now(), hinted_at = now(),
       hints = 0
  FROM free WHERE task.id = free.id
RETURNING task.id, task.dispatch, task.pool, task.stage,
          extract(epoch FROM now() - task.ready_at)::double precision AS waited_seconds;

-- name: charge
WITH served AS (
    SELECT p.tenant_id, c.vtime
      FROM unnest(%(tenants)s::text[], %(vtimes)s::double precision[]) AS c (tenant, vtime)
      JOIN tenant_pool p ON p.tenant_id = c.tenant AND p.pool = %(pool)s
     ORDER BY p.tenant_id FOR NO KEY UPDATE OF p
), moved AS (
    UPDATE pool_clock SET vtime = %(clock)s WHERE pool = %(pool)s AND vtime < %(clock)s
)
UPDATE tenant_pool p SET vtime = s.vtime
  FROM served s WHERE p.tenant_id = s.tenant_id AND p.pool = %(pool)s;

-- name: clear_backlog
-- Takes out of the line who has nothing ready any more, of those that come next only: who is behind
-- gets there, and a pick must cost the same however long the line is.
WITH front AS MATERIALIZED (
    SELECT tenant_id FROM tenant_pool WHERE pool = %(pool)s AND backlogged
     ORDER BY vtime, tenant_id LIMIT %(free)s
), idle AS MATERIALIZED (
    SELECT f.tenant_id FROM front f
     WHERE NOT EXISTS (SELECT FROM task t WHERE t.pool = %(pool)s AND t.tenant_id = f.tenant_id
                          AND t.state = 'ready')
)
UPDATE tenant_pool p SET backlogged = false
  FROM idle WHERE p.tenant_id = idle.tenant_id AND p.pool = %(pool)s AND p.backlogged;

-- name: measure
-- A moving mean of how long a task takes, from what ended lately.
WITH recent AS (
    SELECT t.pool, avg(extract(epoch FROM a.ended_at - a.started_at)) AS seconds
      FROM (SELECT id, pool, token FROM task WHERE state = 'done' AND ended_at > now() - %(window)s
             ORDER BY ended_at DESC LIMIT 500) AS t
      JOIN attempt a ON a.task_id = t.id AND a.token = t.token GROUP BY t.pool
)
UPDATE pool_clock c SET task_seconds = 0.7 * c.task_seconds + 0.3 * r.seconds
  FROM recent r WHERE r.pool = c.pool;

-- name: crews
-- The workers of each pool that were seen lately.
SELECT pool, count(*) AS workers, sum(slots)::integer AS slots FROM worker
 WHERE seen > now() - %(seen)s GROUP BY pool;

-- name: dead
-- Dead letters that nobody has replayed or put away; a file that was rejected waits for nobody.
SELECT t.stage, count(*) AS tasks FROM task t LEFT JOIN document d ON d.id = t.document_id
 WHERE t.state = 'dead' AND t.discarded_at IS NULL AND NOT was_replayed(t)
   AND d.state IS DISTINCT FROM 'rejected'
 GROUP BY t.stage;

-- name: depth
-- How many, and since when the oldest is in that state; a running task since it was queued.
SELECT pool, stage, priority, state, count(*) AS tasks,
       coalesce(extract(epoch FROM now() - min(CASE state WHEN 'scheduled' THEN created_at
           WHEN 'ready' THEN ready_at ELSE queued_at END)), 0)::double precision AS oldest_seconds
  FROM task WHERE state IN ('scheduled', 'ready', 'queued', 'running')
 GROUP BY pool, stage, priority, state;

-- name: fairness
-- How many tenants wait, and how far apart they are; who is below a cap of its own falls behind.
SELECT pool, count(*) AS tenants, (max(vtime) - min(vtime))::double precision AS spread
  FROM tenant_pool WHERE backlogged GROUP BY pool;

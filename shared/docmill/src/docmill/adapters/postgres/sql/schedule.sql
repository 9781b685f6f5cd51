-- name: register_jobs
-- Every job of this release has a row to lock; what an operator changed of it stays.
INSERT INTO cron_job (job) SELECT unnest(%(jobs)s::text[]) ON CONFLICT DO NOTHING;

-- name: board
-- PostgreSQL's clock decides which slot it is: replicas whose clocks differ agree on it.
SELECT now() AS now, job, paused, cron FROM cron_job;

-- name: lock_job
-- Claims of one job go one after the other. A statement of its own, before what it guards.
SELECT job FROM cron_job WHERE job = %(job)s FOR UPDATE;

-- name: abandon_lost
-- A run whose replica is gone: its slot may be tried again at once.
UPDATE cron_run
   SET state = 'failed', error = 'abandoned: the lease ran out', lease_until = NULL,
       ended_at = now(), due_at = now()
 WHERE job = %(job)s AND state = 'running' AND lease_until < now();

-- name: claim_slot
-- One row when this replica runs the slot from now on. None when it is done, runs elsewhere, waits
-- to be tried again, or a later slot was begun (of missed slots only the latest runs).
INSERT INTO cron_run AS r (job, slot, token, runner, lease_until)
SELECT %(job)s, %(slot)s, nextval('fence'), %(runner)s, now() + %(lease)s
 WHERE NOT EXISTS (SELECT FROM cron_run o WHERE o.job = %(job)s
                      AND (o.state = 'running' OR o.slot > %(slot)s))
    ON CONFLICT (job, slot) DO UPDATE
   SET state = 'running', attempt = r.attempt + 1, token = excluded.token,
       runner = excluded.runner, lease_until = excluded.lease_until, due_at = NULL,
       started_at = now(), ended_at = NULL, error = NULL
 WHERE r.state = 'failed' AND r.due_at <= now()
RETURNING token, attempt;

-- name: slot_succeeded
-- Whether nothing is left to do for the slot.
SELECT EXISTS (SELECT FROM cron_run WHERE job = %(job)s
                  AND (slot > %(slot)s OR (slot = %(slot)s AND state = 'succeeded'))) AS yes;

-- name: renew_slots
-- The tokens that still hold.
UPDATE cron_run SET lease_until = now() + %(lease)s
 WHERE token = ANY(%(tokens)s) AND state = 'running' AND lease_until >= now()
RETURNING token;

-- name: finish_slot
-- Fenced: a run that was abandoned and taken over is not recorded twice.
UPDATE cron_run
   SET state = 'succeeded', lease_until = NULL, ended_at = now(), done_rows = %(rows)s,
       facts = %(facts)s
 WHERE job = %(job)s AND slot = %(slot)s AND token = %(token)s AND state = 'running';

-- name: fail_slot
-- The slot is tried again after the delay, while it is the current one.
UPDATE cron_run
   SET state = 'failed', lease_until = NULL, ended_at = now(), due_at = now() + %(delay)s,
       error = %(error)s
 WHERE job = %(job)s AND slot = %(slot)s AND token = %(token)s AND state = 'running';

-- name: last_runs
-- Of each job: its last run, and when one last succeeded.
SELECT j.job, j.paused, j.cron, last.slot, last.state, last.attempt, last.started_at, last.ended_at,
       last.done_rows, last.error,
       (SELECT r.ended_at FROM cron_run r WHERE r.job = j.job AND r.state = 'succeeded'
         ORDER BY r.slot DESC LIMIT 1) AS succeeded_at
  FROM cron_job j
  LEFT JOIN LATERAL (SELECT * FROM cron_run r WHERE r.job = j.job
                      ORDER BY r.slot DESC LIMIT 1) last ON true;

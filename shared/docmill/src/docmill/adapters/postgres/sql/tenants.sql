-- Tenants, their keys, and who failed to come in.

-- name: add_tenant
-- No row when the tenant exists already; it is left as it is, so twice is safe.
INSERT INTO tenant (id, name, weight, max_running, max_file_bytes, max_pages, max_storage_bytes,
                    retention, max_retention, partial_results, starts_per_second)
VALUES (%(id)s, %(name)s, %(weight)s, %(max_running)s, %(max_file_bytes)s, %(max_pages)s,
        %(max_storage_bytes)s, %(retention)s, %(max_retention)s, %(partial_results)s,
        %(starts_per_second)s)
    ON CONFLICT (id) DO NOTHING
RETURNING id

-- name: set_tenant
-- Replaces every limit of a tenant; no row when there is none. Twice is safe.
UPDATE tenant
   SET name = %(name)s, state = %(state)s, weight = %(weight)s, max_running = %(max_running)s,
       max_file_bytes = %(max_file_bytes)s, max_pages = %(max_pages)s,
       max_storage_bytes = %(max_storage_bytes)s, retention = %(retention)s,
       max_retention = %(max_retention)s, partial_results = %(partial_results)s,
       starts_per_second = %(starts_per_second)s
 WHERE id = %(id)s
RETURNING id

-- name: tenant
SELECT id, name, state, weight, max_running, max_file_bytes, max_pages, max_storage_bytes, retention,
       max_retention, partial_results, starts_per_second
  FROM tenant WHERE id = %(id)s

-- name: tenants
SELECT id, name, state, weight, max_running, max_file_bytes, max_pages, max_storage_bytes, retention,
       max_retention, partial_results, starts_per_second
  FROM tenant ORDER BY id

-- name: add_key
INSERT INTO api_key (id, tenant_id, name, scope, hash, expires_at)
VALUES (%(id)s, %(tenant)s, %(name)s, %(scope)s, %(hash)s, %(expires_at)s)
RETURNING id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at

-- name: key
-- `ended`: it opens nothing any more.
SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at,
       revoked_at IS NOT NULL OR coalesce(expires_at <= now(), false) AS ended
  FROM api_key WHERE id = %(id)s

-- name: keys
SELECT id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at
  FROM api_key
 WHERE %(tenant)s::text IS NULL OR tenant_id = %(tenant)s
 ORDER BY tenant_id, created_at, id

-- name: revoke_key
-- The first revocation's time is kept: twice is safe.
UPDATE api_key SET revoked_at = coalesce(revoked_at, now())
 WHERE id = %(id)s
RETURNING id

-- name: retire_key
-- Lets a rotated key live on for the grace time at most; never lengthens its life.
UPDATE api_key SET expires_at = least(expires_at, now() + %(grace)s::interval)
 WHERE id = %(id)s
RETURNING id, tenant_id, name, scope, hash, created_at, expires_at, revoked_at

-- name: credential
-- Everything that authenticating needs, in one read.
SELECT k.id AS key_id, k.tenant_id AS key_tenant, k.name AS key_name, k.scope, k.hash,
       k.created_at AS key_created_at, k.expires_at, k.revoked_at,
       t.id, t.name, t.state, t.weight, t.max_running, t.max_file_bytes, t.max_pages,
       t.max_storage_bytes, t.retention, t.max_retention, t.partial_results, t.starts_per_second
  FROM api_key AS k
  JOIN tenant AS t ON t.id = k.tenant_id
 WHERE k.id = %(id)s

-- name: log_failures
-- One line for each refused credential; the caller bounds their rate.
INSERT INTO failed_authentication (address, key_id, reason)
SELECT * FROM unnest(%(addresses)s::text[], %(keys)s::text[], %(reasons)s::text[])

-- name: used_keys
-- When keys were last used, to the minute: a hint for people, so losing one is no loss.
UPDATE api_key SET last_used_at = now()
 WHERE id = ANY (%(keys)s)
   AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')

-- name: limit_stage
-- Twice is safe.
INSERT INTO stage_limit (stage, starts_per_second) VALUES (%(stage)s, %(rate)s)
    ON CONFLICT (stage) DO UPDATE SET starts_per_second = excluded.starts_per_second

-- name: free_stage
DELETE FROM stage_limit WHERE stage = %(stage)s

-- name: stage_limits
SELECT stage, starts_per_second FROM stage_limit ORDER BY stage

-- name: limit_tasks
-- Twice is safe.
INSERT INTO task_limit (stage, tenant_id, attempts, deadline)
VALUES (%(stage)s, %(tenant)s, %(attempts)s, %(deadline)s)
    ON CONFLICT ON CONSTRAINT task_limit_unit
    DO UPDATE SET attempts = excluded.attempts, deadline = excluded.deadline

-- name: free_tasks
DELETE FROM task_limit WHERE stage = %(stage)s AND tenant_id IS NOT DISTINCT FROM %(tenant)s

-- name: task_limits
SELECT stage, tenant_id AS tenant, attempts, deadline FROM task_limit
 ORDER BY stage, tenant_id NULLS FIRST

-- name: add_endpoint
INSERT INTO endpoint (tenant_id, url, secret)
VALUES (%(tenant)s, %(url)s, %(secret)s)
RETURNING id

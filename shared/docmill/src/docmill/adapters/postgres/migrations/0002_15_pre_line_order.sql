-- The line of a pool in the very order in which a pick reads it, so that reading its head costs the same
-- with ten tenants and with a thousand.
CREATE INDEX tenant_pool_line ON tenant_pool (pool, vtime, tenant_id) WHERE backlogged;
DROP INDEX tenant_pool_backlog;

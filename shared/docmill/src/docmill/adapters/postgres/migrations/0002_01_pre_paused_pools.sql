-- What workers say of their dependencies and engines, and which pools pause because of it.

ALTER TABLE worker ADD COLUMN down text[] NOT NULL DEFAULT '{}';    -- dependencies that do not answer
ALTER TABLE worker ADD COLUMN engines jsonb NOT NULL DEFAULT '{}';  -- by stage, with their versions

-- A pool pauses when half of its workers seen within 30 s report the same dependency down. A worker
-- that is gone is forgotten, so nothing needs hands to come back.
CREATE VIEW paused_pool AS
SELECT DISTINCT ON (w.pool) w.pool, d.dependency
  FROM worker w, unnest(w.down) AS d (dependency)
 WHERE w.seen > now() - interval '30 seconds'
 GROUP BY w.pool, d.dependency
HAVING 2 * count(*) >= (SELECT count(*) FROM worker l
                         WHERE l.pool = w.pool AND l.seen > now() - interval '30 seconds')
 ORDER BY w.pool, count(*) DESC, d.dependency;

-- Whether a worker that lives makes this stage's output with the same engine version; of those seen
-- last, when none lives; yes, when none ever told. What an engine was asked for may follow its name.
CREATE FUNCTION engine_is_current(stage text, engine text) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH known AS (
        SELECT w.engines ->> stage AS name, w.seen > now() - interval '30 seconds' AS lives
          FROM worker w WHERE w.engines ? stage
    )
    SELECT NOT EXISTS (SELECT FROM known)
        OR EXISTS (SELECT FROM known WHERE starts_with(engine, name)
                      AND (lives OR NOT EXISTS (SELECT FROM known WHERE lives)))
$$;

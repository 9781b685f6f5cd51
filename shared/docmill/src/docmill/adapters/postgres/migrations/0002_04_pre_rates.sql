-- How many tasks may start a second: of a tenant, as its plan says, and of a stage.

ALTER TABLE tenant ADD COLUMN starts_per_second double precision
    CONSTRAINT tenant_starts_positive CHECK (starts_per_second > 0);

CREATE TABLE stage_limit (
    stage text PRIMARY KEY,
    starts_per_second double precision NOT NULL,
    CONSTRAINT stage_limit_stage_known
        CHECK (stage IN ('validate', 'recognise', 'assemble', 'thumbnail', 'notify')),
    CONSTRAINT stage_limit_positive CHECK (starts_per_second > 0)
);

-- Token buckets, `tenant/<id>` and `stage/<stage>`; they hold the starts of one second, at least one.
CREATE TABLE bucket (
    name text PRIMARY KEY,
    tokens double precision NOT NULL,
    filled_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The limited buckets that a task's start takes a token from.
CREATE FUNCTION buckets_of(tenant text, stage text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array(
        SELECT 'tenant/' || t.id FROM tenant t
         WHERE t.id = $1 AND t.starts_per_second IS NOT NULL AND $2 <> 'notify'
         UNION ALL
        SELECT 'stage/' || l.stage FROM stage_limit l WHERE l.stage = $2)
$$;

-- What a bucket holds now; a full one where none was ever needed. On the wall clock: who waited for
-- a bucket finds what was filled in meanwhile.
CREATE FUNCTION tokens_left(bucket text, rate double precision) RETURNS double precision
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce((
        SELECT least(greatest(1, rate), b.tokens
                     + rate * greatest(0, extract(epoch FROM clock_timestamp() - b.filled_at)))
          FROM bucket b WHERE b.name = $1), greatest(1, rate))
$$;

-- How fast a bucket fills.
CREATE FUNCTION bucket_rate(bucket text) RETURNS double precision LANGUAGE sql STABLE AS $$
    SELECT CASE split_part($1, '/', 1)
           WHEN 'tenant' THEN (SELECT starts_per_second FROM tenant WHERE id = split_part($1, '/', 2))
           ELSE (SELECT starts_per_second FROM stage_limit WHERE stage = split_part($1, '/', 2))
           END
$$;

-- What was audited stays as it was written: not even the owner of the table changes a line.

CREATE FUNCTION audit_line_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit lines are append-only' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER audit_line_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_line
   FOR EACH STATEMENT EXECUTE FUNCTION audit_line_is_append_only();

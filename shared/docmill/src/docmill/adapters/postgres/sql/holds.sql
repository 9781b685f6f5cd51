-- The legal hold of a document: set and taken off under its lock, each with an audit line.

-- name: hold
UPDATE document SET held_at = now(), held_reason = %(reason)s WHERE id = %(document)s;

-- name: release
UPDATE document SET held_at = NULL, held_reason = NULL WHERE id = %(document)s;

-- name: tell_audit
INSERT INTO audit_line (actor, action, tenant_id, document_id, data)
VALUES (%(by)s, %(action)s, %(tenant)s, %(document)s, %(data)s);

-- Whether a dead letter was tried again: a later run of its document, or a later task of its delivery.
CREATE FUNCTION was_replayed(letter task) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN letter.delivery_id IS NULL
        THEN EXISTS (SELECT FROM document d WHERE d.id = letter.document_id AND d.run > letter.run)
        ELSE EXISTS (SELECT FROM task n WHERE n.delivery_id = letter.delivery_id AND n.run > letter.run)
        END
$$;

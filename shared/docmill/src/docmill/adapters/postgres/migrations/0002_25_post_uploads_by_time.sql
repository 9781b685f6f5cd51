-- The release before summed up reservations by this one.
DROP INDEX blob_reserved;

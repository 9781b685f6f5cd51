-- The release before summed up by this one.
DROP INDEX document_storage;

"""PostgreSQL, the queue of record."""

"""PostgreSQL: the journal, its one command transaction, and what may be read from it."""

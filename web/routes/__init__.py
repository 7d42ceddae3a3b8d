"""What the query side serves: one table, for its router, its checks and its document."""

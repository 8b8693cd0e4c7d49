"""THE MEMORY: one table, or one close family, per file, with the queries that belong to it."""

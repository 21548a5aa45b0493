"""The database: forward-only migrations in plain SQL, and the snapshot that they add up to."""

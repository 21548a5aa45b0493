"""The workers: one module per job; `delivery` moves conversations and tickets, `knowledge` reads and indexes."""

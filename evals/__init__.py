"""Offline evaluation: the product's own search, gate and answerer over question sets. A room above the services."""

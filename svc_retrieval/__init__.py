"""Hybrid retrieval, and the documents, cases and knowledge bases behind it."""

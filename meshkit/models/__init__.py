"""Model access: embeddings and chat behind two small interfaces. No business word lives here."""

"""The tables of the schema `knowledge`. Functions take a connection, so that the caller owns the transaction."""

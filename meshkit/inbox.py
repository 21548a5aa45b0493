"""What makes a repeated delivery harmless: a row per (consumer, key) that commits with the effect."""

from meshkit.postgres import Connection, load_queries

_queries = load_queries("meshkit", "inbox.sql")


async def first_time(conn: Connection, consumer: str, key: str) -> bool:
    """True if `consumer` sees `key` for the first time. Call it in the transaction that does the effect.

    A rival transaction with the same key waits here until the other one ends.
    """
    return await conn.fetchval(_queries.receive_once, consumer, key) is not None

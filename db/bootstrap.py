"""What a fresh server needs before the first migration: the owner's role and the database itself."""

import asyncpg

OWNER = "groundline"
# pgvector's extension is not a trusted one, so that the owner can't create it; the others come along.
EXTENSIONS = ("vector", "unaccent", "pg_trgm", "pg_stat_statements")
DATABASE = "groundline"


async def create_database(superuser_url: str) -> bool:
    """Creates the owner's role and its database where they are missing; True if the database was made now.

    The owner may create roles, for migrations create one per service, and is no superuser.
    """
    connection = await asyncpg.connect(superuser_url, timeout=10)
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", OWNER):
            await connection.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
        made = not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", DATABASE)
        if made:
            await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    finally:
        await connection.close(timeout=10)
    await create_extensions(superuser_url, DATABASE)
    return made


async def create_extensions(superuser_url: str, database: str) -> None:
    """Creates the extensions in `database` where they are missing. Needs a superuser."""
    connection = await asyncpg.connect(superuser_url, database=database, timeout=10)
    try:
        for extension in EXTENSIONS:
            await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    finally:
        await connection.close(timeout=10)


async def has_documents(database_url: str) -> bool:
    """Whether anything was ever ingested."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM knowledge.documents)"))
    finally:
        await connection.close(timeout=10)

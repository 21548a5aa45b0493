"""`python -m tools.schema_snapshot [FILE]`: writes what all migrations add up to (db/schema.sql), from a fresh server.

A reader sees the whole schema in one file, and a reviewer what a migration changes in it.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from db import bootstrap
from db.migrate import migrate
from db.postgres import PostgresServer

SNAPSHOT = Path(__file__).parent.parent / "db" / "schema.sql"
HEADER = "-- Made by `make schema` from db/migrations. Not applied by anything: it is for reading.\n\n"
# What differs from one run or release of pg_dump to the next, and says nothing of the schema.
_NOISE = re.compile(r"^(?:--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(?:un)?restrict .*)\n", re.MULTILINE)


def snapshot() -> str:
    """The schema as text. Raises subprocess.CalledProcessError if pg_dump fails."""
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder) / "data")
        server.start()
        try:
            asyncio.run(_migrated(server))
            dump = subprocess.run(
                [server.program("pg_dump"), "--schema-only", "--no-owner", server.url(database=bootstrap.DATABASE)],
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            ).stdout
        finally:
            server.destroy()
    return HEADER + re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", dump)).strip() + "\n"


async def _migrated(server: PostgresServer) -> None:
    await bootstrap.create_database(server.url())
    await migrate(server.url(bootstrap.OWNER, bootstrap.DATABASE))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else SNAPSHOT
    target.write_text(snapshot(), encoding="utf-8")

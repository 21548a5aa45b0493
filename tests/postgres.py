"""A PostgreSQL server of a test run's own, out of reach of what pytest clears away of other runs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.postgres import PostgresServer


@contextmanager
def own_server() -> Iterator[str]:
    """The URL of the server that GROUNDLINE_TEST_DATABASE_URL names, else of one that lives as long as the block."""
    given = os.environ.get("GROUNDLINE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="groundline-pg-"))
    # PostgreSQL's own account must get through to its files; they are in private folders.
    folder.chmod(0o711)
    server = PostgresServer(folder / "data")
    try:
        server.start()
        yield server.url()
    finally:
        server.destroy()
        shutil.rmtree(folder, ignore_errors=True)

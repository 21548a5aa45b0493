import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.stack.layout import Home


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short folder that any account may enter; pytest's own are private to the caller."""
    path = Path(tempfile.mkdtemp(prefix="groundline-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def home(folder: Path) -> Home:
    home = Home(folder / "home")
    home.path.mkdir(mode=0o711)
    home.logs.mkdir(mode=0o700)
    return home

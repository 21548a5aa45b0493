"""Which files are taken in, and under which name."""

from pathlib import Path

import pytest

from cli.errors import CommandError
from cli.ingesting import find_sources


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"words of {name}")


def test_uris_are_paths_within_the_root_that_was_named(tmp_path: Path) -> None:
    write(tmp_path, "b.md", "a/x.HTML", "a/y.txt", "a/z.markdown", "a/image.png", ".hidden.md", ".git/c.md")
    found = find_sources([tmp_path])
    assert [(each.uri, each.media_type) for each in found] == [
        ("a/x.HTML", "text/html"),
        ("a/y.txt", "text/plain"),
        ("a/z.markdown", "text/markdown"),
        ("b.md", "text/markdown"),
    ]
    assert [each.uri for each in find_sources([tmp_path / "a" / "y.txt"])] == ["y.txt"]


def test_what_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "README.md", "a/README.md", "a/draft.md", "b.md")
    (tmp_path / ".groundlineignore").write_text("# about the folder\nREADME.md\n")
    assert [each.uri for each in find_sources([tmp_path], ["*/draft.md"])] == ["a/README.md", "b.md"]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "in/a.md", "out/secret.md")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    assert [each.uri for each in find_sources([tmp_path / "in"])] == ["a.md"]


def test_two_files_with_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "one/a.md", "two/a.md")
    with pytest.raises(CommandError, match="would both become") as refused:
        find_sources([tmp_path / "one", tmp_path / "two"])
    assert refused.value.exit_code == 2
    # The same file twice is no contradiction.
    assert len(find_sources([tmp_path / "one", tmp_path / "one" / "a.md"])) == 1


@pytest.mark.parametrize("name", ["missing", "image.png"])
def test_what_can_not_be_taken_in_is_said(tmp_path: Path, name: str) -> None:
    write(tmp_path, "image.png")
    with pytest.raises(CommandError) as refused:
        find_sources([tmp_path / name])
    assert refused.value.exit_code == 2

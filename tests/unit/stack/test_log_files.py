from pathlib import Path

import pytest

from cli.stack.log_files import LogFile, last_words


def test_last_lines_then_new_ones_over_a_rotation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.log"
    path.write_text("one\ntwo\nthree\n")
    log = LogFile(path, "gateway | ")
    log.print_last(2)
    assert capsys.readouterr().out == "gateway | two\ngateway | three\n"
    with path.open("a") as file:
        file.write("fo")
        file.flush()
        log.print_new()
        assert capsys.readouterr().out == "", "half a line is not a line yet"
        file.write("ur\n")
    log.print_new()
    assert capsys.readouterr().out == "gateway | four\n"
    path.rename(tmp_path / "gateway.log.1")
    path.write_text("five\n")
    while not log.print_new():
        pass
    assert capsys.readouterr().out == "gateway | five\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it said nothing"),
        ("first\nlast\n\n", "last"),
        ('{"event": "start_failed", "error": "no policy", "at": "now"}\n', "start_failed: no policy"),
        ('["not", "ours"]\n', '["not", "ours"]'),
    ],
)
def test_last_words(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert last_words(path) == words


def test_last_words_of_one_that_never_ran(tmp_path: Path) -> None:
    assert last_words(tmp_path / "none") == "it said nothing"

"""Which stemmer a language has."""

import pytest

from meshkit.text.languages import CONFIGURATIONS, configuration_of, language_of, stemmer_of
from meshkit.text.words import stem


@pytest.mark.parametrize(
    ("language", "configuration"),
    [
        ("de", "german"),
        ("de-AT", "german"),
        ("pt_BR", "portuguese"),
        ("EN", "english"),
        ("zh-Hant", "simple"),
        ("tlh", "simple"),
        ("German", "german"),
        ("nb", "norwegian"),
        ("", ""),
        ("42", ""),
        ("unknown", ""),
        ("x", ""),
    ],
)
def test_a_language_has_its_configuration(language: str, configuration: str) -> None:
    assert configuration_of(language) == configuration


def test_a_configuration_has_its_language() -> None:
    assert (language_of("german"), language_of("norwegian"), language_of("simple")) == ("de", "nb", "")


def test_every_configuration_has_a_stemmer_here() -> None:
    assert all(stem("abc", stemmer_of(each)) for each in CONFIGURATIONS)
    assert (stemmer_of(""), stemmer_of("klingon")) == ("english", "simple")


def test_accents_tell_the_stemmer_its_part_and_then_they_go() -> None:
    assert stem("résiliées", "french") == "resili"
    assert stem("Verträge", "german") == stem("Vertrag", "german") == "vertrag"

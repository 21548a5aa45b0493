"""Words with their place and stem, by Snowball: the same algorithm that PostgreSQL's text search uses."""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import snowballstemmer

# Letters and digits; inner apostrophes; points, commas and colons between digits (3.6.2, 1,000, 02:00).
_WORD = re.compile(r"\d+(?:[.,:]\d+)+(?![^\W_])|[^\W_]+(?:['’][^\W_]+)*")

_COMBINING = re.compile(r"[\u0300-\u036f]+")

# English words that say nothing of what a sentence is about, apart from negations: those change what it says.
_STOP_WORDS = """
    a about above after again all also am an and any anyone anything are as at be because been before being below
    between both but by can could did do does doing done down during each few for from further get gets getting got had
    has have having he her here hers herself him himself his how i i'd i'm i've if in into is it it's its itself just
    let like me more most my myself now of off on once one only or other our ours ourselves out over own please same
    shall she should so some someone something such than thanks that that's the their theirs them themselves then there
    these they this those through to too under until up upon us very was we were what what's whats when where which
    while who whom whose why will with would you your yours yourself yourselves hello hi hey tell know want need
    wonder wondering
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


@dataclass(frozen=True, slots=True)
class Word:
    """Code points `start` to `end` of the text; `text` is as written, `stem` in small letters."""

    text: str
    stem: str
    start: int
    end: int

    @property
    def numeric(self) -> bool:
        """Whether it is written in digits alone (with points, commas, colons between them)."""
        return self.text[0].isdigit() and self.text[-1].isdigit() and not any(char.isalpha() for char in self.text)

    @property
    def stop(self) -> bool:
        """Whether it says nothing of the subject (English)."""
        return self.text.lower().replace("’", "'") in STOP_WORDS


def words(text: str, language: str = "english") -> list[Word]:
    """The words of `text` in order; see `stem`."""
    return [Word(found[0], stem(found[0], language), found.start(), found.end()) for found in _WORD.finditer(text)]


@lru_cache(maxsize=65_536)
def stem(word: str, language: str = "english") -> str:
    """The word's stem in small letters and without accents; a word with a digit in it is only made small.

    `language` is a name that Snowball knows, or `simple`. Raises KeyError for another one.
    """
    normal = _bare(word).lower().replace("’", "'")
    if language == "simple" or any(char.isdigit() for char in normal):
        return normal
    if language == "english":
        return str(_stemmer(language).stemWord(normal))
    # As the index has it: accents tell most stemmers what an ending is.
    accented = unicodedata.normalize("NFKC", word).lower().replace("’", "'")
    return _bare(str(_stemmer(language).stemWord(accented)))


def _bare(word: str) -> str:
    return unicodedata.normalize("NFC", _COMBINING.sub("", unicodedata.normalize("NFKD", word)))


@lru_cache(maxsize=32)
def _stemmer(language: str) -> snowballstemmer.stemmer:
    return snowballstemmer.stemmer(language)

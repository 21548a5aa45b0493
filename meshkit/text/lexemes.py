"""What of a text goes into a tsvector. Whoever indexes and whoever asks must do this alike, or nothing is found.

    text, ids = index_text(text), identifier_lexemes(text)
    f"... {tsvector('$1', '$2', '$3')} ..."        -- $1 text configuration, $2 text, $3 text[] of ids

That is for a knowledge base's own configuration. For any other it is `knowledge.tagged(to_tsvector(configuration,
accented_text(text)), configuration)`, and the same identifiers.

A chunk's `word_count` is `word_count(vector)` of the finished tsvector: its positions, as BM25 counts a length.
"""

import re
import unicodedata

from meshkit.text.identifiers import identifier_matches, identifiers, plain_dashes

IDENTIFIER_PREFIX = "id:"

_COMBINING = re.compile(r"[\u0300-\u036f]+")
_COMPACTED = re.compile(r"[-_]")
# PostgreSQL's parser makes one token of `WPA2/WPA3` (a file name) and of `host/path`: nobody would find the parts.
_SLASHES = re.compile(r"[/\\]+")
_LETTER = re.compile(r"[^\W\d_]")


def identifier_lexemes(text: str) -> list[str]:
    """The lexemes by which the identifiers in `text` are found whole, sorted: `id:` and the identifier.

    One with a letter in it loses hyphens and underscores, so that `E-4012`, `E_4012` and `E4012` are the same.
    """
    return sorted({IDENTIFIER_PREFIX + _canonical(each) for each in identifiers(text)})


def index_text(text: str) -> str:
    """`text` as it is given to to_tsvector: without accents, and cut where PostgreSQL's parser would not cut.

    `E-4012` would become `e` and the number `-4012`, so hyphens and underscores inside identifiers become spaces.
    """
    return _cut(unicodedata.normalize("NFC", _COMBINING.sub("", unicodedata.normalize("NFD", plain_dashes(text)))))


def accented_text(text: str) -> str:
    """The same with its accents, which the dictionaries of most languages need."""
    return _cut(unicodedata.normalize("NFC", plain_dashes(text)))


def _cut(plain: str) -> str:
    parts: list[str] = []
    at = 0
    for match in identifier_matches(plain):
        parts += (plain[at : match.start()], _COMPACTED.sub(" ", match[0]))
        at = match.end()
    parts.append(plain[at:])
    return _SLASHES.sub(" ", "".join(parts))


def tsvector(configuration: str, text: str, ids: str) -> str:
    """SQL for a tsvector. The arguments are SQL too: a text search configuration's name (text), `index_text(…)` (text)
    and `identifier_lexemes(…)` (text[]); the last have no position and count as standing there once."""
    return f"(to_tsvector(({configuration})::text::regconfig, ({text})::text) || array_to_tsvector(({ids})::text[]))"


def word_count(vector: str) -> str:
    """SQL for the length of a tsvector, in words that are no stop words."""
    return f"(SELECT coalesce(sum(cardinality(u.positions)), 0)::integer FROM unnest({vector}) AS u)"


def _canonical(identifier: str) -> str:
    return _COMPACTED.sub("", identifier) if _LETTER.search(identifier) else identifier

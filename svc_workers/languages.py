"""By which text search configuration a document's words are stemmed."""

import re
from collections.abc import Mapping

from meshkit.postgres import Connection
from meshkit.text.languages import SIMPLE, configuration_of
from svc_workers import store

# Single letters are formulas, options and elisions.
_WORD = re.compile(r"[^\W\d_]{2,}")
# Running text is recognised by its first words; what is much shorter is not recognised at all.
MAX_WORDS = 400
_LEAST_FUNCTION_WORDS = 8
_LEAST_FORMS = 5
_LEAST_SHARE = 0.1
_LEAST_RATIO = 2.0


async def configuration_for(conn: Connection, language: str, text: str, *, own: str) -> str:
    """The configuration of the language that a document states, else of the one it is recognised to be in; "" for the
    knowledge base's `own`, which serves also where neither tells. A language without a stemmer is matched as written.
    """
    named = configuration_of(language)
    if named:
        found = named if named in await store.stemmers(conn) else SIMPLE
    else:
        words = [each[0].lower() for _, each in zip(range(MAX_WORDS), _WORD.finditer(text), strict=False)]
        found = recognised(await store.function_words(conn, words), len(words), own=own)
    return "" if found == own else found


def recognised(function_words: Mapping[str, tuple[int, int]], words: int, *, own: str) -> str:
    """The configuration that has most function words in a text of so many `words`: eight of five forms, a tenth of the
    text and twice as many as `own` at least; `own` where none has. `function_words` are counts of words and forms."""
    best = max(sorted(function_words), key=lambda each: function_words[each][0], default=own)
    count, forms = function_words.get(best, (0, 0))
    many = count >= _LEAST_FUNCTION_WORDS and forms >= _LEAST_FORMS and count >= _LEAST_SHARE * words
    return best if many and count >= _LEAST_RATIO * function_words.get(own, (0, 0))[0] else own

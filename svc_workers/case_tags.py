"""One or two words for what a case is about."""

from collections import Counter
from collections.abc import Iterable

from meshkit.text.identifiers import identifiers
from meshkit.text.redaction import redact
from meshkit.text.words import words

MAX_TAGS = 16
MAX_CHARS = 64
KEYWORDS = 3
SHORTEST_KEYWORD = 4


def tags_of(given: Iterable[str], question: str) -> list[str]:
    """The ticket's own tags, each cut to two words; else the question's codes and part numbers, then the words it
    uses most (of equals the longest, then by the alphabet), KEYWORDS in all. `question` is redacted already."""
    kept = dict.fromkeys(filter(None, (_short(tag) for tag in given)))
    return list(kept)[:MAX_TAGS] if kept else _keywords(question)


def _short(tag: str) -> str:
    plain = " ".join(tag.lower().split()[:2])[:MAX_CHARS].strip()
    return plain if redact(plain) == plain else ""


def _keywords(question: str) -> list[str]:
    codes = [each for each in identifiers(question) if any(char.isalpha() for char in each)][:2]
    # What redaction left behind is no subject.
    plain = question.replace("[", " [").split()
    spoken = words(" ".join(each for each in plain if not each.startswith("[")))
    count: Counter[str] = Counter()
    written: dict[str, str] = {}
    for word in spoken:
        if word.stop or len(word.text) < SHORTEST_KEYWORD or any(char.isdigit() for char in word.text):
            continue
        count[word.stem] += 1
        written.setdefault(word.stem, word.text.lower())
    inside = {part for code in codes for part in code.replace("_", "-").split("-")}
    ranked = sorted(count, key=lambda stem: (-count[stem], -len(written[stem]), written[stem]))
    found = [written[stem] for stem in ranked if written[stem] not in inside]
    return [*codes, *found][:KEYWORDS]

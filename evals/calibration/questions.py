"""Questions made from pages by rule: as a title says it, as a sentence turned round, as keywords, and in a hurry."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from random import Random

from meshkit.text.blocks import BlockKind
from meshkit.text.sentences import sentences
from meshkit.text.words import Word, words

STYLES = ("heading", "inverted", "keywords", "messy")

_VERBS = "is|are|can|must|should|will|may|does|has to"
_STATEMENT = re.compile(rf"^(?P<subject>\w(?:[^,;:()|]*?)) (?P<verb>{_VERBS}) (?P<rest>[^|]+?)[.!]?$", re.DOTALL)
_FRAGMENT = re.compile(r"[,;:(]")
# Customers say more than they ask. Without this, every question would be made of its page's own words alone, and the
# gate would learn to expect that.
_ASIDES = (
    "since yesterday nothing works",
    "my colleague told me to ask",
    "we bought it last spring",
    "the boss is getting nervous",
    "tried everything twice already",
    "this drives me mad",
    "customers are waiting in our shop",
    "found nothing on the internet",
    "it worked fine on monday",
    "sorry for my bad english",
    "need an answer before tonight",
    "the old guy who knew this retired",
)
_GREETINGS = ("", "", "hi ", "hello, ", "pls help ", "question: ")


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a page."""

    heading_path: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Page:
    """A document to make questions from. `key` is the same for all versions of a page."""

    doc_id: str
    key: str
    title: str
    passages: tuple[Passage, ...]

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset(word.stem for passage in self.passages for word in words(passage.text))


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the page that it was made from (None: no page of the knowledge base answers it), and what there."""

    text: str
    style: str
    page: Page | None
    said: str = ""


def questions(pages: Sequence[Page], most: int, seed: int) -> list[Question]:
    """At most `most` questions, as evenly over the pages and styles as they allow; the same for the same seed."""
    rarity = _rarity(pages)
    waiting = [_of_page(page, rarity, _random(seed, page.doc_id)) for page in pages]
    found: dict[str, Question] = {}
    while waiting and len(found) < most:
        still = []
        for each in waiting:
            question = next(each, None)
            if question is not None and len(found) < most:
                found.setdefault(question.text.casefold(), question)
                still.append(each)
        waiting = still
    return list(found.values())


def unrelated() -> list[Question]:
    """Questions of everyday life that no product's documentation answers."""
    lines = files(__package__).joinpath("unrelated.txt").read_text(encoding="utf-8").splitlines()
    return [Question(line, "unrelated", None) for line in lines if line.strip()]


def _of_page(page: Page, rarity: Mapping[str, float], random: Random) -> Iterator[Question]:
    """The page's questions, one style after the other, until it has said all."""
    said = [(passage, line) for passage in page.passages for line in _lines(passage.text)]
    sections: dict[str, str] = {}
    for passage, line in said:
        sections.setdefault(passage.heading_path[-1] if passage.heading_path else page.title, line)
    headings = list(sections.items())
    random.shuffle(said)
    random.shuffle(headings)
    makers: dict[str, Iterator[tuple[str, str]]] = {
        "heading": ((_heading(page, heading), line) for heading, line in headings),
        "inverted": ((_inverted(line), line) for _, line in said),
        "keywords": ((_keywords(page, line, rarity), line) for _, line in said[1::2] or said),
        "messy": ((_messy(passage, line, rarity, random), line) for passage, line in said[::2]),
    }
    order = list(STYLES)
    random.shuffle(order)
    while order:
        for style in list(order):
            text, line = next((each for each in makers[style] if each[0]), ("", ""))
            if text:
                yield Question(_with_aside(text, random), style, page, line)
            else:
                order.remove(style)


def _with_aside(text: str, random: Random) -> str:
    chosen = random.choice(_ASIDES)
    return text if random.random() < 0.4 else f"{text} {chosen}"


def _lines(text: str) -> list[str]:
    """The sentences that say something: neither headings nor table rows nor code."""
    found = []
    for each in sentences(text):
        line = " ".join(text[each.start : each.end].split())
        if each.block.kind in (BlockKind.PARAGRAPH, BlockKind.ITEM) and 6 <= len(line.split()) <= 40:
            found.append(line.replace("`", "").replace("*", ""))
    return found


def _heading(page: Page, heading: str) -> str:
    own = [word for word in _content(heading) if not any(char.isdigit() for char in word.text)]
    # "Notes" or "Steps" asks for nothing, and a date for nothing that a customer would.
    if len(own) < 2:
        return ""
    # A short heading means something only under its title.
    return f"{heading}?" if len(own) >= 4 or heading == page.title else f"{page.title}: {heading}?"


def _inverted(line: str) -> str:
    """'The gateway can hold 40 rules.' becomes 'can the gateway hold 40 rules?'; empty if the sentence is none such."""
    found = _STATEMENT.match(line)
    if found is None or len(found["subject"].split()) > 7 or not _content(found["subject"]):
        return ""
    rest = _FRAGMENT.split(found["rest"])[0].strip()
    if len(_content(rest)) < 2 or found["subject"].split()[0].lower() in ("if", "when", "this", "that", "it", "there"):
        return ""
    subject = found["subject"]
    if subject.split()[0].lower() in ("the", "a", "an", "your", "all", "each", "every", "you"):
        subject = subject[0].lower() + subject[1:]
    verb = found["verb"]
    asked = f"does {subject} have to {rest}" if verb == "has to" else f"{verb} {subject} {rest}"
    return f"{asked[0].upper()}{' '.join(asked.split()[:20])[1:]}?"


def _keywords(page: Page, line: str, rarity: Mapping[str, float]) -> str:
    chosen = _rarest(_content(line), rarity, 4)
    about = _rarest(_content(page.title), rarity, 2)
    found = dict.fromkeys(word.text.lower() for word in (*about, *chosen))
    return " ".join(found) if len(chosen) >= 3 else ""


def _messy(passage: Passage, line: str, rarity: Mapping[str, float], random: Random) -> str:
    """Lower case, half of it left out, a slip of the finger."""
    heading = _content(passage.heading_path[-1]) if passage.heading_path else []
    kept = _rarest(_content(line), rarity, 6)
    kept = [word for word in kept if random.random() < 0.75]
    if len(kept) < 3:
        return ""
    texts = [word.text.lower() for word in (*_rarest(heading, rarity, 2), *kept)]
    place = random.randrange(len(texts))
    if len(texts[place]) > 5 and texts[place].isalpha():
        at = random.randrange(1, len(texts[place]) - 2)
        wrong = texts[place]
        texts[place] = wrong[:at] + wrong[at + 1] + wrong[at] + wrong[at + 2 :]
    return random.choice(_GREETINGS) + " ".join(dict.fromkeys(texts))


def _content(text: str) -> list[Word]:
    return [word for word in words(text) if not word.stop and (len(word.text) > 1 or word.numeric)]


def _rarest(found: Sequence[Word], rarity: Mapping[str, float], count: int) -> list[Word]:
    """The rarest words, in the order of the text."""
    once = list({word.stem: word for word in reversed(found)}.values())
    chosen = sorted(once, key=lambda word: (-rarity.get(word.stem, 0.0), word.start))[:count]
    return sorted(chosen, key=lambda word: word.start)


def _rarity(pages: Sequence[Page]) -> Mapping[str, float]:
    counts = Counter(stem for page in pages for stem in page.stems)
    # A word that stands in one page only is as often a slip as a subject.
    return {stem: math.log(len(pages) / count) if count > 1 else 0.5 for stem, count in counts.items()}


def _random(seed: int, key: str) -> Random:
    return Random(hashlib.sha256(f"{seed}:{key}".encode()).digest())

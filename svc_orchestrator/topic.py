"""What a question is about, and what it leaves unsaid. English word lists of general use; no model, no corpus."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from meshkit.text.words import Word, words

# Of a long message so many words are carried.
MOST_WORDS = 8
_THIN = 2
_LONGEST_GAP = 12
_BETWEEN_SENTENCES = re.compile(r"(?<=[.?!])\s")
# Two words stand together with no more than an article between them.
_TOGETHER = re.compile(r"[^\w,;:?!()]*(?:\b(?:an?|the|my|our|your)\s)?[^\w,;:?!()]*")

# Nouns that are always of something: "the symptoms", "any side effects" leave unsaid of what.
_ASPECTS = """
    advantage disadvantage benefit drawback downside upside pros cons cause reason symptom sign effect impact influence
    consequence result outcome implication importance significance meaning definition purpose goal aim objective role
    function usage application example instance kind type sort category class variety form part component element
    layer feature characteristic property attribute quality trait aspect detail difference similarity relationship
    relation connection comparison origin beginning history background founder creator author inventor founding
    invention creation development evolution discovery future past size length width height weight duration price cost
    fee limit limitation restriction requirement prerequisite condition option alternative choice possibility stage
    phase process procedure method way technique approach treatment cure remedy solution fix workaround problem issue
    risk danger evidence proof source theme character member leader name nickname location place amount count quantity
    rate level degree list overview summary description criticism argument controversy objection exception thing factor
    variation version finding step side
"""
# Words that say how, or that something is or happens, but of nothing what it is.
_WEAK = """
    main important common typical popular famous best better worst worse good bad big bigger biggest large larger
    largest small smaller smallest long longer longest short old older oldest new newer newest young younger youngest
    latest fast faster slow slower quick easy easier hard harder cheap cheaper expensive high higher low lower first
    last next previous early earlier late later different similar same possible available necessary safe general key
    major minor certain various many much several often usually exactly actually really still ever never today
    currently ago around else most least no not nothing reliable useful dangerous harmful free
    work happen happened come came go went make made take took use used mean call called start started begin began end
    ended change changed affect look show see find found keep last become became exist differ compare relate related
    lead led say said think give gave given include included consist contain develop developed invent invented create
    created discover discovered describe explain contrast list define name please help try
"""


def _stems(listed: str) -> frozenset[str]:
    return frozenset(each.stem for each in words(listed))


_ASPECT_STEMS, _WEAK_STEMS = _stems(_ASPECTS), _stems(_WEAK)
# Before these a number stands for one of them ("version 3", "step 2").
_NUMBERED = frozenset(("version", "step", "part", "level", "type", "class", "stage", "phase"))


def subjects(text: str) -> list[Word]:
    """The words of the text that say what it is about, in order: not those that say what of it, or how."""
    found: list[Word] = []
    before: Word | None = None
    for each in words(text):
        if before is not None and each.numeric and before.text.lower() in _NUMBERED:
            found += [before, each]
        elif is_subject(each) or _is_name(each, text) or _is_joined(before, each, text):
            found.append(each)
        before = each
    return found


def is_subject(word: Word) -> bool:
    """Whether the word names something by itself: no stop word, no aspect of another thing, no weak verb or measure."""
    return not word.stop and word.stem not in _ASPECT_STEMS and word.stem not in _WEAK_STEMS


def is_aspect(word: Word) -> bool:
    """Whether the word is always of something."""
    return word.stem in _ASPECT_STEMS


@dataclass(frozen=True, slots=True)
class Piece:
    """Words of a message that stand together, as written; `name` if any is written large, or with a digit; `plain` are
    the others."""

    text: str
    name: bool
    plain: str = ""

    @property
    def stems(self) -> frozenset[str]:
        """The stems of its words."""
        return frozenset(each.stem for each in words(self.text))


def is_written_as_a_name(word: Word) -> bool:
    """Whether the word is written large, or with a digit."""
    return _large(word.text)


def topic_of(text: str) -> tuple[Piece, ...]:
    """What the text is about; all that it tells where it names nothing. Of a story with a question, the question."""
    kept = subjects(text) or [each for each in words(text) if not each.stop]
    if len(kept) > MOST_WORDS:
        asking = [each for each in _BETWEEN_SENTENCES.split(text) if each.endswith("?")]
        if asking and len(subjects(asking[-1])) > 1:
            text = asking[-1]
            kept = subjects(text)
    found = []
    for run in _runs(text, kept[:MOST_WORDS]):
        plain = [each.text for each in run if not _is_name(each, text)]
        found.append(Piece(text[run[0].start : run[-1].end], len(plain) < len(run), " ".join(plain)))
    return tuple(found)


def is_thin(pieces: Iterable[Piece]) -> bool:
    """Whether the pieces are a word or two that name nothing in particular."""
    return sum(len(words(each.text)) for each in pieces) <= _THIN and not any(each.name for each in pieces)


def unsaid(pieces: Iterable[Piece], *texts: str) -> tuple[Piece, ...]:
    """The pieces that hold a word that none of the texts has, nor a piece before."""
    said = {each.stem for text in texts for each in words(text)}
    found = []
    for piece in pieces:
        if not piece.stems <= said:
            found.append(piece)
            said |= piece.stems
    return tuple(found)


def _is_joined(before: Word | None, word: Word, text: str) -> bool:
    # The parts of "LM3-PRO-EU" are one name.
    return before is not None and text[before.end : word.start] in ("-", "_", "/", ".") and _large(before.text)


def _is_name(word: Word, text: str) -> bool:
    # A sentence's first word is written large whatever it is.
    return not word.stop and _large(word.text[1:] if _begins_a_sentence(text, word.start) else word.text)


def _begins_a_sentence(text: str, start: int) -> bool:
    for at in range(start - 1, -1, -1):
        if text[at].isalnum():
            return False
        if text[at] in ".?!:" and text[at + 1].isspace():
            return True
    return True


def _large(text: str) -> bool:
    return any(char.isdigit() or char.isupper() for char in text)


def _runs(text: str, kept: Sequence[Word]) -> list[list[Word]]:
    runs: list[list[Word]] = []
    for each in kept:
        end = runs[-1][-1].end if runs else -_LONGEST_GAP
        if each.start - end < _LONGEST_GAP and _TOGETHER.fullmatch(text, end, each.start):
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs

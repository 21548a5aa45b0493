"""Two current sources that state different things. Few false alarms come before finding everything."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from groundline.evaluation.v1.evaluation_pb2 import CONFLICT_READING_WORD_FOR_WORD, ConflictPair
from meshkit.text.quantities import quantities
from meshkit.text.versions import matches
from meshkit.text.words import words
from svc_evaluator.case import Case, Line, Passage
from svc_evaluator.signals.finding import Finding
from svc_evaluator.statements import Statement, Value
from svc_evaluator.versions import version_of
from svc_evaluator.wording import contradict, wording

# Passages looked at, and pairs told; a pack holds at most 64 of the former.
_MOST_PASSAGES = 12
_MOST_PAIRS = 32
# A passage that scores below this share of the best is not evidence for this question.
_LEAST_SHARE = 0.5
# How near to the question's best statement a statement must be to matter for it; less, if the question asks for just
# that which its number counts.
_NEAR_BEST = 0.6
_NEAR_BEST_IF_ASKED = 0.35
# In any case it must cover so much of the question, as a share of the coverage that an answer needs.
_LEAST_OF_COVERAGE = 0.75

_LEAST_SHARED = 3
_LEAST_SHARED_WITH_NAMES = 4
_LEAST_CONTAINED = 0.8
_LEAST_ALIKE = 0.5
# A "not" turns a sentence round only if all else is the same.
_LEAST_ALIKE_DENIED = 0.8


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines of two passages that state different things."""

    one: Passage
    line: Line
    other: Passage
    other_line: Line

    def to_proto(self) -> ConflictPair:
        return ConflictPair(
            chunk_id=self.one.evidence.chunk_id,
            other_chunk_id=self.other.evidence.chunk_id,
            sentence=self.line.text[:4096],
            other_sentence=self.other_line.text[:4096],
        )


def conflict(case: Case) -> Finding:
    """How many pairs of current sources disagree on what was asked, or on what the draft cites."""
    found = conflicts(case)
    return Finding(float(len(found)), f"{len(found)} pairs of sentences disagree" if found else "")


def conflicts(case: Case) -> list[Pair]:
    """The pairs that count, in the pack's order."""
    word_for_word = case.policy.conflict_reading == CONFLICT_READING_WORD_FOR_WORD
    same_version = (
        pair
        for one, other in combinations(_candidates(case), 2)
        if _one_version(one, other)
        for pair in disagreements(one, other, word_for_word=word_for_word)
    )
    return list(_that_matter(case, same_version))[:_MOST_PAIRS]


def differing_versions(case: Case) -> list[Pair]:
    """Pairs of documents for different versions that state different things, where that matters for the question."""
    pairs = (
        pair
        for one, other in combinations(_candidates(case), 2)
        if not _one_version(one, other)
        for pair in _version_disagreements(case, one, other)
    )
    return list(_that_matter(case, pairs))[:_MOST_PAIRS]


def _version_disagreements(case: Case, one: Passage, other: Passage) -> Iterator[Pair]:
    """As `disagreements`, but each page's own version counts for nothing: `Acme 2` and `Acme 3` are one name."""
    for line in one.lines:
        for other_line in other.lines:
            ours, theirs = _without_version(case, one, line), _without_version(case, other, other_line)
            # Pages of two versions are mostly copies: word for word they would differ in every number that changed.
            if disagree(ours, theirs, word_for_word=False):
                yield Pair(one, line, other, other_line)


def _without_version(case: Case, passage: Passage, line: Line) -> Line:
    names = "|".join(re.escape(each) for each in sorted(case.versioned_names))
    if not names:
        return line
    own = re.compile(rf"\b({names})[\s-]?{re.escape(version_of(passage.evidence))}\b", re.IGNORECASE)
    return replace(line, text=own.sub(r"\1", line.text))


def disagreements(one: Passage, other: Passage, *, word_for_word: bool = True) -> Iterator[Pair]:
    """The lines of two passages of different documents that state different things about the same."""
    if one.evidence.doc_id == other.evidence.doc_id:
        return
    # Whoever says both means no contradiction: "up to 3.2.11 this, from 3.2.12 that".
    both = _in_both(one, other) if word_for_word else frozenset()
    for line in one.lines:
        for other_line in other.lines:
            if both and not both.isdisjoint((_plain(line), _plain(other_line))):
                continue
            if word_for_word and not (line.stated and other_line.stated):
                continue
            if not disagree(line, other_line, word_for_word=word_for_word):
                continue
            if word_for_word and _each_of_its_own(one, line, other, other_line):
                continue
            yield Pair(one, line, other, other_line)


def _each_of_its_own(one: Passage, line: Line, other: Passage, other_line: Line) -> bool:
    """Whether the numbers that tell the lines apart are what their pages are about, by title and headings: "upgrading
    from 3.3 to 3.4" on the page of that name contradicts no page about 3.5."""
    ours, theirs = ({each.number for each in each_line.statement.values} for each_line in (line, other_line))
    if ours == theirs:
        return False
    return ours - theirs <= _numbers(one.context) and theirs - ours <= _numbers(other.context)


def _numbers(context: str) -> frozenset[str]:
    return frozenset(each.value for each in quantities(context))


def _in_both(one: Passage, other: Passage) -> frozenset[str]:
    return frozenset(map(_plain, one.lines)) & frozenset(map(_plain, other.lines))


def _plain(line: Line) -> str:
    return " ".join(line.text.split()).casefold()


def disagree(line: Line, other: Line, *, word_for_word: bool = True) -> bool:
    """Whether two lines say the same but for a number, version, date or denial. `word_for_word`: where nothing but that
    tells them apart, `contradict` decides, whatever it counts."""
    if line.row or other.row:
        return line.row and other.row and _rows_disagree(line, other)
    one, two = line.statement, other.statement
    shared = len(one.content & two.content)
    least, all_words = min(len(one.content), len(two.content)), len(one.content | two.content)
    if shared < _LEAST_SHARED or shared < _LEAST_CONTAINED * least or not _names_agree(one, two):
        return False
    if shared + len(one.names & two.names) < _LEAST_SHARED_WITH_NAMES:
        # "The check takes 3 days": of what, stands elsewhere on each page.
        return False
    if word_for_word and wording(line.text).words == wording(other.text).words:
        return contradict(wording(line.text), wording(other.text))
    alike = shared / all_words
    if one.negated != two.negated:
        return alike >= _LEAST_ALIKE_DENIED and not (one.conditional or two.conditional) and one.values == two.values
    return alike >= _LEAST_ALIKE and _values_differ(one.values, two.values)


def _candidates(case: Case) -> list[Passage]:
    best = max((each.score for each in case.passages), default=0.0)
    near = [each for each in case.usable if each.score >= _LEAST_SHARE * best]
    cited = {each.evidence.chunk_id for each in case.cited}
    rest = [each for each in case.usable if each.evidence.chunk_id in cited and each not in near]
    return [*near[:_MOST_PASSAGES], *rest]


def _that_matter(case: Case, pairs: Iterable[Pair]) -> Iterator[Pair]:
    """Pairs on what was asked; with a draft, of those only what touches a cited passage, and all on a cited span."""
    best = max((_relevance(case, line) for passage in case.usable for line in passage.lines), default=0.0)
    least = _LEAST_OF_COVERAGE * case.thresholds["coverage"]
    cited = {each.evidence.chunk_id for each in case.cited}
    spans = [span for claim in (case.draft.claims if case.draft is not None else ()) for span in case.spans(claim)]
    for pair in pairs:
        if _is_cited(pair.one, pair.line, spans) or _is_cited(pair.other, pair.other_line, spans):
            yield pair
            continue
        touched = not cited or pair.one.evidence.chunk_id in cited or pair.other.evidence.chunk_id in cited
        near = max(_relevance(case, pair.line), _relevance(case, pair.other_line))
        share = _NEAR_BEST_IF_ASKED if _is_asked(case, pair) else _NEAR_BEST
        if touched and near >= max(share * best, least):
            yield pair


def _is_asked(case: Case, pair: Pair) -> bool:
    """Whether the question has a word for what the numbers count: `Nodes`, in "up to 6 Nodes"."""
    lexemes = {each.lexeme for each in case.terms}
    values = (*pair.line.statement.values, *pair.other_line.statement.values)
    return any(each.before in lexemes or each.after in lexemes for each in values)


def _relevance(case: Case, line: Line) -> float:
    return case.coverage(line.stems)


def _is_cited(passage: Passage, line: Line, spans: Sequence[tuple[Passage, int, int]]) -> bool:
    return any(cited is passage and start < line.end and line.start < end for cited, start, end in spans)


def _one_version(one: Passage, other: Passage) -> bool:
    first, second = version_of(one.evidence), version_of(other.evidence)
    return not first or not second or matches(first, second)


def _names_agree(one: Statement, two: Statement) -> bool:
    """One sentence may name more than the other, but not something else."""
    return one.names <= two.names or two.names <= one.names


def _values_differ(one: Sequence[Value], two: Sequence[Value]) -> bool:
    """Whether a number of the same thing, in the same unit, is another one here than there."""
    if not one or not two:
        return False
    for value in one:
        same_thing = [each for each in two if _about_the_same(value, each)]
        if same_thing and all(each.number != value.number for each in same_thing):
            ours = {each.number for each in one if _about_the_same(each, same_thing[0])}
            if not ours & {each.number for each in same_thing}:
                return True
    return False


def _about_the_same(value: Value, other: Value) -> bool:
    if value.unit != other.unit:
        return False
    return (
        (value.before, value.after) == (other.before, other.after)
        or (value.after != "" and value.after == other.after)
        or (value.before != "" and value.before == other.before and not (value.after and other.after))
    )


def _rows_disagree(line: Line, other: Line) -> bool:
    """Rows of two tables with the same columns and the same words, but other numbers."""
    if not line.header or _words_of(line.header) != _words_of(other.header):
        return False
    one, two = [each.value for each in quantities(line.text)], [each.value for each in quantities(other.text)]
    return len(one) == len(two) and one != two and _words_of(line.text) == _words_of(other.text) != []


def _words_of(row: str) -> list[str]:
    numbers = [(each.start, each.end) for each in quantities(row)]
    return [each.stem for each in words(row) if not any(start <= each.start < end for start, end in numbers)]

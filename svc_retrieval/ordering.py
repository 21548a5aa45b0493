"""The order of what was found: all signals of each passage, what they say together, and who stands for whom."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from meshkit.text.lexemes import IDENTIFIER_PREFIX
from meshkit.text.versions import is_for, named_versions, version_of
from svc_retrieval import folding, scoring
from svc_retrieval.lineage import below_successors, best_of_each
from svc_retrieval.ranking import Ranking
from svc_retrieval.results import APPROVED_RECORD, Found
from svc_retrieval.scoring import Reading, Signals
from svc_retrieval.store.search import LexicalLeg, Passage
from svc_retrieval.titles import headings, identifiers, stems

LEAST_COMPARED, MOST_COMPARED = 16, 64


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage on its way: `total` sums its signals up, the title's cosine apart."""

    passage: Passage
    signals: Signals
    total: float

    def score(self, ranking: Ranking) -> float:
        """0 to 1."""
        return scoring.score(self.total + scoring.title_worth(self.signals, ranking), ranking)


def ranks_of(candidates: Sequence[Candidate], ranking: Ranking) -> list[Found]:
    """All passages with their scores and ranks, in no order; one for each approved record."""
    fused = [each.score(ranking) for each in candidates]
    signals = [each.signals for each in candidates]
    places = zip(
        scoring.ranks([each.bm25 or None for each in signals]),
        scoring.ranks([each.cosine for each in signals]),
        scoring.ranks([each.coverage or None for each in signals]),
        scoring.ranks([each.bigram or None for each in signals]),
        scoring.ranks([each.title_cosine for each in signals]),
        scoring.ranks(fused),
        strict=True,
    )
    found = [
        Found(each.passage, each.signals, value, value, ranks)
        for each, value, ranks in zip(candidates, fused, places, strict=True)
    ]
    return best_of_each(
        found,
        key=lambda each: each.passage.doc_id if each.passage.kind == APPROVED_RECORD else None,
        score=lambda each: each.fused,
    )


def settled(found: Sequence[Found]) -> list[Found]:
    """The same, best first; none of a superseded page above its successor, or of an older version above the newest."""
    return sorted(_bounded(found), key=_order)


def diverse(found: Sequence[Found], count: int) -> list[Found]:
    """The same without passages that others stand for: enough of them to show `count`, if there are so many."""
    # What is far behind is not compared: it costs time for each pair, and is shown only if all before it are copies.
    looked_at = min(max(2 * count, LEAST_COMPARED), MOST_COMPARED)
    near, far = found[:looked_at], found[looked_at:]
    entries = [folding.Entry(each.passage, each.score, each.signals.another_version) for each in near]
    shown = [replace(near[place], folded=folded) if folded else near[place] for place, folded in folding.fold(entries)]
    return [*shown, *far]


def first_look(query: str, passages: Sequence[Passage], lexical: LexicalLeg, ranking: Ranking) -> list[Candidate]:
    """Each passage with its signals but the title's cosine, best first."""
    versions = [_version(each) for each in passages]
    named = named_versions(
        query, [(version, " . ".join(headings(each))) for each, version in zip(passages, versions, strict=True)]
    )
    readings = {each: Reading.of(lexical.terms_in(each)) for each in {passage.configuration for passage in passages}}
    candidates = []
    for passage, version in zip(passages, versions, strict=True):
        reading = readings[passage.configuration]
        signals = _signals(passage, reading, lexical, ranking, another_version=not is_for(version, named))
        candidates.append(Candidate(passage, signals, scoring.first_sum(signals, reading, lexical.chunks, ranking)))
    return sorted(candidates, key=lambda each: (-each.total, each.passage.uri, each.passage.chunk_index))


def spoken_in(found: Sequence[Found]) -> str:
    """The text configuration that the question is best read in: that of the passage which holds most of it."""
    best = max(found, key=lambda each: each.signals.coverage, default=None)
    return "" if best is None else best.passage.configuration


def _signals(
    passage: Passage, reading: Reading, lexical: LexicalLeg, ranking: Ranking, *, another_version: bool
) -> Signals:
    terms, held, over = reading.terms, passage.held, headings(passage)
    return Signals(
        bm25=scoring.bm25(terms, held, words=passage.word_count, mean_words=lexical.mean_words, ranking=ranking),
        cosine=passage.cosine,
        coverage=scoring.coverage(reading, held),
        bigram=scoring.bigram(reading.neighbours, held),
        identifiers=scoring.identifiers(terms, held, _named_in(over)) if _holds_identifier(held) else 0.0,
        together=scoring.together(terms, held, ranking.together_span),
        title_overlap=max(
            (scoring.title_overlap(reading, stems(each, passage.configuration)) for each in over), default=0.0
        ),
        another_version=another_version,
    )


def _holds_identifier(held: scoring.Held) -> bool:
    return any(lexeme.startswith(IDENTIFIER_PREFIX) for lexeme in held)


def _named_in(over: Sequence[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(identifiers, over))


def _version(passage: Passage) -> str:
    return version_of(passage.product_version, passage.uri)


def _bounded(found: Sequence[Found]) -> list[Found]:
    best: dict[UUID, float] = {}
    for each in found:
        best[each.passage.doc_id] = max(each.score, best.get(each.passage.doc_id, 0.0))
    successors = {each.passage.doc_id: each.passage.superseded_by for each in found if each.passage.superseded_by}
    bounds = below_successors(best, successors)
    bounded = [min(each.score, bounds[each.passage.doc_id]) for each in found]
    if not any(each.signals.another_version for each in found):
        # Where the question names a version, what is for another one has lost enough.
        bounded = folding.bounds([each.passage for each in found], bounded)
    return [
        each if score == each.score else replace(each, score=score) for each, score in zip(found, bounded, strict=True)
    ]


def _order(found: Found) -> tuple[float, bool, bool, str, int]:
    passage = found.passage
    # Of equals, what was held down to its successor's or newer version's score comes after that.
    behind = found.score < found.fused
    return -found.score, passage.superseded_by is not None, behind, passage.uri, passage.chunk_index
